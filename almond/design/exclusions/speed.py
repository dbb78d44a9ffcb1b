"""Answers too fast to have looked, and visits that took too long.

The time of a trial of several ratings is divided by their number, so that one limit holds for every block.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from almond.design.exclusions.base import (
    BlindTables,
    CannotApply,
    ExclusionRule,
    Judged,
    clauses_joined,
    either,
    over,
    percentage,
)
from almond.shapes import Number

if TYPE_CHECKING:
    import pandas as pd


class Speed(ExclusionRule):
    """Left out: whose share of fast trials is above ``most_share``, or who took more than
    ``longest_minutes`` from consent to the last answer."""

    kind: Literal["speed"] = "speed"
    fastest_ms: Annotated[Number, Field(gt=0, le=60000)] = Field(
        400.0, title="fast is below (ms)", description="Per judgement: a trial's time over its ratings."
    )
    most_share: Annotated[Number, Field(ge=0, lt=1)] = Field(
        0.25, title="most fast trials (share)", description="Of a participant's trials, 0 to 1."
    )
    longest_minutes: Annotated[Number, Field(gt=0)] | None = Field(
        None, title="longest visit (min)", description="From consent to the last answer. Empty: no limit."
    )

    def words(self) -> str:
        clauses = [
            f"with more than {percentage(self.most_share)} of trials answered in less than "
            f"{self.fastest_ms:g} ms per judgement"
        ]
        if self.longest_minutes is not None:
            clauses.append(f"who took more than {self.longest_minutes:g} minutes from consent to the end")
        return f"Speed: participants {clauses_joined(clauses)}."

    def judge(self, tables: BlindTables) -> Judged:
        fast = self._fast_shares(tables)
        if not fast:
            raise CannotApply("response times")
        parts = [
            over(
                fast,
                tables.people,
                self.most_share,
                lambda share: f"{percentage(share)} of trials below {self.fastest_ms:g} ms per judgement",
            )
        ]
        if self.longest_minutes is not None:
            minutes = minutes_taken(tables.participants)
            parts.append(
                over(minutes, tables.people, self.longest_minutes, lambda took: f"took {took:.1f} minutes")
            )
        return either(*parts)

    def _fast_shares(self, tables: BlindTables) -> Mapping[str, float]:
        """Return the share of fast trials of every participant who has a response time."""
        trials: dict[str, int] = {}
        fast: dict[str, int] = {}
        for table in (tables.ratings, tables.choices):
            times = judgement_times(table)
            for person, group in times.groupby("participant_id")["ms"]:
                trials[str(person)] = trials.get(str(person), 0) + len(group)
                below = int((group < self.fastest_ms).sum())
                fast[str(person)] = fast.get(str(person), 0) + below
        return {person: fast[person] / count for person, count in trials.items()}


def judgement_times(responses: pd.DataFrame) -> pd.DataFrame:
    """Return ``participant_id`` and ``ms`` per judgement, a row per trial that has a time."""
    timed = responses[responses["rt_ms"].notna()]
    grouped = timed.groupby(["participant_id", "trial_index"])["rt_ms"]
    times = grouped.agg(["first", "size"]).reset_index()
    return times.assign(ms=times["first"] / times["size"])


def minutes_taken(participants: pd.DataFrame) -> dict[str, float]:
    """Return the minutes from consent to the end, of everybody whose two times are known."""
    rows = participants[["participant_id", "started_at", "finished_at"]].itertuples(index=False, name=None)
    return {
        str(person): (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds() / 60
        for person, start, end in rows
        if start and end
    }
