"""Answers that the server marked as implausible when they came.

No trial kind asks a check question, so that what exists are the marks of every response: ``too_fast`` (under
100 ms), ``too_long`` (longer than since joining), ``out_of_order`` (an earlier trial was open) and
``altered`` (came again with other content). A rule for a lab's own check trials reads their table instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from almond.design.exclusions.base import BlindTables, CannotApply, ExclusionRule, Judged, over
from almond.shapes import Whole

if TYPE_CHECKING:
    import pandas as pd


class FailedChecks(ExclusionRule):
    """Left out: who has more than ``most`` trials with the ``mark``."""

    kind: Literal["failed_checks"] = "failed_checks"
    mark: Literal["any", "too_fast", "too_long", "out_of_order", "altered"] = Field(
        "too_fast",
        title="mark",
        description="Under 100 ms, longer than since joining, before an earlier trial, or changed later.",
    )
    most: Annotated[Whole, Field(ge=0)] = Field(
        2, title="most marked trials", description="More than so many of a participant's trials."
    )

    def words(self) -> str:
        mark = "a mark" if self.mark == "any" else f"the mark “{self.mark}”"
        return (
            f"Failed checks: participants with more than {self.most} trials that the server gave {mark} of "
            "an implausible answer (the study has no check questions)."
        )

    def unsimulated(self) -> str:
        return "marks of implausible answers"

    def judge(self, tables: BlindTables) -> Judged:
        marked = [table for table in (tables.ratings, tables.choices) if "marks" in table]
        if not marked:
            raise CannotApply("the marks of responses")
        counts: dict[str, float] = {}
        for table in marked:
            for person, count in self._marked_trials(table).items():
                counts[person] = counts.get(person, 0) + count
        said = "marked" if self.mark == "any" else f"marked {self.mark}"
        return over(counts, tables.people, self.most, lambda count: f"{count:.0f} trials {said}")

    def _marked_trials(self, responses: pd.DataFrame) -> dict[str, int]:
        """Count the trials with the mark, of everybody who has a response."""
        trials = responses.drop_duplicates(["participant_id", "trial_index"])
        has = [bool(marks) if self.mark == "any" else self.mark in marks.split() for marks in trials["marks"]]
        counts = trials.assign(has=has).groupby("participant_id")["has"].sum()
        return {str(person): int(count) for person, count in counts.items()}
