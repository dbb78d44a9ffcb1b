"""What the stages of training consist of: lessons in turn, each with an optimiser of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIDE = 24
"""Side of a latent in cells."""


@dataclass(frozen=True)
class Lesson:
    """Noisy latents of one update, their times (from, to; of 1000), and AdamW's largest rates.

    :param batch: noisy latents for each process.
    :param rate: of the network; ``modulation_rate`` of the projections of time and text that modulate it,
        ``text_rate`` of the text encoder.
    :param changed: chances of the attributes in which the two captions of a pair differ; without any,
        each latent has one caption.
    :param side: of the part of the latent that is predicted, in cells, around what changes.
    """

    name: str
    batch: int
    rate: float
    text_rate: float
    modulation_rate: float
    times: tuple[int, int] = (0, 1000)
    changed: tuple[tuple[str, float], ...] = ()
    side: int = SIDE

    @property
    def pictures(self) -> float:
        """Return the work of an update in whole pictures."""
        return self.batch * (2 if self.changed else 1) * (self.side / SIDE) ** 2


@dataclass(frozen=True)
class Stage:
    """Lessons in turn; rates fall by a cosine over the last ``falling`` of the time, ``keep`` is the
    average's memory."""

    lessons: tuple[Lesson, ...]
    falling: float
    keep: float

    @property
    def teaches(self) -> bool:
        """Whether it goes on from weights and learns from posterior means."""
        return any(lesson.changed for lesson in self.lessons)


STAGES = {
    "scenes": Stage((Lesson("scenes", 32, 8e-4, 8e-4, 8e-4),), falling=0.4, keep=0.9985),
    "teacher": Stage(
        (
            Lesson("pictures", 16, 3e-4, 3e-4, 3e-4),
            Lesson(
                "faces",
                24,
                2e-4,
                2e-4,
                8e-4,
                times=(250, 960),
                changed=(("expression", 0.65), ("gaze", 0.35)),
                side=12,
            ),
            Lesson(
                "bodies",
                8,
                2e-4,
                2e-4,
                8e-4,
                times=(450, 990),
                changed=(("posture", 0.5), ("object", 0.3), ("presence", 0.2)),
            ),
        ),
        falling=0.5,
        keep=0.99,
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
