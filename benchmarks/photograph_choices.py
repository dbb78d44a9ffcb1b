"""Null studies of choices between photographs: arrays alone, without the analyst's code.

Photographs and their themes attract people, people have tastes of their own for themes, and lean towards what
is high in the norm or away from it. On average over people and photographs the norm has nothing to do with
what is chosen. A photograph may stand in several pairs, of which it is mostly the higher one or mostly the
lower, and a theme have several photographs, which are alike in the norm too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from benchmarks.referee_worlds import DENSITY, NODES, Array, Codes, ThemedWorld


@dataclass(frozen=True)
class PhotographWorld(ThemedWorld):
    """Standard deviations are in log odds of choosing one photograph rather than another.

    ``photograph`` and ``theme``: what everybody makes of a photograph, and of a theme; ``taste``: what a
    person makes of a theme; ``person``: how much a person is drawn to what is higher. ``pairs``: of a
    photograph. ``effect``: what the share of choices of the higher photograph gains.
    """

    people: int = 20
    themes: int = 24
    person: float = 0.5
    photograph: float = 0.7
    theme: float = 0.5
    taste: float = 0.5
    pairs: int = 1


@dataclass(frozen=True, eq=False)
class PhotographChoices:
    """Choices (n,): who, the pair, the themes (n, 2) of its photographs, and whether the higher was
    chosen."""

    person: Codes
    pair: Codes
    themes: Codes
    followed: Array


def draw_photograph_choices(world: PhotographWorld, rng: np.random.Generator) -> PhotographChoices:
    """Draw one study in which everybody chooses between all pairs, but for answers that are missing."""
    high, low = drawn_pairs(world, rng).T
    theme = np.arange(world.scenes) // world.seeds
    own = world.photograph * rng.normal(size=world.scenes)
    own += world.theme * rng.normal(size=world.themes)[theme]
    taste = world.taste * rng.normal(size=(world.people, world.themes))
    person, pair = (axis.ravel() for axis in np.indices((world.people, len(high))))
    logit = (own[high] - own[low])[pair] + world.person * rng.normal(size=world.people)[person]
    logit += taste[person, theme[high][pair]] - taste[person, theme[low][pair]]
    share = np.clip(expit(logit) + world.effect, 0.0, 1.0)
    followed = (rng.random(len(person)) < share).astype(np.float64)
    rows = world.answers(len(person), rng)
    themes = np.stack([theme[high], theme[low]], axis=1)[pair]
    return PhotographChoices(person[rows], pair[rows], themes[rows], followed[rows])


def drawn_pairs(world: PhotographWorld, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw pairs (P, 2) of photographs of different themes, the one with the higher norm first, none twice:
    in each round every photograph is in one pair, but for those that cannot be."""
    theme = np.arange(world.scenes) // world.seeds
    norm = rng.normal(size=world.scenes) + rng.normal(size=world.themes)[theme]
    pairs: dict[tuple[int, int], None] = {}
    for _ in range(world.pairs):
        order = rng.permutation(world.scenes)
        for first, second in zip(order[::2].tolist(), order[1::2].tolist(), strict=False):
            if theme[first] != theme[second]:
                high, low = (first, second) if norm[first] > norm[second] else (second, first)
                pairs[high, low] = None
    return np.array(list(pairs), np.int64)


def share_of_higher(world: PhotographWorld, effect: float) -> float:
    """Compute the expected share of choices of the higher photograph."""
    of_photographs = world.photograph**2 + world.theme**2 + world.taste**2
    spread = math.sqrt(2.0 * of_photographs + world.person**2)
    return float(DENSITY @ np.clip(expit(spread * NODES) + effect, 0.0, 1.0))
