"""What the checks of a participant come to by the panels' rule.

Attention checks that say explicitly what to choose may cost somebody their payment only when they failed
two of them in a study that takes five minutes or longer, or one in a shorter study. Whoever fails a
comprehension check with all of its attempts, two at least, is asked to return the place, and never rejected
for it. Reference: Prolific's attention and comprehension check policy (researcher-help.prolific.com).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from almond.design.plan import StudyPlan
from almond.design.trials import TRIAL_KINDS

LONG_MINUTES = 5.0
"""From so many minutes on, one failed attention check is not enough."""
LEAST_ATTEMPTS = 2
"""So many attempts at a comprehension check are the least that a panel accepts."""


def planned_minutes(plan: StudyPlan) -> float:
    """Estimate how long a visit takes an attentive adult, in minutes."""
    seconds = (block.trials * TRIAL_KINDS.load(block.kind).seconds(block) for block in plan.blocks)
    return sum(seconds) / 60


def failures_needed(minutes: float) -> int:
    """Return how many failed attention checks the panels ask for, in a study of so many minutes."""
    return 2 if minutes >= LONG_MINUTES else 1


@dataclass(frozen=True)
class ParticipantCheck:
    """One check of one participant: its block, whether it is about attention, and whether it was passed
    (None: not answered yet)."""

    block: str
    attention: bool
    passed: bool | None


@dataclass(frozen=True)
class CheckVerdict:
    """What a participant's checks came to in a study of ``minutes``."""

    checks: tuple[ParticipantCheck, ...]
    minutes: float

    @property
    def failed_attention(self) -> tuple[str, ...]:
        return tuple(check.block for check in self.checks if check.attention and check.passed is False)

    @property
    def failed_comprehension(self) -> tuple[str, ...]:
        return tuple(check.block for check in self.checks if not check.attention and check.passed is False)

    @property
    def inattentive(self) -> bool:
        """Whether the panels' rule lets the submission be rejected."""
        return len(self.failed_attention) >= failures_needed(self.minutes)

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against the participant by the panels' rule."""
        return not self.inattentive and not self.failed_comprehension

    def words(self) -> str:
        """Say the verdict in sentences, with every number."""
        said = [f"{self._attention_words()}."] if any(self._answered(attention=True)) else []
        said += [
            f"Failed the comprehension check “{block}” with every attempt: ask them to return their place."
            for block in self.failed_comprehension
        ]
        understood = [check.block for check in self._answered(attention=False) if check.passed]
        said += [f"Passed the comprehension check “{block}”." for block in understood]
        return " ".join(said) or "No check was answered yet."

    def _answered(self, *, attention: bool) -> list[ParticipantCheck]:
        return [check for check in self.checks if check.attention is attention and check.passed is not None]

    def _attention_words(self) -> str:
        number, failed = len(self._answered(attention=True)), self.failed_attention
        checks = f"{number} attention check{'' if number == 1 else 's'}"
        if not failed:
            return f"Passed {checks}"
        long = self.minutes >= LONG_MINUTES
        length = "of five minutes or longer" if long else "shorter than five minutes"
        may = "may be rejected" if self.inattentive else "may not be rejected for it"
        return (
            f"Failed {len(failed)} of {checks} ({', '.join(failed)}): {may}, for in a study {length} "
            f"it takes {failures_needed(self.minutes)}"
        )


def verdict_of(
    plan: StudyPlan, answers: Mapping[str, Sequence[Mapping[str, object] | None]], minutes: float
) -> CheckVerdict:
    """Judge somebody by the panels' rule.

    :param answers: of each block with a check, what was answered to its trials in order; None for none.
    :param minutes: how long the study takes.
    """
    results = []
    for block in plan.blocks:
        kind = TRIAL_KINDS.load(block.kind)
        if kind.checks is None:
            continue
        outcome = kind.outcome(block, answers.get(block.name, ()))
        passed = {"yes": True, "no": False}.get(outcome.get("passed", ""))
        results.append(ParticipantCheck(block.name, kind.checks == "attention", passed))
    return CheckVerdict(tuple(results), minutes)
