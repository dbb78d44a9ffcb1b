"""Gradient ascent on the initial noise, through the whole trajectory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from almond.guidance.methods import Method, Setting
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import Generated
from almond.guidance.searches.ascent import Ascent
from almond.guidance.searches.context import SearchContext
from almond.guidance.trajectories import Start

METHOD = Method(
    summary="Climb the objective of the finished image with respect to the noise that it starts from, which "
    "keeps its length. For models of few steps.",
    formula="z <- |z| * (z + rate * RMS(z) * g / RMS(g)) / |...|, g = grad_z V(decode(x(z)))",
    reference="Eyring et al. 2024 (ReNO); Wallace et al. 2023 (DOODL)",
    cost="per iteration a forward and a backward pass of the denoiser at every step, all kept in memory at "
    "once",
    fails="Memory grows with the number of steps. Noise of the right length may still be no noise "
    "(structure in it becomes structure in the picture), and many steps make the gradient rough.",
    times=("iterations",),
    trajectory="ascent",
    settings={
        "iterations": Setting(meaning="gradient steps", default=20.0, low=1.0, high=10000.0, whole=True),
        "rate": Setting(meaning="first step, as a share of the noise", default=0.1, low=0.0001, high=2.0),
    },
)


def with_noise(start: Start, latents: torch.Tensor) -> Start:
    """Return a start from other noise."""
    return replace(start, latents=latents)


def search(recipes: Sequence[Recipe], context: SearchContext) -> list[Generated]:
    """Return the best image on the way of each recipe's ascent.

    :raises InputError: a recipe that a rule guides as well, or one without a direction.
    """
    made = []
    for recipe in recipes:
        noise = context.generator.initial_latent(recipe.noise_seed)[None]
        length = noise.norm()

        def on_sphere(values: torch.Tensor, length: torch.Tensor = length) -> torch.Tensor:
            scaled: torch.Tensor = values * (length / values.norm())
            return scaled

        settings = recipe.full_settings
        made.append(
            Ascent(recipe, context, with_noise).climb(
                noise, iterations=int(settings["iterations"]), rate=settings["rate"], project=on_sphere
            )
        )
    return made
