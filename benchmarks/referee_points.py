"""Ratings on few points: people, themes and images that differ, written without the analyst's code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.referee_worlds import Array, Codes, ThemedWorld


@dataclass(frozen=True)
class PointsWorld(ThemedWorld):
    """Standard deviations and ``effect`` in log odds of a higher point, on ``points`` points.

    ``person_slope`` and ``theme_slope``: what people, or prompts, make of a direction or of a condition.
    ``conditions``: none where images are of two directions, of which ``effect`` is the distance; else how
    many, the first of which is ``effect`` above the mean of the others. ``image``: what an image adds, where
    a theme has several of a direction (``seeds``).
    """

    people: int = 20
    person: float = 1.0
    theme: float = 0.8
    person_slope: float = 1.0
    theme_slope: float = 1.0
    image: float = 0.3
    points: int = 5
    conditions: int = 0


@dataclass(frozen=True)
class Points:
    """Ratings (n,) with (n,) person, theme, scene, image and condition of each; two are directions."""

    values: Array
    person: Codes
    theme: Codes
    scene: Codes
    image: Codes
    condition: Codes


def draw_points(world: PointsWorld, rng: np.random.Generator) -> Points:
    """Draw one study: everybody rates one image of every scene and condition."""
    kinds = world.conditions or 2
    person, scene, condition, theme = world.crossed(kinds)
    image = scene * kinds + condition
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
    rows = world.answers(len(person), rng)
    units = [column[rows] for column in (person, theme, scene, image, condition)]
    return Points(values[rows], *units)
