"""What a criterion is: parameters, a verdict on what a test found, and the sentence that a plan prints."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from almond.shapes import Shape

Direction = Literal["greater", "less", "either", "none"]
"""Of an effect that is claimed; ``none`` claims that there is no difference."""

Outcome = Literal["corroborated", "falsified", "inconclusive"]


@dataclass(frozen=True)
class Evidence:
    """What a test found about one hypothesis.

    :param p: its p value, corrected over the hypotheses where the plan says so. For direction ``none`` it is
        that of equivalence, the larger of two one-sided tests.
    :param alpha: the plan's error level.
    :param effect: the estimate less its value where nothing is there, with the ends of its interval; None
        where the test gives none.
    :param low: lower end of the effect's interval; None without one.
    :param high: upper end of it.
    :param narrow_low: lower end of the effect's interval of 1 - 2 alpha, by which equivalence is judged.
    :param narrow_high: upper end of it.
    :param p_difference: for direction ``none``, the p value of the test of a difference, not corrected.
    """

    p: float
    alpha: float
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    narrow_low: float | None = None
    narrow_high: float | None = None
    p_difference: float | None = None


@dataclass(frozen=True)
class Verdict:
    """What a criterion makes of the evidence, and why in a few words."""

    outcome: Outcome
    why: str


class Criterion(Shape):
    """Named rule for a verdict; a kind adds its parameters as fields.

    ``directions`` are those of the hypotheses that it can judge.
    """

    directions: ClassVar[tuple[Direction, ...]] = ("greater", "less", "either")

    kind: str

    @property
    def smallest_of_interest(self) -> float | None:
        """Return the smallest effect of interest that is declared, None where none is."""
        return None

    @abstractmethod
    def judge(self, direction: Direction, evidence: Evidence) -> Verdict:
        """Decide between corroborated, falsified and inconclusive."""

    @abstractmethod
    def words(self, direction: Direction, alpha: float) -> str:
        """Say in a sentence what corroborates and what falsifies the hypothesis."""


def signed_effect(direction: Direction, evidence: Evidence) -> float | None:
    """Return the effect counted towards the direction of a hypothesis; its size where it has none."""
    if evidence.effect is None:
        return None
    if direction == "either":
        return abs(evidence.effect)
    return evidence.effect if direction == "greater" else -evidence.effect
