"""What images cost before they are made: denoiser passes, and lambda over the steps. Light: no torch.

A pass is one evaluation of the denoiser for one image; a backward pass through it counts as two. With
text guidance a pipeline evaluates every step twice, which is not counted here: it doubles all of them alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from almond.generating.expand import GuidanceGrid
from almond.guidance.methods import BACKWARD, declared, settings_of
from almond.guidance.objectives import OBJECTIVES
from almond.guidance.rules import RULES
from almond.guidance.schedule import Schedule, Window
from almond.guidance.schedulers import DDIM
from almond.guidance.searches import SEARCHES


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
    """Images and denoiser passes of a grid; ``passes`` is None where rule or search declare no cost."""

    images: int
    guided_steps: int
    passes: int | None


def passes_of_guided_step(rule: str) -> float | None:
    """Return the denoiser passes of one guided step as the rule declares them, None where it does not."""
    declared_passes = declared(RULES, rule).passes
    return None if declared_passes is None else declared_passes[0] + BACKWARD * declared_passes[1]


def passes_of_image(
    search: str, settings: Mapping[str, float], *, rule: str, steps: int, guided_steps: int
) -> float | None:
    """Count the denoiser passes of one guided image; None where rule or search declare no cost.

    ``settings`` of the search are as declared where they are left out. Unguided pictures that guidance
    compares with are counted by :func:`cost_of`.
    """
    method, guided_step = declared(SEARCHES, search), passes_of_guided_step(rule)
    number = _trajectories(search, settings)
    match method.trajectory:
        case "turned":
            return number * steps
        case "evolution":
            return (number + 1) * steps
        case "ascent":
            return ((number + 1) * (1.0 + BACKWARD) + 1) * steps
        case "ruled" | "population" if guided_step is not None:
            more = guided_steps if method.trajectory == "population" else 0
            return number * (steps + (guided_step - 1) * guided_steps + more)
        case _:
            return None


def _trajectories(search: str, settings: Mapping[str, float]) -> float:
    taken = settings_of(((SEARCHES, search),))
    times = declared(SEARCHES, search).times
    return math.prod(settings.get(name, taken[name].default) for name in times)


def cost_of(grid: GuidanceGrid, *, scenes: int, targets: int) -> Cost:
    """Count images and denoiser passes of so many scenes, each guided for so many targets."""
    curve = schedule_curve(grid.steps, grid.window, grid.ramp)
    guided_steps = sum(step.share > 0 for step in curve)
    images = scenes * grid.images_of_scene(targets)
    per_rule = [
        passes_of_image(grid.search, grid.settings, rule=rule, steps=grid.steps, guided_steps=guided_steps)
        for rule in grid.rules
    ]
    known = [passes for passes in per_rule if passes is not None]
    if len(known) < len(per_rule):
        return Cost(images, guided_steps, None)
    of_each_rule = scenes * targets * len(grid.objectives) * len(grid.directions) * len(grid.pushes)
    unguided = scenes * grid.steps * (int(grid.base) + _compared_with(grid))
    return Cost(images, guided_steps, round(of_each_rule * sum(known)) + unguided)


def _compared_with(grid: GuidanceGrid) -> int:
    """Count the unguided trajectories of a scene, made once, with which held targets and penalties compare:
    that of the seed, of each candidate where these are drawn from different noise and kept whole."""
    if not grid.penalties and not any(OBJECTIVES.load(kind).holds for kind in grid.objectives):
        return 0
    different = declared(SEARCHES, grid.search).trajectory == "ruled"
    return round(_trajectories(grid.search, grid.settings)) if different else 1
