"""What a criterion is: parameters, a verdict on what a test found, and the sentence that a plan prints."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal

from almond.shapes import Shape

Direction = Literal["greater", "less", "either"]
Outcome = Literal["corroborated", "falsified", "inconclusive"]


@dataclass(frozen=True)
class Evidence:
    """What a test found about one hypothesis.

    :param p: its p value, corrected over the hypotheses where the plan says so.
    :param alpha: the plan's error level.
    :param effect: the estimate less its value where nothing is there, with the ends of its interval; None
        where the test gives none.
    :param low: lower end of the effect's interval; None without one.
    :param high: upper end of it.
    """

    p: float
    alpha: float
    effect: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Verdict:
    """What a criterion makes of the evidence, and why in a few words."""

    outcome: Outcome
    why: str


class Criterion(Shape):
    """Named rule for a verdict; a kind adds its parameters as fields."""

    kind: str

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
