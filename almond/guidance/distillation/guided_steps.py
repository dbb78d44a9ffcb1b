"""What an adapter learns from: the guided prediction at every step of guided trajectories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from almond.errors import InputError
from almond.guidance.backends.base import Condition, Generator
from almond.guidance.recipe import Recipe
from almond.guidance.rules import RULES
from almond.guidance.sampler import DifferentiableScorer, check_recipe, objective_weights
from almond.guidance.schedulers import Step
from almond.rng import derive_seed


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
    first, seeds = recipes[0], [recipe.seed for recipe in recipes]
    condition = generator.encode_prompt(first.prompt, seeds)
    noise = [torch.Generator().manual_seed(derive_seed(seed, "sampler noise")) for seed in seeds]
    weights, guide = objective_weights(recipes, scorer.names), RULES.load(first.rule)
    trajectory = generator.scheduler.start(first.steps)
    x = torch.stack([generator.initial_latent(seed) for seed in seeds]) * trajectory.initial_scale
    kept: list[GuidedStep] = []
    for step in trajectory.steps:
        strength = first.schedule.weight(step.level.alpha_bar) if first.guided else 0.0
        if strength:
            strengths = torch.full((len(x),), strength)
            guided = guide(generator, condition, x, step, score=scorer, weights=weights, strength=strengths)
            x0 = guided.x0
            kept.append(GuidedStep(target, dial, condition, step, x, x0))
        else:
            with torch.no_grad():
                x0 = generator.predict(x, step, condition).x0
        if not x0.isfinite().all():
            raise InputError(f"{generator.name}: step {step.index}", f"seeds {seeds}: not finite", "numbers")
        with torch.no_grad():
            x = trajectory.advance(x, x0, step, noise)
    if not kept:
        raise InputError("recipe", "guides at no step", "a direction, a strength and an open window")
    return kept
