"""Participants whom an experimenter excluded by hand, with a reason, while nobody could see answers.

For what no number tells: somebody wrote that they had been disturbed, took part in a pilot, or does not read
the language. Who was excluded after answers could be seen is no case of this rule; an analysis says so.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from almond.design.exclusions.base import BlindTables, ExclusionRule, Judged


class ByHand(ExclusionRule):
    """Left out: whom an experimenter excluded before answers could be seen."""

    kind: Literal["by_hand"] = "by_hand"

    reasons: Annotated[str, Strict(), Field(max_length=500)] = Field(
        "", title="reasons", description="What the lab may exclude somebody for. Empty: any reason in words."
    )

    def words(self) -> str:
        reasons = f" Reasons: {self.reasons.rstrip('.')}." if self.reasons else ""
        return f"By hand: participants whom an experimenter excluded before answers could be seen.{reasons}"

    def unsimulated(self) -> str:
        return "decisions of experimenters"

    def judge(self, tables: BlindTables) -> Judged:
        people = tables.participants
        if "excluded" not in people:
            return Judged()  # of a study in which nobody was
        out = people[(people["excluded"] == 1) & (people["excluded_blind"] == 1)]
        return Judged(dict(zip(out["participant_id"].map(str), out["excluded_reason"], strict=True)))
