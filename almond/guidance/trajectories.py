"""The steps from noise to image: one loop, whoever predicts the clean latent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from almond.guidance.backends.base import Condition, Generator
from almond.guidance.recipe import Recipe
from almond.guidance.schedulers import Step, Trajectory
from almond.rng import derive_seed

Predict = Callable[[torch.Tensor, Step], torch.Tensor]
"""Noisy latent (B, C, h, w) and step -> the clean latent that the step goes on with."""


@dataclass(frozen=True)
class Start:
    """Where a batch starts: its condition, latents (B, C, h, w) of standard normal noise, and the noise of
    solvers that add some."""

    condition: Condition
    latents: torch.Tensor
    noise: list[torch.Generator]


def candidate_seed(seed: int, candidate: int) -> int:
    """Return the seed of a candidate's noise; candidate 0 is the recipe's own. All share the recipe's
    condition, and with it the layout that an embedded generator draws."""
    return derive_seed(seed, "candidate", candidate) if candidate else seed


def start_of(generator: Generator, recipes: Sequence[Recipe], candidates: Sequence[int]) -> Start:
    """Encode the recipes' common prompt, and draw the noise of each."""
    seeds = [recipe.seed for recipe in recipes]
    own = [candidate_seed(seed, number) for seed, number in zip(seeds, candidates, strict=True)]
    return Start(
        condition=generator.encode_prompt(recipes[0].prompt, seeds),
        latents=torch.stack([generator.initial_latent(seed) for seed in own]),
        noise=[torch.Generator().manual_seed(derive_seed(seed, "sampler noise")) for seed in own],
    )


def released(condition: Condition, recipe: Recipe, step: Step) -> Condition:
    """Lower the text guidance of a condition where the recipe says so."""
    release = recipe.text_release
    if release.share == 1.0 or step.level.alpha_bar < release.alpha_bar:
        return condition
    return replace(condition, text_share=release.share)


def walk(
    trajectory: Trajectory, start: Start, predict: Predict, *, differentiable: bool = False
) -> Iterator[tuple[Step, torch.Tensor, torch.Tensor]]:
    """Yield every step with the clean latent that was predicted and the latent after it."""
    x = start.latents * trajectory.initial_scale
    for step in trajectory.steps:
        x0 = predict(x, step)
        with torch.set_grad_enabled(differentiable):
            x = trajectory.advance(x, x0, step, start.noise)
        yield step, x0, x
