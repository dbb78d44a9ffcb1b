"""The picture that a step of the diffusion had in mind: guided x0 predictions of a recipe, decoded."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch

from almond.errors import InputError
from almond.guidance.backends.base import Generator
from almond.guidance.photographs.pictured import pictured
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import DifferentiableScorer, generate
from almond.guidance.schedulers import Step, Trajectory
from almond.progress import Progress


class _Watched:
    """A trajectory that keeps the clean latents it is given at some steps."""

    def __init__(self, trajectory: Trajectory, at: Sequence[int], seen: dict[int, torch.Tensor]) -> None:
        self.trajectory, self.at, self.seen = trajectory, frozenset(at), seen
        self.steps, self.initial_scale = trajectory.steps, trajectory.initial_scale
        self.order = getattr(trajectory, "order", 1)

    def advance(
        self, x: torch.Tensor, x0: torch.Tensor, step: Step, noise: Sequence[torch.Generator]
    ) -> torch.Tensor:
        if step.index in self.at:
            self.seen[step.index] = x0.detach().clone()
        return self.trajectory.advance(x, x0, step, noise)


class _WatchedScheduler:
    """A scheduler whose trajectories are watched."""

    def __init__(self, scheduler: Any, at: Sequence[int], seen: dict[int, torch.Tensor]) -> None:
        self.scheduler, self.at, self.seen = scheduler, at, seen

    def __getattr__(self, name: str) -> Any:
        return getattr(self.scheduler, name)

    def start(self, *arguments: Any, **options: Any) -> _Watched:
        return _Watched(self.scheduler.start(*arguments, **options), self.at, self.seen)


def predictions_at(
    recipe: Recipe,
    generator: Generator,
    scorer: DifferentiableScorer,
    at: Sequence[int],
    progress: Progress | None = None,
) -> torch.Tensor:
    """Replay a recipe and return its clean pictures (S, 3, H, W) in [0, 1] at the steps ``at`` (from 0).

    :raises InputError: a step that the recipe does not have, or none.
    """
    wrong = [step for step in at if not 0 <= step < recipe.steps]
    if wrong or not at:
        raise InputError("steps", f"are {list(at)}", f"numbers from 0 to {recipe.steps - 1}")
    seen: dict[int, torch.Tensor] = {}
    watched: Any = copy.copy(generator)
    watched.scheduler = _WatchedScheduler(generator.scheduler, at, seen)
    list(generate([recipe], generator=watched, scorer=scorer, progress=progress))
    if skipped := [step + 1 for step in at if step not in seen]:
        problem = f"name {skipped[0]}, which is not taken: the image starts from a picture"
        raise InputError("steps", problem, "later steps")
    shown = pictured(generator, recipe)
    with torch.no_grad():
        return torch.cat([shown.decode(seen[step][:1]) for step in at])
