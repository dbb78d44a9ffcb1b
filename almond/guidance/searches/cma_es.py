"""CMA-ES over the initial noise: evolutionary search without gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cma
import numpy as np
import torch

from almond.errors import InputError
from almond.guidance.finite_steps import Checked
from almond.guidance.methods import Method, Setting
from almond.guidance.objectives.objective import Objective
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import Generated, finished_images
from almond.guidance.schedulers import Step
from almond.guidance.searches.ascent import check_unguided
from almond.guidance.searches.context import SearchContext
from almond.guidance.trajectories import released, start_of, walk
from almond.rng import derive_seed
from almond.rng import generator as random_generator
from almond.typing import Floats

METHOD = Method(
    summary="Draw candidates around the noise that the image starts from, in a random subspace of it, and "
    "move towards those that the objective likes; neither scorer nor denoiser needs a gradient.",
    formula="z = |z0| * (z0 + B (u - B'z0)) / |...|, u ~ N(m, s^2 C); m, s, C by the ranks of V(image(z))",
    reference="Hansen & Ostermeier 2001 (CMA-ES, package cma); on a GAN's latents: Jang & Kragel 2025",
    cost="candidates times iterations times the passes of one unguided image",
    fails="What lies outside the subspace is never tried, and in a large one the ranks of a few hundred "
    "candidates say little: at equal cost a gradient goes further wherever there is one. It chooses by the "
    "guide's own score, so that a score that is fooled chooses what fools it.",
    times=("candidates", "iterations"),
    trajectory="evolution",
    settings={
        "candidates": Setting(
            meaning="images per generation", default=12.0, low=4.0, high=1024.0, whole=True
        ),
        "iterations": Setting(meaning="generations", default=15.0, low=1.0, high=10000.0, whole=True),
        "dimensions": Setting(
            meaning="directions of noise that are searched",
            default=64.0,
            low=2.0,
            high=4096.0,
            whole=True,
        ),
        "deviation": Setting(
            meaning="first standard deviation, in units of the noise's", default=0.5, low=0.001, high=2.0
        ),
    },
)


def search(recipes: Sequence[Recipe], context: SearchContext) -> list[Generated]:
    """Return the best image of each recipe's evolution; ``searched`` holds the best value so far by
    generation.

    :raises InputError: a recipe that a rule guides as well, or one without a direction.
    """
    return [_evolved(recipe, context) for recipe in recipes]


def _evolved(recipe: Recipe, context: SearchContext) -> Generated:
    settings = recipe.full_settings
    noise = _Subspace(recipe, context, int(settings["dimensions"]))
    rng = random_generator(recipe.seed, "cma-es")
    options = {
        "popsize": int(settings["candidates"]),
        "randn": lambda *shape: rng.standard_normal(shape),
        "seed": np.nan,  # cma would seed numpy's global generator
        "verbose": -9,
    }
    strategy = cma.CMAEvolutionStrategy(noise.own, settings["deviation"], options)
    generations = int(settings["iterations"])
    best, highest, values = noise.own, -np.inf, []
    for generation in range(generations):
        points = strategy.ask()
        heights = noise.values(np.stack(points))
        strategy.tell(points, (-heights).tolist())
        if heights.max() > highest:
            best, highest = points[int(heights.argmax())], float(heights.max())
        values.append(highest)
        context.progress.report((generation + 1) / (generations + 1))
    made = noise.image(best, values, generations * int(settings["candidates"]) + 1)
    context.progress.report(1.0)
    return made


class _Subspace:
    """The objective over coordinates (K,) of the noise in a random subspace, all else as the seed has it."""

    def __init__(self, recipe: Recipe, context: SearchContext, dimensions: int) -> None:
        check_unguided(recipe)
        self.recipe, self.context = recipe, context
        noise = context.generator.initial_latent(recipe.noise_seed)
        if dimensions > noise.numel():
            raise InputError(
                "recipe.settings.dimensions", f"are {dimensions}", f"at most {noise.numel()}, the latent's"
            )
        source = torch.Generator().manual_seed(derive_seed(recipe.seed, "cma-es subspace"))
        drawn = torch.randn((noise.numel(), dimensions), generator=source, dtype=torch.float64)
        self.basis = torch.linalg.qr(drawn).Q
        self.noise = noise
        self.flat = noise.flatten().double()
        self.own: Floats = (self.basis.T @ self.flat).numpy()

    def latents(self, points: Floats) -> torch.Tensor:
        """Return noise (P, C, h, w) at coordinates (P, K), of the length of the seed's own."""
        moved = self.flat + (torch.from_numpy(points) - torch.from_numpy(self.own)) @ self.basis.T
        moved = moved * (self.flat.norm() / moved.norm(dim=1, keepdim=True))
        noise: torch.Tensor = moved.reshape(-1, *self.noise.shape).to(self.noise)
        return noise

    def values(self, points: Floats) -> Floats:
        """Compute what the images at coordinates (P, K) reach, (P,)."""
        heights: list[float] = []
        for first in range(0, len(points), self.context.batch):
            part = points[first : first + self.context.batch]
            latent, objective, entries = self._run(part)
            with torch.no_grad():
                climbed = objective.at(entries[-1]["step"])(self.context.generator.decode(latent))
            heights += climbed.value.double()[: len(part)].tolist()
        if not np.isfinite(heights).all():
            raise InputError(
                f"search {self.recipe.search}, seed {self.recipe.seed}",
                "the value of a finished image is not finite",
                "networks whose numbers fit their precision",
            )
        return np.array(heights)

    def _run(self, points: Floats) -> tuple[torch.Tensor, Objective, list[dict[str, Any]]]:
        """Denoise from coordinates, filled up with copies to the one shape of a batch."""
        context, size = self.context, self.context.batch
        whole = np.concatenate([points, np.repeat(points[-1:], size - len(points), axis=0)])
        recipes = [self.recipe] * size
        start = replace(start_of(context.generator, recipes, [0] * size), latents=self.latents(whole))
        objective = Objective(recipes, context.generator, context.scorer, references=context.references)

        def predict(x: torch.Tensor, step: Step) -> torch.Tensor:
            return context.generator.predict(x, step, released(start.condition, self.recipe, step)).x0

        entries: list[dict[str, Any]] = []
        latent = start.latents
        with torch.no_grad():
            for step, _, after in walk(context.generator.scheduler.start(self.recipe.steps), start, predict):
                latent = after
                entries.append({"step": step.index, "alpha_bar": step.level.alpha_bar, "strength": 0.0})
        return latent, objective, entries

    def image(self, point: Floats, values: list[float], images: int) -> Generated:
        """Make the image at coordinates (K,)."""
        latent, _, entries = self._run(point[None])
        generator, scorer = self.context.generator, self.context.scorer
        (made,) = finished_images(
            [self.recipe],
            generator,
            scorer,
            latent[:1],
            traces=[entries],
            checked=Checked([self.recipe], generator, scorer.names, len(entries)),
            searched={"values": values, "evaluations": images * len(entries)},
        )
        return made
