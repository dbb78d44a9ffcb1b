"""Looking for the pictures of a trajectory: guidance to levels and choice, until each is met or the budget
ends.

Score against strength is a staircase: guidance changes which object is there, not how much of it. So pushes
of several strengths only find the range; then pictures are guided to the levels that no picture meets, each
from another noise of the same layout, and after every round the levels are laid anew through what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from almond.guidance.recipe import Recipe
from almond.trajectories.settings import TrajectorySettings
from almond.trajectories.spacing import Spacing, best_spacing
from almond.typing import Floats

Score = Callable[[Sequence[Recipe]], Sequence[float]]
"""Recipes -> the guide's score of each finished picture; NaN for one that may not be taken."""

SAME_AIM = 0.1
"""Levels closer than so many gaps are one and the same: no noise is guided to it twice."""

FACTORS = (1.0, 0.5, 2.0)
"""Of the strength of guidance to a level, when all noises were tried."""

ROUND = 8
"""Pictures between two looks at the scores: one batch of the embedded generator."""

LEAST_GAP = 0.1
"""Standard deviations between levels below which nobody could tell neighbours apart."""


GUIDED_FIELDS = ("window", "ramp", "target_digests")
"""What the recipe of an unguided picture leaves out."""


@dataclass(frozen=True)
class TrajectoryScene:
    """What all pictures of a trajectory share: fields of their recipes, and the target whose score moves."""

    target: str
    common: Mapping[str, Any]
    settings: TrajectorySettings

    def unguided(self) -> Recipe:
        """Return the recipe of the picture in the middle."""
        return Recipe(**{name: value for name, value in self.common.items() if name not in GUIDED_FIELDS})

    @property
    def least_range(self) -> float:
        """Return the range of scores below which neighbouring levels could not be told apart."""
        return LEAST_GAP * (self.settings.pictures - 1)

    def pushed(self, strength: float, direction: int, noise: int = 0) -> Recipe:
        """Return the recipe of a push by strength, in the window that the generator was calibrated for."""
        return Recipe(
            **self.common, **self._objective("axis"), direction=direction, strength=strength, noise=noise
        )

    def levelled(self, level: float, base: float, noise: int, factor: float) -> Recipe:
        """Return the recipe of a picture guided to ``level``, from another noise if above 0."""
        direction = 1 if level >= base else -1
        fields = {
            **self.common,
            **self._objective("level"),
            "window": self.settings.window,
            "settings": {"level": direction * level, "width": self.settings.width},
            "direction": direction,
            "strength": self.settings.level_strength * factor,
            "noise": noise,
        }
        return Recipe(**fields)

    def _objective(self, kind: str) -> dict[str, Any]:
        return {"objective": {self.target: 1.0}, "objective_kind": kind}


@dataclass(frozen=True, eq=False)
class ScorePool:
    """Every picture that was drawn: recipes, the guide's scores (n,), NaN for those that may not be taken,
    and the level that each aimed at (NaN for pushes by strength)."""

    recipes: tuple[Recipe, ...]
    scores: Floats
    aims: Floats

    @property
    def range(self) -> float:
        """Return how far apart the lowest and the highest score are."""
        return float(np.nanmax(self.scores) - np.nanmin(self.scores))

    def spaced(self, count: int, least: float) -> Spacing:
        """Choose the best spacing of the pictures that may be taken, which are numbered in the whole pool."""
        usable = np.flatnonzero(np.isfinite(self.scores))
        spacing = best_spacing(self.scores[usable], count, least=least)
        return replace(spacing, pictures=tuple(int(usable[index]) for index in spacing.pictures))

    def with_pictures(
        self, recipes: Sequence[Recipe], scores: Sequence[float], aims: Sequence[float]
    ) -> ScorePool:
        return ScorePool(
            (*self.recipes, *recipes),
            np.concatenate([self.scores, np.asarray(scores, float)]),
            np.concatenate([self.aims, np.asarray(aims, float)]),
        )


@dataclass(frozen=True, eq=False)
class SoughtTrajectory:
    """What was found for one scene: the pool, and the levels with their pictures; None where strengths hardly
    move the score."""

    scene: TrajectoryScene
    pool: ScorePool
    spacing: Spacing | None

    @property
    def reached(self) -> bool:
        """Whether every level has a picture within the tolerance."""
        return self.spacing is not None and self.spacing.worst <= self.scene.settings.within

    @property
    def sentences(self) -> list[str]:
        """Say in words which levels were not reached, and how far off the nearest picture is."""
        settings, drawn = self.scene.settings, len(self.pool.scores)
        if self.spacing is None:
            moved, rejected = self.pool.range, int(np.isnan(self.pool.scores).sum())
            among = f" among the {drawn - rejected} pictures with the people of the scene" if rejected else ""
            return [
                f"Not reachable: pushes up to {max(settings.strengths):g} move {self.scene.target} by "
                f"{moved:.2f} SD in this scene{among}, too little for {settings.pictures} levels."
            ]
        missed = sorted(self.spacing.missed(settings.within))
        if not missed:
            return []
        levels = ", ".join(f"{self.spacing.levels[number]:+.2f}" for number in missed)
        return [
            f"Not reachable with {drawn} pictures: {len(missed)} of {settings.pictures} levels ({levels} SD)."
            f" The nearest pictures lie up to {self.spacing.worst:.2f} of a gap off."
        ]


def seek_trajectory(scene: TrajectoryScene, score: Score) -> SoughtTrajectory:
    """Draw pictures of a scene until every level has one, or the budget is spent.

    What is drawn next follows from the scores alone, so that stopped work goes on at the first missing
    picture if ``score`` remembers those that are there.
    """
    settings = scene.settings
    pool = scene_range(scene, score)
    least = settings.span * pool.range
    if least < scene.least_range:
        return SoughtTrajectory(scene, pool, None)
    while True:
        spacing = pool.spaced(settings.pictures, least)
        aims = list(next_aims(scene, pool, spacing))[: settings.budget - len(pool.recipes)]
        if not aims:
            return SoughtTrajectory(scene, pool, spacing)
        recipes = [scene.levelled(level, pool.scores[0], noise, factor) for level, noise, factor in aims]
        pool = pool.with_pictures(recipes, score(recipes), [level for level, _, _ in aims])


def scene_range(scene: TrajectoryScene, score: Score) -> ScorePool:
    """Draw the unguided picture and pushes of every strength both ways; from further noises as well, as long
    as the pictures that may be taken hardly differ in their scores."""
    settings = scene.settings
    ways = [(strength, direction) for strength in settings.strengths for direction in (1, -1)]
    pool = ScorePool((), np.empty(0), np.empty(0))
    for noise in range(settings.noises):
        recipes = [scene.pushed(*way, noise) for way in ways]
        recipes = recipes if noise else [scene.unguided(), *recipes]
        if noise and len(pool.recipes) + len(recipes) + settings.pictures > settings.budget:
            break
        pool = pool.with_pictures(recipes, score(recipes), [np.nan] * len(recipes))
        if settings.span * pool.range >= scene.least_range:
            break
    return pool


def next_aims(
    scene: TrajectoryScene, pool: ScorePool, spacing: Spacing
) -> Iterator[tuple[float, int, float]]:
    """Yield (level, noise, factor of the strength) of the next round: missed levels in turn, the worst first.

    Every level takes the noises and factors in order, without those that were aimed at it already.
    """
    missed = spacing.missed(scene.settings.within)
    turns = {number: _untried(scene, pool, spacing, number) for number in missed}
    left = ROUND
    while left and turns:
        for number in list(turns):
            way = next(turns[number], None)
            if way is None:
                del turns[number]
            elif left:
                left -= 1
                yield float(spacing.levels[number]), *way


def _untried(
    scene: TrajectoryScene, pool: ScorePool, spacing: Spacing, number: int
) -> Iterator[tuple[int, float]]:
    near = np.abs(pool.aims - spacing.levels[number]) < SAME_AIM * spacing.gap
    strengths = scene.settings.level_strength
    tried = {
        (recipe.noise, round(recipe.strength / strengths, 6))
        for recipe, close in zip(pool.recipes, near, strict=True)
        if close
    }
    for factor in FACTORS:
        for noise in range(scene.settings.noises):
            if (noise, factor) not in tried:
                yield noise, factor
