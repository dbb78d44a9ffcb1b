"""Inversion: the sampler's deterministic steps backwards, from a clean latent to noise that leads to it.

A first-order solver goes from ``x = s x0 + n e`` to ``x' = s' x0 + n' e``, where ``x0`` and ``e`` follow from
the denoiser at ``x``. Backwards ``x`` is not known, so it is iterated: the denoiser is asked at a guess,
first at ``x'``. One iteration is DDIM inversion (Song et al. 2021; Dhariwal & Nichol 2021), and for flow
matching the reverse ODE by Euler's method (Rout et al. 2024); more are halved fixed-point iterations (Pan et
al. 2023; Garibi et al. 2024), which end at the very ``x`` that the step came from where they converge. They
do not where the denoiser changes faster than its input, as with a large text scale: the residual, which the
trace holds, then stays large.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from almond.errors import InputError
from almond.guidance.levels import NoiseLevel
from almond.guidance.schedulers import Scheduler, Step

INVERTIBLE = ("DDIMScheduler", "EulerDiscreteScheduler", "FlowMatchEulerDiscreteScheduler")
"""Deterministic solvers of first order."""

Predict = Callable[[torch.Tensor, Step], torch.Tensor]
"""Noisy latent (1, C, h, w) and step -> clean latent."""


@dataclass(frozen=True)
class Inverted:
    """The latents (C, h, w) that were gone through, by the index of the step that they are the input of; the
    index after the last holds the clean one. ``residual``: RMS of the last iteration's change over that of
    the latent, the largest of all steps."""

    latents: dict[int, torch.Tensor]
    residual: float


def check_invertible(scheduler: Scheduler) -> None:
    """Refuse solvers that add noise or remember earlier steps."""
    config = getattr(getattr(scheduler, "scheduler", None), "config", {})
    if scheduler.name not in INVERTIBLE or config.get("stochastic_sampling"):
        raise InputError(
            "recipe.start.method",
            f"is inversion, and {scheduler.name} is no deterministic solver of first order",
            f"FOLDER#SCHEDULER with one of {', '.join(INVERTIBLE)}, or method noise",
        )


def levels_after(scheduler: Scheduler, count: int, steps: Sequence[Step]) -> list[NoiseLevel]:
    """Measure the noise level to which each step leads: solvers end a little off the clean image, or space
    their steps unevenly.

    A step is linear, ``x' = a x + b x0``, and so its level has signal ``b + a s`` and noise ``a n``.

    :param count: number of steps that a trajectory is started with; ``steps`` are those that are taken.
    """
    plain, clean = torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1)
    of_x, of_x0 = scheduler.start(count), scheduler.start(count)
    levels = []
    for step in steps:
        a = float(of_x.advance(clean, plain, step, [torch.Generator()]))
        b = float(of_x0.advance(plain, clean, step, [torch.Generator()]))
        levels.append(NoiseLevel(b + a * step.level.signal, a * step.level.noise))
    return levels


def invert(
    clean: torch.Tensor,
    steps: Sequence[Step],
    after: Sequence[NoiseLevel],
    predict: Predict,
    *,
    iterations: int,
    flowing: bool,
) -> Inverted:
    """Go backwards from a clean latent (C, h, w) through ``steps``, of which each leads to its level in
    ``after``.

    :param flowing: the denoiser's output is a velocity, which is held between two levels; else the noise is.
    """
    x = clean[None]
    latents, residual = {steps[-1].index + 1: clean}, 0.0
    for step, level in zip(reversed(steps), reversed(after), strict=True):
        guess, change = x, torch.zeros(())
        for iteration in range(iterations):
            x0 = predict(guess, step)
            before = _step_back(x, guess, x0, (step.level, level), flowing)
            if iteration:
                before = (guess + before) / 2  # halved: it converges where whole ones would go in circles
            change, guess = (before - guess).square().mean().sqrt(), before
        residual = max(residual, float(change / guess.square().mean().sqrt()))
        x = guess
        latents[step.index] = x[0]
    return Inverted(latents, residual)


def _step_back(
    x: torch.Tensor,
    guess: torch.Tensor,
    x0: torch.Tensor,
    levels: tuple[NoiseLevel, NoiseLevel],
    flowing: bool,
) -> torch.Tensor:
    """Return the latent before ``x``, when the denoiser says ``x0`` at a guess of it."""
    before, after = levels
    noise = (guess - before.signal * x0) / before.noise
    if flowing:
        # The velocity e - x0 at the guess, held down to x.
        velocity = noise - x0
        clean = (x - after.noise * velocity) / (after.signal + after.noise)
        return before.signal * clean + before.noise * (clean + velocity)
    return before.signal * (x - after.noise * noise) / after.signal + before.noise * noise
