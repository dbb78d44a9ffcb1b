"""The steps from noise to image: one loop, whoever predicts the clean latent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from almond.guidance.backends.base import Condition, Generator
from almond.guidance.recipe import Recipe
from almond.guidance.schedulers import Step, Trajectory
from almond.guidance.starting import StartPicture, scene_starter, steps_from
from almond.rng import derive_seed

Predict = Callable[[torch.Tensor, Step], torch.Tensor]
"""Noisy latent (B, C, h, w) and step -> the clean latent that the step goes on with."""


@dataclass(frozen=True)
class Start:
    """Where a batch starts: its condition, latents (B, C, h, w) of standard normal noise, and the noise of
    solvers that add some; ``clean`` (C, h, w) is the picture that is noised in part, None where it is all
    noise."""

    condition: Condition
    latents: torch.Tensor
    noise: list[torch.Generator]
    picture: StartPicture | None = None
    clean: torch.Tensor | None = None

    def steps(self, trajectory: Trajectory) -> Sequence[Step]:
        """Return the steps that are taken."""
        return trajectory.steps if self.picture is None else steps_from(self.picture, trajectory.steps)

    def noisy(self, trajectory: Trajectory) -> torch.Tensor:
        """Return the latents (B, C, h, w) of the first of them."""
        if self.clean is None:
            return self.latents * trajectory.initial_scale
        level = self.steps(trajectory)[0].level
        return level.signal * self.clean + level.noise * self.latents


def candidate_seed(seed: int, candidate: int) -> int:
    """Return the seed of a candidate's noise; candidate 0 is the recipe's own. All share the recipe's
    condition, and with it the layout that an embedded generator draws."""
    return derive_seed(seed, "candidate", candidate) if candidate else seed


def start_of(generator: Generator, recipes: Sequence[Recipe], candidates: Sequence[int]) -> Start:
    """Encode the recipes' common prompt and picture, and draw the noise of each."""
    prompt, picture = recipes[0].prompt, recipes[0].start
    seeds = [recipe.seed for recipe in recipes]
    pairs = zip(recipes, candidates, strict=True)
    own = [candidate_seed(recipe.noise_seed, number) for recipe, number in pairs]
    latents = torch.stack([generator.initial_latent(seed) for seed in own])
    noise = [torch.Generator().manual_seed(derive_seed(seed, "sampler noise")) for seed in own]
    if picture is None:
        return Start(generator.encode_prompt(prompt, seeds), latents, noise)
    condition, clean = scene_starter(generator, picture).encode_start(picture, prompt, seeds)
    return Start(condition, latents, noise, picture, clean)


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
    x = start.noisy(trajectory)
    for step in start.steps(trajectory):
        x0 = predict(x, step)
        with torch.set_grad_enabled(differentiable):
            x = trajectory.advance(x, x0, step, start.noise)
        yield step, x0, x
