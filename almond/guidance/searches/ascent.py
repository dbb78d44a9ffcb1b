"""Gradient ascent through whole trajectories: what searches on noise and on embedded prompts share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from almond.errors import InputError
from almond.guidance.finite_steps import Checked
from almond.guidance.methods import BACKWARD
from almond.guidance.objectives.objective import Objective
from almond.guidance.recipe import Recipe
from almond.guidance.rules.base import GRADIENT_FLOOR
from almond.guidance.sampler import Generated, finished_images
from almond.guidance.schedulers import Step
from almond.guidance.searches.context import SearchContext
from almond.guidance.trajectories import Start, released, start_of, walk

Started = Callable[[Start, torch.Tensor], Start]
"""A fresh start and the variable -> the start with the variable in its place."""

Project = Callable[[torch.Tensor], torch.Tensor]


def check_unguided(recipe: Recipe) -> None:
    """Refuse a recipe whose trajectory a rule would guide as well."""
    if recipe.guided:
        raise InputError(f"search {recipe.search}", "the recipe's strength is above 0", "strength 0")
    if not recipe.direction:
        raise InputError(f"search {recipe.search}", "the recipe's direction is 0", "direction 1 or -1")


class Ascent:
    """The finished image as a differentiable function of a variable of its start."""

    def __init__(self, recipe: Recipe, context: SearchContext, started: Started) -> None:
        check_unguided(recipe)
        self.recipe, self.context, self.started = recipe, context, started
        self.objective = Objective([recipe], context.generator, context.scorer, references=context.references)
        self.entries: list[dict[str, Any]] = []

    def latent(self, variable: torch.Tensor) -> torch.Tensor:
        """Return the finished latent (1, C, h, w); differentiable in the variable."""
        generator = self.context.generator
        start = self.started(start_of(generator, [self.recipe], [0]), variable)

        def predict(x: torch.Tensor, step: Step) -> torch.Tensor:
            return generator.predict(x, step, released(start.condition, self.recipe, step)).x0

        self.entries = []
        latent = start.latents
        for step, _, after in walk(
            generator.scheduler.start(self.recipe.steps), start, predict, differentiable=True
        ):
            latent = after
            self.entries.append({"step": step.index, "alpha_bar": step.level.alpha_bar, "strength": 0.0})
        return latent

    def value(self, variable: torch.Tensor) -> torch.Tensor:
        """Return what the finished image reaches (1,)."""
        latent = self.latent(variable)
        return self.objective.at(len(self.entries) - 1)(self.context.generator.decode(latent)).value

    def climb(self, first: torch.Tensor, *, iterations: int, rate: float, project: Project) -> Generated:
        """Take normalised gradient steps that shrink to 0, and return the best image on the way.

        Each step moves the variable by ``rate`` of its RMS, times what is left of the iterations.
        """
        variable, best, values = first, first, [float("-inf")]
        for iteration in range(iterations + 1):
            with torch.enable_grad():
                leaf = variable.detach().requires_grad_()
                value = self.value(leaf)
                (gradient,) = torch.autograd.grad(value.sum(), leaf)
            self._refuse_not_finite(float(value.detach()), float(gradient.abs().sum()))
            if float(value.detach()) > max(values):
                best = variable
            values.append(float(value.detach()))
            size = gradient.square().mean().sqrt() + GRADIENT_FLOOR
            reach = rate * (1.0 - iteration / iterations) * variable.square().mean().sqrt()
            variable = project(variable + reach * gradient / size)
            self.context.progress.report((iteration + 1) / (iterations + 1))
        return self._finished(best, values[1:])

    def _refuse_not_finite(self, *values: float) -> None:
        if not all(abs(value) < float("inf") for value in values):
            raise InputError(
                f"search {self.recipe.search}, seed {self.recipe.seed}",
                "value or gradient of the finished image is not finite",
                "fewer steps, or networks in float32",
            )

    def _finished(self, best: torch.Tensor, values: list[float]) -> Generated:
        with torch.no_grad():
            latent = self.latent(best)
        steps = len(self.entries)
        (image,) = finished_images(
            [self.recipe],
            self.context.generator,
            self.context.scorer,
            latent,
            traces=[self.entries],
            checked=Checked([self.recipe], self.context.generator, self.context.scorer.names, steps),
            searched={"values": values, "evaluations": steps * (len(values) * (1.0 + BACKWARD) + 1.0)},
        )
        return image
