"""The unguided picture of a seed at every step: what held scores and penalties compare with."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from almond.guidance.backends.base import Generator
from almond.guidance.objectives.views import viewed
from almond.guidance.photographs.pictured import pictured
from almond.guidance.recipe import Recipe
from almond.guidance.schedulers import Step
from almond.guidance.trajectories import released, start_of, walk

CACHED_TRAJECTORIES = 64


class ScoreReader(Protocol):
    """A differentiable function from images (B, 3, H, W) in [0, 1] to one score per target (B, T)."""

    @property
    def names(self) -> tuple[str, ...]: ...

    def __call__(self, images: torch.Tensor) -> torch.Tensor: ...


@dataclass(frozen=True)
class UnguidedTrajectory:
    """Clean latents (C, h, w) and scores (R, T) by reader of the steps, by number, of one unguided image."""

    latents: dict[int, torch.Tensor]
    scores: dict[int, torch.Tensor]


class References:
    """Unguided trajectories, made once per scene and always by themselves.

    The last ``CACHED_TRAJECTORIES`` are kept: latents and scores only, so that images are decoded again where
    a penalty looks at them.
    """

    def __init__(self, generator: Generator, readers: Sequence[ScoreReader]) -> None:
        self.generator, self.readers = generator, tuple(readers)
        self._made: OrderedDict[tuple[Hashable, ...], UnguidedTrajectory] = OrderedDict()

    def of(self, recipe: Recipe, candidate: int) -> UnguidedTrajectory:
        """Return the unguided trajectory from a candidate's noise."""
        key = (*recipe.begun, recipe.seed, recipe.noise, candidate, recipe.view)
        if key not in self._made:
            self._made[key] = self._make(recipe, candidate)
        self._made.move_to_end(key)
        while len(self._made) > CACHED_TRAJECTORIES:
            self._made.popitem(last=False)
        return self._made[key]

    def _make(self, recipe: Recipe, candidate: int) -> UnguidedTrajectory:
        generator = pictured(self.generator, recipe)
        start = start_of(generator, [recipe], [candidate])
        made = UnguidedTrajectory({}, {})

        def predict(x: torch.Tensor, step: Step) -> torch.Tensor:
            return generator.predict(x, step, released(start.condition, recipe, step)).x0

        with torch.no_grad():
            for step, x0, _ in walk(generator.scheduler.start(recipe.steps), start, predict):
                images = viewed(generator.decode(x0), recipe.view)
                made.latents[step.index] = x0[0]
                made.scores[step.index] = torch.stack([reader(images)[0] for reader in self.readers])
        return made
