"""Null worlds: what raters see does not depend on what an image was made for, on average.

``independent``: each image is its scene's unguided image with noise of its own. No test of the manipulation
can fail there, not even one that counts trials by themselves with few raters per image.

``structured``: people and prompts differ, as they do. Person p sees in image i, of scene s, theme t, target c
and direction d (high, low or neither), the percept

    x[p, i] = base[s] + O[t, c, d] + P[p, c, d] + e[i]             (16 latents)
    O[t, c, d] = THEME_VIVID u[t, d] 1 + THEME_SD z[t, c, d]       the prompt's own
    P[p, c, d] = PERSON_VIVID v[p, d] 1 + PERSON_SD y[p, c, d]     the person's own
    e[i] = NULL_SD w[i]                                            the image's own

with u, v scalar and z, y, w vectors (16,) of independent standard normal numbers; 1 adds the same to every
latent, so that a prompt's high images can have more of everything than its low ones. All seeds and strengths
of one prompt, target and direction share O; everything a person sees of one target and direction shares P.
Percepts are not cut to [0, 1], as they are in the independent null, where half of the differences would go.

Why the null holds, with people and themes drawn at random:

- choices: exchanging high and low in every O[t] and P[p] leaves the joint distribution of all percepts as it
  is, and turns an aligned choice into the other one. So the expected share of aligned choices is 1/2.
- profiles (of the images of one direction): any permutation of the targets, of every O[t] and P[p] at once,
  leaves the joint distribution as it is. So all targets have the same expected profile.

Given these people, though, or these prompts, neither holds: the mean of a person's choices is not 1/2, and
what a person sees of a target, alike in all prompts, is not what she sees of another one; the same goes for a
prompt, alike in all people. A test that counts trials, or takes people or prompts as fixed, rejects for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from almond.errors import InputError
from almond.rng import generator
from almond.world.null_forms import NullWorld
from almond.world.raters import Latents, null_percepts
from almond.world.scenes import LATENTS

THEME_VIVID, PERSON_VIVID = 0.2, 0.1
THEME_SD, PERSON_SD = 0.15, 0.6
"""Standard deviations in units of latents. With them prompts limit the demonstration's choices, and people
its profiles: a test that ignores what limits it rejects."""


class MadeFor(NamedTuple):
    """What a stimulus was made from and for; ``direction`` is 1, -1 or 0."""

    base_scene: str
    theme: str
    target: str
    direction: int


class PersonalPercepts(Protocol):
    """Percepts that differ between people."""

    def __contains__(self, name: object) -> bool: ...

    def seen_by(self, number: int) -> Mapping[str, Latents]:
        """Return what participant ``number`` sees in every stimulus."""
        ...


Percepts = Mapping[str, Latents] | PersonalPercepts


def seen_by(percepts: Percepts, number: int) -> Mapping[str, Latents]:
    """Return what participant ``number`` sees; the same for everybody where percepts are shared."""
    return percepts if isinstance(percepts, Mapping) else percepts.seen_by(number)


@dataclass(frozen=True, eq=False)
class StructuredPercepts:
    """Percepts of the structured null: ``common`` is what all see."""

    common: Mapping[str, Latents]
    made: Mapping[str, MadeFor]
    seed: int

    def __contains__(self, name: object) -> bool:
        return name in self.common

    def seen_by(self, number: int) -> Mapping[str, Latents]:
        conditions = {(row.target, row.direction) for row in self.made.values()}
        rng = generator(self.seed, "null person", number)
        own = condition_percepts(conditions, PERSON_VIVID, PERSON_SD, rng)
        return {
            name: percept + own[self.made[name].target, self.made[name].direction]
            for name, percept in self.common.items()
        }


def condition_percepts(
    conditions: set[tuple[str, int]], vivid_sd: float, sd: float, rng: np.random.Generator
) -> dict[tuple[str, int], Latents]:
    """Draw what one prompt, or one person, adds (16,) to the percepts of every target and direction."""
    ordered = sorted(conditions)
    vivid = {direction: vivid_sd * rng.standard_normal() for direction in sorted({d for _, d in ordered})}
    return {
        (target, direction): vivid[direction] + sd * rng.standard_normal(len(LATENTS))
        for target, direction in ordered
    }


def structured_percepts(
    bases: Mapping[str, Latents], made: Mapping[str, MadeFor], rng: np.random.Generator
) -> StructuredPercepts:
    """Make the percepts of the structured null.

    :param bases: percepts of the unguided images by base scene. :param made: every stimulus by id.
    :param rng: draws the seed from which prompts, people and images have random streams of their own.
    :raises InputError: a scene without a base.
    """
    seed = int(rng.integers(2**53))
    images = null_percepts(
        bases,
        {name: row.base_scene for name, row in made.items()},
        generator(seed, "null images"),
        clipped=False,
    )
    conditions = {(row.target, row.direction) for row in made.values()}
    own = {
        theme: condition_percepts(conditions, THEME_VIVID, THEME_SD, generator(seed, "null theme", theme))
        for theme in sorted({row.theme for row in made.values()})
    }
    common = {name: images[name] + own[row.theme][row.target, row.direction] for name, row in made.items()}
    return StructuredPercepts(common, made, seed)


def percepts_of_null(
    null: NullWorld, bases: Mapping[str, Latents], made: Mapping[str, MadeFor], rng: np.random.Generator
) -> Percepts:
    """Make the percepts of a null world; raises ``InputError`` for one that is none."""
    if null == "structured":
        return structured_percepts(bases, made, rng)
    if null != "independent":
        raise InputError("null world", f"is {null!r}", "independent or structured")
    scenes = {name: row.base_scene for name, row in made.items()}
    return null_percepts(bases, scenes, rng)
