"""What a check is: a question, the numbers that answer it, a sentence, and a verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from matplotlib.figure import Figure

from almond.diagnosis.evidence import DiagnosisEvidence
from almond.errors import AlmondError
from almond.progress import Progress
from almond.report.document import Picture, Table

Standing = Literal["good", "doubtful", "bad"]
"""The verdict of a check, from best to worst."""

STANDINGS: tuple[Standing, ...] = ("good", "doubtful", "bad")
UNDECIDED = "no verdict"
"""The overall verdict where a check that decides could not be made."""

Numbers = Mapping[str, Any]


class NotMeasured(AlmondError):
    """A check cannot be made with what there is; the message says why, and what would do."""


@dataclass(frozen=True)
class Finding:
    """What a check found. ``numbers`` are JSON values; ``alarm`` is shown in red at the top of the report."""

    numbers: dict[str, Any]
    sentence: str
    standing: Standing
    alarm: str = ""


class Draw(Protocol):
    """Draw the figures of a check from its numbers, by name."""

    def __call__(self, numbers: Numbers) -> dict[str, Figure]: ...


def no_figures(numbers: Numbers) -> dict[str, Figure]:
    """Draw nothing."""
    return {}


@dataclass(frozen=True)
class DiagnosisCheck:
    """One check, as it stands in the report.

    ``decides``: whether the overall verdict rests on it; ``short`` is then its title on the first page.
    ``limits`` says in words what is good, doubtful and bad. ``tables`` and ``draw`` show the numbers;
    ``pictures`` places the figures.
    """

    name: str
    title: str
    limits: str
    run: Callable[[DiagnosisEvidence, Progress], Finding]
    tables: Callable[[Numbers], Sequence[Table]]
    short: str = ""
    decides: bool = False
    draw: Draw = no_figures
    pictures: tuple[Picture, ...] = field(default=())


def worst_of(standings: Sequence[Standing]) -> Standing:
    """Return the worst of one or more verdicts."""
    return max(standings, key=STANDINGS.index)


def graded(value: float, good: float, doubtful: float) -> Standing:
    """Grade a value: good from ``good`` on, doubtful from ``doubtful`` on (or down to it), else bad.

    Where ``good`` is the smaller of the two limits, small values are the good ones.
    """
    sign = 1.0 if good >= doubtful else -1.0
    if sign * value >= sign * good:
        return "good"
    return "doubtful" if sign * value >= sign * doubtful else "bad"
