"""What the stages of training consist of: every update learns from each of the stage's lessons."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIDE = 24
"""Side of a latent in cells."""


@dataclass(frozen=True)
class Lesson:
    """Noisy latents of one update and their times (from, to; of 1000).

    :param batch: noisy latents for each process.
    :param changed: chances of the attributes in which the two captions of a pair differ; without any,
        each latent has one caption.
    :param side: of the part of the latent that is predicted, in cells, around what changes.
    """

    name: str
    batch: int
    times: tuple[int, int] = (0, 1000)
    changed: tuple[tuple[str, float], ...] = ()
    side: int = SIDE

    @property
    def pictures(self) -> float:
        """Return the work of an update in whole pictures."""
        return self.batch * (2 if self.changed else 1) * (self.side / SIDE) ** 2

    @property
    def errors(self) -> tuple[str, ...]:
        """Return the names of the errors that it is scored by: of pictures, and of a pair's difference."""
        return (self.name, f"{self.name}, difference") if self.changed else (self.name,)


@dataclass(frozen=True)
class Stage:
    """Lessons, and AdamW's largest rates, which fall by a cosine over the last ``falling`` of the time.

    :param rate: of the network and the text encoder; ``modulation_rate`` of the projections of time and text
        that modulate the network.
    :param keep: memory of the average of the weights.
    """

    lessons: tuple[Lesson, ...]
    rate: float
    modulation_rate: float
    falling: float
    keep: float

    @property
    def teaches(self) -> bool:
        """Whether it goes on from weights and learns from posterior means."""
        return any(lesson.changed for lesson in self.lessons)


STAGES = {
    "scenes": Stage((Lesson("scenes", 32),), rate=8e-4, modulation_rate=8e-4, falling=0.4, keep=0.9985),
    "teacher": Stage(
        (
            Lesson("pictures", 4),
            Lesson(
                "pairs",
                6,
                times=(500, 990),
                changed=(
                    ("expression", 0.35),
                    ("posture", 0.25),
                    ("gaze", 0.15),
                    ("object", 0.15),
                    ("presence", 0.1),
                ),
            ),
            Lesson("faces", 12, times=(400, 850), changed=(("expression", 0.65), ("gaze", 0.35)), side=12),
        ),
        rate=4e-4,
        modulation_rate=1e-3,
        falling=0.5,
        keep=0.995,
    ),
}


def rate_share(share: float, step: int, falling: float) -> float:
    """Warm up over 30 steps, then constant, then a cosine to 1 percent over the last ``falling`` of it."""
    fall = min(1.0, max(0.0, (share - 1.0 + falling) / falling))
    return min(1.0, (step + 1) / 30) * (0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi * fall)))


def drawn_times(lesson: Lesson, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw the times of an update, evenly spread, which varies less than independent draws."""
    even = (rng.permutation(lesson.batch) + rng.random(lesson.batch)) / lesson.batch
    first, last = lesson.times
    return (first + even * (last - first)).astype(np.int64)
