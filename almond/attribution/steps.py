"""The picture that a step of the diffusion had in mind: guided x0 predictions of a recipe, decoded."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from almond.errors import InputError
from almond.guidance.backends.base import Generator
from almond.guidance.methods import declared
from almond.guidance.objectives.references import References
from almond.guidance.photographs.pictured import pictured
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import DifferentiableScorer, Generated, generate, sample
from almond.guidance.schedulers import Step, Trajectory
from almond.guidance.searches import SEARCHES
from almond.guidance.searches.context import SearchContext
from almond.progress import Part, Progress, Silent

Latents = dict[int, torch.Tensor]
"""Clean latents (1, C, h, w) by the number of the step, from 0."""


class _Watched:
    """A trajectory that keeps the clean latents of the first image of its batch at some steps."""

    def __init__(self, trajectory: Trajectory, at: Sequence[int], seen: Latents) -> None:
        self.trajectory, self.at, self.seen = trajectory, frozenset(at), seen
        self.steps, self.initial_scale = trajectory.steps, trajectory.initial_scale
        self.order = getattr(trajectory, "order", 1)

    def advance(
        self, x: torch.Tensor, x0: torch.Tensor, step: Step, noise: Sequence[torch.Generator]
    ) -> torch.Tensor:
        if step.index in self.at:
            self.seen[step.index] = x0[:1].detach().clone()
        return self.trajectory.advance(x, x0, step, noise)


class _WatchedScheduler:
    """A scheduler whose first and last trajectories are watched.

    The first is the image's own where a rule guides it: unguided ones, with which it compares, begin inside.
    The last is the image's own where a search made it from what it had climbed to.
    """

    def __init__(self, scheduler: Any, at: Sequence[int]) -> None:
        self.scheduler, self.at = scheduler, at
        self.first: Latents | None = None
        self.last: Latents = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.scheduler, name)

    def start(self, *arguments: Any, **options: Any) -> _Watched:
        self.last = {}
        if self.first is None:
            self.first = self.last
        return _Watched(self.scheduler.start(*arguments, **options), self.at, self.last)


@dataclass(frozen=True)
class Replay:
    """A recipe's image made again, and its clean latents (1, C, h, w) at the steps that were watched."""

    made: Generated
    latents: Latents


def check_replayable(recipe: Recipe) -> None:
    """Refuse recipes of a search whose candidates replace each other.

    :raises InputError: beam or sequential Monte Carlo: no single way leads from noise to their picture.
    """
    if declared(SEARCHES, recipe.search).trajectory == "population":
        raise InputError(
            f"search {recipe.search}",
            "its candidates replace each other while they form: no single way leads to the picture",
            "a picture of another search",
        )


def replay(
    recipe: Recipe,
    generator: Generator,
    scorer: DifferentiableScorer,
    at: Sequence[int],
    progress: Progress | None = None,
) -> Replay:
    """Make a recipe's image again and keep its clean latents at the steps ``at`` (from 0).

    :raises DigestMismatch: the generator or a target is another version.
    :raises InputError: a step that the recipe does not have, none, or a search without one trajectory.
    """
    wrong = [step for step in at if not 0 <= step < recipe.steps]
    if wrong or not at:
        raise InputError("steps", f"are {list(at)}", f"numbers from 0 to {recipe.steps - 1}")
    check_replayable(recipe)
    report = progress or Silent()
    watched: Any = copy.copy(generator)
    scheduler = watched.scheduler = _WatchedScheduler(generator.scheduler, at)
    if recipe.search == "best-of":
        (made,) = generate([recipe], generator=generator, scorer=scorer, progress=Part(report, 0.0, 0.8))
        chosen = int(made.searched["chosen"])
        context = SearchContext(
            watched,
            scorer,
            References(generator, getattr(scorer, "readers", (scorer,))),
            Part(report, 0.8, 1.0),
            generator.defaults.batch,
        )
        sample([recipe], context, candidates=[chosen])
    else:
        (made,) = generate([recipe], generator=watched, scorer=scorer, progress=report)
    climbs = not declared(SEARCHES, recipe.search).takes_rule
    latents = scheduler.last if climbs else scheduler.first or {}
    if skipped := [step + 1 for step in at if step not in latents]:
        problem = f"name {skipped[0]}, which is not taken: the image starts from a picture"
        raise InputError("steps", problem, "later steps")
    return Replay(made, {step: latents[step] for step in at})


def predictions_at(
    recipe: Recipe,
    generator: Generator,
    scorer: DifferentiableScorer,
    at: Sequence[int],
    progress: Progress | None = None,
) -> torch.Tensor:
    """Replay a recipe and return its clean pictures (S, 3, H, W) in [0, 1] at the steps ``at`` (from 0).

    :raises InputError: as :func:`replay`.
    """
    latents = replay(recipe, generator, scorer, at, progress).latents
    shown = pictured(generator, recipe)
    with torch.no_grad():
        return torch.cat([shown.decode(latents[step]) for step in at])
