"""A p value up to the error level, with the effect in the direction of the hypothesis.

Falsified only by a significant effect in the other direction: a large p is no evidence of absence.
"""

from __future__ import annotations

from typing import Literal

from almond.design.criteria.base import Criterion, Direction, Evidence, Verdict, signed_effect


class Significance(Criterion):
    """No parameters: the error level is the plan's."""

    kind: Literal["significance"] = "significance"

    def judge(self, direction: Direction, evidence: Evidence) -> Verdict:
        if evidence.p > evidence.alpha:
            return Verdict("inconclusive", f"p is above {evidence.alpha:g}")
        effect = signed_effect(direction, evidence)
        if effect is None and direction != "either":
            return Verdict("inconclusive", "the test tells no direction")
        if effect is not None and effect < 0:
            return Verdict("falsified", "the effect is significant in the other direction")
        return Verdict("corroborated", f"p is at most {evidence.alpha:g}")

    def words(self, direction: Direction, alpha: float) -> str:
        if direction == "either":
            return f"Corroborated by p ≤ {alpha:g}; otherwise inconclusive."
        return (
            f"Corroborated by p ≤ {alpha:g} with the effect in the predicted direction, falsified by p ≤ "
            f"{alpha:g} with the effect in the other; otherwise inconclusive."
        )
