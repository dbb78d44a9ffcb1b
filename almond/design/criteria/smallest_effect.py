"""A significant effect that is as large as the smallest one of interest; falsified where none can be.

Falsified where the whole interval of the effect lies below the smallest effect of interest (Lakens, 2017,
Soc. Psychol. Personal. Sci. 8, 355).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from almond.design.criteria.base import Criterion, Direction, Evidence, Verdict, signed_effect
from almond.shapes import Number


class SmallestEffect(Criterion):
    """``smallest``: in the unit of the test's estimate, such as a share of choices above one half."""

    kind: Literal["smallest_effect"] = "smallest_effect"
    smallest: Annotated[Number, Field(gt=0)]

    @property
    def smallest_of_interest(self) -> float:
        return self.smallest

    def judge(self, direction: Direction, evidence: Evidence) -> Verdict:
        effect = signed_effect(direction, evidence)
        if effect is None:
            return Verdict("inconclusive", "the test gives no estimate of the effect")
        if evidence.p <= evidence.alpha and effect >= self.smallest:
            return Verdict("corroborated", f"significant, and at least {self.smallest:g}")
        largest = max(self._largest(direction, evidence), default=None)
        if largest is not None and largest < self.smallest:
            return Verdict("falsified", f"the interval holds no effect of {self.smallest:g} or more")
        return Verdict("inconclusive", f"effects on both sides of {self.smallest:g} are compatible")

    @staticmethod
    def _largest(direction: Direction, evidence: Evidence) -> Iterator[float]:
        """Yield the ends of the interval that could be large effects in the direction."""
        if evidence.high is not None and direction != "less":
            yield evidence.high
        if evidence.low is not None and direction != "greater":
            yield -evidence.low

    def words(self, direction: Direction, alpha: float) -> str:
        towards = "" if direction == "either" else " in the predicted direction"
        return (
            f"Corroborated by p ≤ {alpha:g} with an effect of at least {self.smallest:g}{towards}, falsified "
            "where the interval of the effect holds none so large; otherwise inconclusive."
        )
