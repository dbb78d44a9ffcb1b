"""Ratings on few points: people, themes and images that differ, written without the analyst's code."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class PointsWorld:
    """Standard deviations and ``effect`` in log odds of a higher point, on ``points`` points.

    ``person_slope`` and ``theme_slope``: what people, or prompts, make of a direction or of a condition.
    ``conditions``: none where images are of two directions, of which ``effect`` is the distance; else how
    many, the first of which is ``effect`` above the mean of the others. ``image``: what an image adds, where
    a theme has several of a direction (``seeds``). ``answered``: share of the trials that were answered.
    """

    people: int = 20
    themes: int = 8
    seeds: int = 1
    person: float = 1.0
    theme: float = 0.8
    person_slope: float = 1.0
    theme_slope: float = 1.0
    image: float = 0.3
    points: int = 5
    conditions: int = 0
    answered: float = 1.0
    effect: float = 0.0

    @property
    def scenes(self) -> int:
        return self.themes * self.seeds

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Points:
    """Ratings (n,) with (n,) person, theme, scene, image and condition of each; two are directions."""

    values: NDArray[np.float64]
    person: Codes
    theme: Codes
    scene: Codes
    image: Codes
    condition: Codes


def draw_points(world: PointsWorld, rng: np.random.Generator) -> Points:
    """Draw one study: everybody rates one image of every scene and condition."""
    kinds = world.conditions or 2
    person, scene, condition = (axis.ravel() for axis in np.indices((world.people, world.scenes, kinds)))
    theme, image = scene // world.seeds, scene * kinds + condition
    # Two directions lie half a slope to either side; more conditions differ by as much from their mean.
    size = np.sqrt(0.5) if kinds == 2 else 1.0
    level = world.person * rng.normal(size=world.people)[person]
    level += world.theme * rng.normal(size=world.themes)[theme]
    level += world.person_slope * size * rng.normal(size=(world.people, kinds))[person, condition]
    level += world.theme_slope * size * rng.normal(size=(world.themes, kinds))[theme, condition]
    if world.seeds > 1:
        level += world.image * rng.normal(size=world.scenes * kinds)[image]
    shift = world.effect * ((condition == 0) - 1.0 / kinds)
    cuts = np.linspace(-1.8, 1.8, world.points - 1)
    values = 1.0 + np.digitize(level + shift + rng.logistic(size=len(person)), cuts)
    rows = rng.random(len(person)) < world.answered
    return Points(*(column[rows] for column in (values, person, theme, scene, image, condition)))
