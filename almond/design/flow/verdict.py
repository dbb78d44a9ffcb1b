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
class CheckResult:
    """One check of one participant: its block, whether it is about attention, and whether it was passed
    (None: not answered yet)."""

    block: str
    attention: bool
    passed: bool | None


@dataclass(frozen=True)
class CheckVerdict:
    """What a participant's checks came to in a study of ``minutes``."""

    checks: tuple[CheckResult, ...]
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
        attention = [check for check in self.checks if check.attention and check.passed is not None]
        needed, minutes = failures_needed(self.minutes), max(1, round(self.minutes))
        rule = f"in a study of about {minutes} min, {needed} failed {'is' if needed == 1 else 'are'} enough"
        said = []
        if attention:
            failed = self.failed_attention
            named = f" ({', '.join(failed)})" if failed else ""
            said.append(
                f"Failed {len(failed)} of {len(attention)} attention checks{named}: "
                f"{'may be rejected' if self.inattentive else 'may not be rejected for it'}; {rule}."
            )
        for block in self.failed_comprehension:
            said.append(
                f"Failed the comprehension check “{block}” with every attempt: to be asked to return."
            )
        passed = [check.block for check in self.checks if not check.attention and check.passed]
        said += [f"Passed the comprehension check “{block}”." for block in passed]
        return " ".join(said) or "No check was answered yet."


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
        results.append(CheckResult(block.name, kind.checks == "attention", passed))
    return CheckVerdict(tuple(results), minutes)
