"""What images cost before they are made: denoiser passes, and lambda over the steps. Light: no torch.

A pass is one evaluation of the denoiser for one image; a backward pass through it counts as two. With
text guidance a pipeline evaluates every step twice, which is not counted here: it doubles all of them alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from almond.generating.expand import GuidanceGrid
from almond.guidance.schedule import Schedule, Window
from almond.guidance.schedulers import DDIM

PASSES_OF_GUIDED_STEP: Mapping[str, int] = {"through": 3, "x0": 1}
"""Denoiser passes of one guided step by rule: forward, and backward where the gradient goes through it."""


@dataclass(frozen=True)
class StepStrength:
    """One step of the sampler: its number from 1, its alpha-bar, and the share of the strength there."""

    number: int
    alpha_bar: float
    share: float


def schedule_curve(steps: int, window: tuple[float, float], ramp: float) -> list[StepStrength]:
    """Compute the share of the strength at every step of the embedded schedule (cosine, trailing DDIM).

    Another pipeline's scheduler spaces its steps differently; the window in alpha-bar is the same.

    :raises InputError: a window or ramp outside of its range.
    """
    schedule = Schedule(Window(*window), 1.0, ramp)
    levels = [step.level.alpha_bar for step in DDIM().start(steps).steps]
    return [StepStrength(number, level, schedule.weight(level)) for number, level in enumerate(levels, 1)]


@dataclass(frozen=True)
class Cost:
    """Images and denoiser passes of a grid; ``passes`` is None where a rule's cost is not known."""

    images: int
    guided_steps: int
    passes: int | None


def cost_of(grid: GuidanceGrid, *, scenes: int, targets: int) -> Cost:
    """Count images and denoiser passes of so many scenes, each guided for so many targets."""
    curve = schedule_curve(grid.steps, grid.window, grid.ramp)
    guided_steps = sum(step.share > 0 for step in curve)
    images = scenes * grid.images_of_scene(targets)
    per_rule = [PASSES_OF_GUIDED_STEP.get(rule) for rule in grid.rules]
    known = [passes for passes in per_rule if passes is not None]
    if len(known) < len(per_rule):
        return Cost(images, guided_steps, None)
    of_each_rule = scenes * targets * len(grid.objectives) * len(grid.directions) * len(grid.strengths)
    guided = sum(of_each_rule * (grid.steps + (passes - 1) * guided_steps) for passes in known)
    return Cost(images, guided_steps, guided + scenes * int(grid.base) * grid.steps)
