"""The steps from noise to image: one loop, whoever predicts the clean latent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch

from almond.guidance.backends.base import Condition, Generator
from almond.guidance.backends.diffusion import DiffusionGenerator
from almond.guidance.photographs.inversion import Inverted, invert, levels_after
from almond.guidance.photographs.photograph import Photograph
from almond.guidance.photographs.regions import OpenRegion
from almond.guidance.recipe import Recipe
from almond.guidance.schedulers import Step, Trajectory
from almond.guidance.starting import INVERSION, StartPicture, scene_starter, steps_from
from almond.rng import derive_seed

FLOWING = "flow_prediction"

Predict = Callable[[torch.Tensor, Step], torch.Tensor]
"""Noisy latent (B, C, h, w) and step -> the clean latent that the step goes on with."""


@dataclass(frozen=True)
class Start:
    """Where a batch starts: its condition, latents (B, C, h, w) of standard normal noise, and the noise of
    solvers that add some.

    ``clean`` (C, h, w) is the picture that is noised in part, None where it is all noise; ``inverted`` are
    the latents that lead to it, where it is inverted instead; outside of ``region`` its latents are put back
    after every step. ``remarks`` go into the trace of the first step.
    """

    condition: Condition
    latents: torch.Tensor
    noise: list[torch.Generator]
    picture: StartPicture | None = None
    clean: torch.Tensor | None = None
    inverted: Inverted | None = None
    region: OpenRegion | None = None
    remarks: dict[str, float] = field(default_factory=dict)

    def steps(self, trajectory: Trajectory) -> Sequence[Step]:
        """Return the steps that are taken."""
        if self.picture is None:
            return trajectory.steps
        return steps_from(self.picture, trajectory.steps, getattr(trajectory, "order", 1))

    def noisy(self, trajectory: Trajectory) -> torch.Tensor:
        """Return the latents (B, C, h, w) of the first of them."""
        if self.clean is None:
            return self.latents * trajectory.initial_scale
        return self.known(trajectory, self.steps(trajectory)[0].index)

    def known(self, trajectory: Trajectory, index: int) -> torch.Tensor:
        """Return the picture's own latents (B, C, h, w) before a step; the clean ones after the last."""
        if self.clean is None:
            raise ValueError("a start from noise knows no picture")
        if self.inverted is not None:
            return self.inverted.latents[index].expand_as(self.latents)
        if index == len(trajectory.steps):
            return self.clean.expand_as(self.latents)
        level = trajectory.steps[index].level
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
    if isinstance(generator, DiffusionGenerator) and generator.photograph is not None:
        start = Start(
            generator.encode_prompt(prompt, seeds),
            latents,
            noise,
            picture,
            generator.photograph.latent,
            region=generator.photograph.region,
        )
        if picture.method != INVERSION:
            return start
        inverted = inversion_of(generator, generator.photograph, recipes[0], start)
        return replace(start, inverted=inverted, remarks={"inversion_residual": inverted.residual})
    condition, clean = scene_starter(generator, picture).encode_start(picture, prompt, seeds)
    return Start(condition, latents, noise, picture, clean)


def inversion_of(
    generator: DiffusionGenerator, photograph: Photograph, recipe: Recipe, start: Start
) -> Inverted:
    """Invert a recipe's photograph with its own prompt and text guidance, by itself and once."""
    key = (recipe.prompt, recipe.steps, recipe.text_release)
    if key not in photograph.inversions:
        condition = replace(start.condition, seeds=start.condition.seeds[:1])
        steps = start.steps(generator.scheduler.start(recipe.steps))

        def predict(x: torch.Tensor, step: Step) -> torch.Tensor:
            with torch.no_grad():
                return generator.predict(x, step, released(condition, recipe, step)).x0

        photograph.inversions[key] = invert(
            photograph.latent,
            steps,
            levels_after(generator.scheduler, recipe.steps, steps),
            predict,
            iterations=recipe.start.iterations if recipe.start else 1,
            flowing=generator.scheduler.prediction == FLOWING,
        )
    return photograph.inversions[key]


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
            if start.region is not None:
                x = start.region.blend(x, start.known(trajectory, step.index + 1))
        yield step, x0, x
