"""What an adapter learns from: the guided prediction at every step of guided trajectories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from almond.errors import InputError
from almond.guidance.backends.base import Condition, Generator
from almond.guidance.guided_steps import GuidedSteps
from almond.guidance.objectives.objective import Objective
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import DifferentiableScorer, check_recipe
from almond.guidance.schedulers import Step
from almond.guidance.trajectories import start_of, walk


@dataclass(frozen=True)
class GuidedStep:
    """The latents ``x`` (B, C, h, w) that guidance came upon at a step, and the ``x0`` that it gave there.

    ``dial`` in [-1, 1] is the signed strength as a share of the largest.
    """

    target: str
    dial: float
    condition: Condition
    step: Step
    x: torch.Tensor
    x0: torch.Tensor


def guided_steps(
    recipes: Sequence[Recipe],
    *,
    target: str,
    dial: float,
    generator: Generator,
    scorer: DifferentiableScorer,
) -> list[GuidedStep]:
    """Sample guided images of one prompt, rule and window, and keep what the rule did where it acted.

    The loop is that of ``almond.guidance.sampler``; the images themselves are not kept.

    :raises InputError: nothing is guided, or a prediction is not finite.
    """
    for recipe in recipes:
        check_recipe(recipe, generator, scorer)
    objective = Objective(recipes, generator, scorer)
    start = start_of(generator, recipes, [0] * len(recipes))
    guided = GuidedSteps(recipes, generator, objective, start.condition)
    trajectory = generator.scheduler.start(recipes[0].steps)
    kept: list[GuidedStep] = []
    x = start.noisy(trajectory)
    for step, x0, after in walk(trajectory, start, guided.predict):
        if not x0.isfinite().all():
            seeds = [recipe.seed for recipe in recipes]
            raise InputError(f"{generator.name}: step {step.index}", f"seeds {seeds}: not finite", "numbers")
        if guided.entries[0]["strength"]:
            kept.append(GuidedStep(target, dial, start.condition, step, x, x0))
        x = after
    if not kept:
        raise InputError("recipe", "guides at no step", "a direction, a strength and an open window")
    return kept
