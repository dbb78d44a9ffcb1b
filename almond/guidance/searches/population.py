"""A population of candidates that form together: what beam and sequential Monte Carlo share.

Candidates of one recipe take stochastic steps (DDIM with eta, Song et al. 2021), so that copies of one part.
At each step a chooser may replace some by copies of others, by the objective at the predicted clean image.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Protocol

import torch

from almond.errors import InputError
from almond.guidance.finite_steps import Checked
from almond.guidance.guided_steps import GuidedSteps
from almond.guidance.levels import NoiseLevel
from almond.guidance.objectives.objective import Objective
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import Generated, finished_images
from almond.guidance.schedulers import Step
from almond.guidance.searches.context import SearchContext, evaluations
from almond.guidance.trajectories import released, start_of
from almond.rng import derive_seed


class Chooser(Protocol):
    """Choose among K candidates; ``record`` is what goes into the trace of a step."""

    record: dict[str, Any]

    def choose(self, step: Step, values: torch.Tensor) -> torch.Tensor | None:
        """Return the indices (K,) of those that go on, or None for all; ``values`` (K,) in float64."""

    def moved(self, log_ratio: torch.Tensor) -> None:
        """Take note of log p/q (K,) of the steps that were taken."""

    def final(self) -> int:
        """Return the index of the one that is kept."""

    def summary(self) -> Mapping[str, Any]:
        """Return what the search records of the whole."""


def ancestral_step(
    x: torch.Tensor, x0: torch.Tensor, level: NoiseLevel, after: NoiseLevel, eta: float
) -> tuple[torch.Tensor, float]:
    """Return mean and standard deviation of the next latent: DDIM's step with ``eta`` of DDPM's noise.

    In units of the signal the noise falls from s to s'; DDPM's variance is s'^2 (1 - s'^2 / s^2), for
    variance-preserving, exploding and flow-matching levels alike.
    """
    ratio = after.noise * level.signal / (after.signal * level.noise)  # s' / s
    deviation = eta * after.noise * math.sqrt(max(0.0, 1.0 - ratio**2))
    kept = math.sqrt(max(0.0, after.noise**2 - deviation**2))
    return after.signal * x0 + kept * (x - level.signal * x0) / level.noise, deviation


class Population:
    """``size`` candidates of one recipe, from noise to the one that the chooser keeps."""

    def __init__(self, recipe: Recipe, context: SearchContext, size: int, eta: float) -> None:
        self.recipe, self.context, self.eta = recipe, context, eta
        self.recipes = [recipe] * size
        self.objective = Objective(
            self.recipes, context.generator, context.scorer, references=context.references
        )
        self.start = start_of(context.generator, self.recipes, range(size))
        self.guided = GuidedSteps(self.recipes, context.generator, self.objective, self.start.condition)
        self.source = torch.Generator().manual_seed(derive_seed(recipe.seed, "population"))
        self.trace: list[dict[str, Any]] = []

    def evolve(self, chooser: Chooser) -> Generated:
        """Run all steps, and return the image of the candidate that the chooser keeps."""
        trajectory = self.context.generator.scheduler.start(self.recipe.steps)
        steps = trajectory.steps
        if any(b.level.alpha_bar <= a.level.alpha_bar for a, b in pairwise(steps)):
            raise InputError(
                f"search {self.recipe.search}",
                f"{self.context.generator.scheduler.name} evaluates a noise level twice",
                "a solver with one evaluation per step, such as DDIMScheduler",
            )
        names = self.context.scorer.names
        checked = Checked(self.recipes, self.context.generator, names, len(steps))
        x = self.start.latents * trajectory.initial_scale
        for step, after in zip(steps, [*steps[1:], None], strict=True):
            x = self._step(x, step, after, chooser)
            checked.step(step, x, x, self.guided.entries)
            self.context.progress.report((step.index + 1) / len(steps))
        index = chooser.final()
        own = Checked([self.recipe], self.context.generator, names, len(steps))
        searched = {
            **chooser.summary(),
            "evaluations": len(self.recipes) * (evaluations(self.recipe, self.trace) + self._plain_passes()),
        }
        (image,) = finished_images(
            [self.recipe],
            self.context.generator,
            self.context.scorer,
            x[index : index + 1],
            traces=[self.trace],
            checked=own,
            searched=searched,
        )
        return image

    def _plain_passes(self) -> int:
        """Count the passes that guided steps take beside the rule's: one, for the unguided prediction."""
        return sum(1 for entry in self.trace if entry["strength"])

    def _step(self, x: torch.Tensor, step: Step, after: Step | None, chooser: Chooser) -> torch.Tensor:
        """Predict, choose, and draw the next latents; after the last step the clean ones are returned."""
        condition = released(self.start.condition, self.recipe, step)
        with torch.no_grad():
            plain = self.context.generator.predict(x, step, condition).x0
            climbed = self.objective.at(step.index)(self.context.generator.decode(plain))
        chosen = chooser.choose(step, climbed.value.double())
        if chosen is not None:
            x, plain = x[chosen], plain[chosen]
        strength = self.recipe.schedule.weight(step.level.alpha_bar) if self.recipe.guided else 0.0
        if after is None:
            strength = 0.0
        shifted = self.guided.predict(x, step) if strength else plain
        self.trace.append(
            {"step": step.index, "alpha_bar": step.level.alpha_bar, "strength": strength, **chooser.record}
        )
        if not strength:
            self.guided.entries = [{} for _ in self.recipes]
        if after is None:
            return plain
        return self._drawn(x, (plain, shifted), (step.level, after.level), chooser)

    def _drawn(
        self,
        x: torch.Tensor,
        means: tuple[torch.Tensor, torch.Tensor],
        levels: tuple[NoiseLevel, NoiseLevel],
        chooser: Chooser,
    ) -> torch.Tensor:
        """Draw the next latents from the clean ones in ``means``: unguided, and as guided."""
        target, deviation = ancestral_step(x, means[0], *levels, self.eta)
        proposal, _ = ancestral_step(x, means[1], *levels, self.eta)
        drawn = proposal + deviation * torch.randn(x.shape, generator=self.source).to(x)
        if deviation > 0:
            # log of N(drawn; target) / N(drawn; proposal), which weighs a guided proposal back
            squares = (drawn - proposal).square() - (drawn - target).square()
            chooser.moved(squares.flatten(1).sum(1).double() / (2.0 * deviation**2))
        return drawn
