"""Checks that were failed: those that the study asks, or those that the server made of every answer.

A study's own checks are attention checks and comprehension checks; one is failed when the answer is another
than its instruction says, or when no attempt was right. What the server marks of every answer is ``too_fast``
(under 100 ms), ``too_long`` (longer than since joining), ``out_of_order`` (an earlier trial was open) and
``altered`` (came again with other content).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from almond.design.exclusions.base import BlindTables, CannotApply, ExclusionRule, Judged, over
from almond.design.trials import TRIAL_KINDS
from almond.shapes import Whole

if TYPE_CHECKING:
    import pandas as pd

CHECK = "failed_check"


class FailedChecks(ExclusionRule):
    """Left out: who has more than ``most`` trials with the ``mark``, or failed more than ``most`` checks."""

    kind: Literal["failed_checks"] = "failed_checks"
    mark: Literal["any", "too_fast", "too_long", "out_of_order", "altered", "failed_check"] = Field(
        "too_fast",
        title="mark",
        description="Under 100 ms, longer than since joining, before an earlier trial, or changed later; or "
        "a failed attention or comprehension check.",
    )
    most: Annotated[Whole, Field(ge=0)] = Field(
        2,
        title="most marked trials",
        description="More than so many of a participant's trials, or checks. Panels accept 1 failed check in "
        "studies of 5 minutes or longer, 0 in shorter ones.",
    )

    def words(self) -> str:
        if self.mark == CHECK:
            return (
                f"Failed checks: participants who failed more than {self.most} of the study's checks: an "
                "attention check answered otherwise than it says, or a comprehension check without an "
                "attempt that was right."
            )
        mark = "a mark" if self.mark == "any" else f"the mark “{self.mark}”"
        return (
            f"Failed checks: participants with more than {self.most} trials that the server gave {mark} of "
            "an implausible answer (no check question of the study is meant)."
        )

    def unmet(self, kinds: Collection[str], repeats: int) -> Iterator[tuple[str, str]]:
        if self.mark == CHECK and not any(TRIAL_KINDS.load(name).checks for name in kinds):
            yield "mark", "is failed_check, but no block is an attention check or a comprehension check"

    def unsimulated(self) -> str:
        return "check questions" if self.mark == CHECK else "marks of implausible answers"

    def judge(self, tables: BlindTables) -> Judged:
        if self.mark == CHECK:
            return over(
                self._failed_checks(tables),
                tables.people,
                self.most,
                lambda count: f"{count:.0f} failed checks",
            )
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

    def _failed_checks(self, tables: BlindTables) -> dict[str, float]:
        """Count the checks that everybody failed who answered any: a check is a block, passed by any row."""
        if tables.checks is None:
            raise CannotApply("the answers to checks")
        blocks = tables.checks.groupby(["participant_id", "block"])["passed"].max()
        counts = (blocks == 0).groupby("participant_id").sum()
        return {str(person): float(count) for person, count in counts.items()}
