"""The sampler's steps: from one noise level to the next, given a prediction of the clean latent.

``DDIM`` (Song et al. 2021, eta = 0) is all that the embedded generator needs; the schedulers of diffusers
join through ``almond.guidance.backends.diffusers_scheduler``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from almond.guidance.levels import NoiseLevel, variance_preserving

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Step:
    """One step of a trajectory: its index, the time that the denoiser takes, and the noise level."""

    index: int
    time: float
    level: NoiseLevel


class Trajectory(Protocol):
    """One trajectory from noise to image.

    Multistep solvers remember earlier steps, so that a trajectory serves one batch.
    """

    steps: Sequence[Step]
    initial_scale: float
    """Standard deviation of the noise that it starts from."""

    def advance(
        self, x: torch.Tensor, x0: torch.Tensor, step: Step, noise: Sequence[torch.Generator]
    ) -> torch.Tensor:
        """Return the next latent after ``x`` (B, C, h, w), when the clean latent is taken to be ``x0``.

        ``noise`` has one generator per image, for solvers that add noise.
        """


class Scheduler(Protocol):
    """A noise schedule with a solver."""

    name: str

    def start(self, steps: int) -> Trajectory:
        """Start a trajectory of about ``steps`` steps (solvers with two evaluations per step have more)."""


TRAINING_STEPS = 1000
MAX_BETA = 0.999


def cosine_alpha_bars(count: int = TRAINING_STEPS) -> list[float]:
    """Compute cumulative alpha-bars of the squared-cosine schedule (Nichol & Dhariwal 2021), betas capped at
    0.999."""

    def bar(fraction: float) -> float:
        return math.cos((fraction + 0.008) / 1.008 * math.pi / 2) ** 2

    product, bars = 1.0, []
    for index in range(count):
        product *= 1.0 - min(1.0 - bar((index + 1) / count) / bar(index / count), MAX_BETA)
        bars.append(product)
    return bars


class DDIM:
    """Deterministic DDIM on the squared-cosine schedule, trailing spacing (Lin et al. 2024), ending at
    alpha-bar 1."""

    name = "ddim-cosine"

    def __init__(self) -> None:
        self.alpha_bars = cosine_alpha_bars()

    def start(self, steps: int) -> DDIMRun:
        times = [round(TRAINING_STEPS - index * TRAINING_STEPS / steps) - 1 for index in range(steps)]
        return DDIMRun(times, [self.alpha_bars[time] for time in times])


class DDIMRun:
    """A trajectory of :class:`DDIM`; it has no memory."""

    initial_scale = 1.0

    def __init__(self, times: Sequence[int], alpha_bars: Sequence[float]) -> None:
        self.steps: Sequence[Step] = [
            Step(index, float(time), variance_preserving(bar))
            for index, (time, bar) in enumerate(zip(times, alpha_bars, strict=True))
        ]

    def advance(
        self, x: torch.Tensor, x0: torch.Tensor, step: Step, noise: Sequence[torch.Generator]
    ) -> torch.Tensor:
        if step.index + 1 == len(self.steps):
            return x0
        after = self.steps[step.index + 1].level
        epsilon = (x - step.level.signal * x0) / step.level.noise
        return after.signal * x0 + after.noise * epsilon
