"""No difference as large as the smallest effect of interest: two one-sided tests (TOST).

Corroborated where both tests, of an effect of at least ``smallest`` in either direction, reject at the error
level: the interval of 1 - 2 alpha then lies between -smallest and smallest (Schuirmann, 1987, J.
Pharmacokinet. Biopharm. 15, 657; Lakens, 2017, Soc. Psychol. Personal. Sci. 8, 355).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from almond.design.criteria.base import Criterion, Direction, Evidence, Verdict
from almond.shapes import Number


class Equivalence(Criterion):
    """``smallest``: in the unit of the test's estimate, such as a share of choices above one half."""

    directions: ClassVar[tuple[Direction, ...]] = ("none",)

    kind: Literal["equivalence"] = "equivalence"
    smallest: Annotated[Number, Field(gt=0)]

    @property
    def smallest_of_interest(self) -> float:
        return self.smallest

    def judge(self, direction: Direction, evidence: Evidence) -> Verdict:
        if evidence.effect is None:
            return Verdict("inconclusive", "the test gives no estimate of the effect")
        if evidence.narrow_low is None or evidence.narrow_high is None:
            return Verdict("inconclusive", "the test gives neither a standard error nor an interval")
        if evidence.p <= evidence.alpha:
            return Verdict("corroborated", f"effects of {self.smallest:g} or more are excluded")
        if evidence.narrow_low >= self.smallest or evidence.narrow_high <= -self.smallest:
            return Verdict("falsified", f"the whole interval is {self.smallest:g} or more from none")
        different = evidence.p_difference is not None and evidence.p_difference <= evidence.alpha
        if different and abs(evidence.effect) >= self.smallest:
            return Verdict("falsified", f"the effect is significant, and at least {self.smallest:g}")
        return Verdict("inconclusive", f"effects of {self.smallest:g} are not excluded")

    def words(self, direction: Direction, alpha: float) -> str:
        bound = f"{self.smallest:g}"
        return (
            f"Corroborated where two one-sided tests at {alpha:g} exclude effects of {bound} or more in "
            f"either direction (the {100 - 200 * alpha:g} % interval lies between -{bound} and {bound}), "
            f"falsified by p ≤ {alpha:g} of a difference with an effect of at least {bound}, or where the "
            "whole interval is as far from none; otherwise inconclusive."
        )
