"""Rules by which people are paid more than the reward of their outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ratings.recruiting.outcomes import Outcome


@dataclass(frozen=True)
class Work:
    """What one person did: how the visit ended, if it has, how many answers are stored, and how many
    attention checks were passed."""

    outcome: Outcome | None
    answers: int
    checks: int = 0


@dataclass(frozen=True)
class BonusRule:
    """``times(work, per)`` says how often the amount is paid; ``label`` stands in the form."""

    label: str
    times: Callable[[Work, int], int]
    counts: bool = False
    """Whether it needs ``per``: the amount is paid once for so many."""
    looks_at_checks: bool = False
    """Whether it counts attention checks instead of answers."""


CUT_OFF = (Outcome.CLOSED, Outcome.TIMED_OUT)
BONUSES = {
    "finished": BonusRule("fixed, for whoever finished", lambda work, per: work.outcome is Outcome.FINISHED),
    "answers": BonusRule("for every so many answers", lambda work, per: work.answers // per, counts=True),
    "part": BonusRule(
        "for every so many answers, of visits that were cut off",
        lambda work, per: work.answers // per if work.outcome in CUT_OFF else 0,
        counts=True,
    ),
    "checks": BonusRule(
        "for every so many attention checks passed",
        lambda work, per: work.checks // per,
        counts=True,
        looks_at_checks=True,
    ),
}


def bonus_choices() -> list[tuple[str, str]]:
    """List (name, label) of the rules, as the choices of a form."""
    return [(name, rule.label) for name, rule in BONUSES.items()]
