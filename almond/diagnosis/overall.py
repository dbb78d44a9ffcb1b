"""The verdict of a diagnosis: the worst of the checks that decide, with their reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from almond.diagnosis.check import UNDECIDED, DiagnosisCheck, Finding, worst_of

WORDS = {
    "good": "Good: a reader who took no part sees what guidance moves, more of it with more guidance, and "
    "for its own target more than for others.",
    "doubtful": "Doubtful: look at the reasons before money is spent.",
    "bad": "Bad: do not spend money on pictures made like this.",
    UNDECIDED: "No verdict: a check that decides could not be made.",
}


@dataclass(frozen=True)
class CheckResult:
    """A check with what it found, or with the reason why it could not be made."""

    check: DiagnosisCheck
    finding: Finding | None
    reason: str = ""

    @property
    def standing(self) -> str:
        return "not measured" if self.finding is None else self.finding.standing

    @property
    def sentence(self) -> str:
        return f"Not measured: {self.reason}." if self.finding is None else self.finding.sentence

    def to_json(self) -> dict[str, Any]:
        return {
            "title": self.check.title,
            "decides": self.check.decides,
            "limits": self.check.limits,
            "standing": self.standing,
            "sentence": self.sentence,
            "alarm": self.finding.alarm if self.finding else "",
            "numbers": self.finding.numbers if self.finding else None,
        }


@dataclass(frozen=True)
class OverallVerdict:
    """``verdict``: good, doubtful, bad or no verdict. ``reasons`` are those of the checks that decide."""

    verdict: str
    sentence: str
    reasons: tuple[str, ...]
    alarms: tuple[str, ...]


def overall_verdict(answers: Mapping[str, CheckResult]) -> OverallVerdict:
    """Return the worst verdict of the checks that decide; none where one of them was not made.

    A check that decides and is bad stands also where another could not be made.
    """
    deciding = [answer for answer in answers.values() if answer.check.decides]
    found = [answer.finding.standing for answer in deciding if answer.finding is not None]
    if len(found) < len(deciding) and "bad" not in found:
        verdict: str = UNDECIDED
    else:
        verdict = worst_of(found)
    alarms = tuple(
        answer.finding.alarm for answer in answers.values() if answer.finding and answer.finding.alarm
    )
    return OverallVerdict(verdict, WORDS[verdict], _reasons(deciding), alarms)


def _reasons(deciding: Sequence[CheckResult]) -> tuple[str, ...]:
    return tuple(f"{answer.check.title} {answer.standing}. {answer.sentence}" for answer in deciding)
