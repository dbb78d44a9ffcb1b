"""Raters and images of the referee: worlds in which the truth is known, written without the analyst's code.

A world is arrays alone: who, which theme, which scene, what was answered. People differ, themes differ,
people differ in what they see in a target and prompts in what a target does to them; some answer without
looking, some leave early. Under the null the *mean* over people and themes is nothing, while single people
and single themes may be far from it: that is what a claim about people and prompts in general has to survive.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit

Array = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Design:
    """One design. Standard deviations are in log odds (choices) or in that of one rating (ratings).

    ``seeds``: scenes per theme. ``person_slope`` and ``theme_slope``: what a person, or a prompt, makes of a
    target. ``person_theme``: what a person makes of a prompt (choices). ``careless``: share of people who
    answer at random. ``missing``: share of a person's trials that its list lacks. ``leaving``: share of
    people who stop somewhere on the way. ``unequal``: a third of the themes has twice as many scenes.
    ``variants``: pairs or images per scene and target. ``targets``: pairs of a scene by target (choices;
    ratings have four).
    """

    people: int = 20
    scenes: int = 12
    seeds: int = 1
    person_sd: float = 0.6
    scene_sd: float = 0.7
    person_slope: float = 0.0
    theme_slope: float = 0.0
    person_theme: float = 0.0
    careless: float = 0.0
    missing: float = 0.0
    leaving: float = 0.0
    unequal: bool = False
    variants: int = 1
    targets: int = 1

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "themes": int(self.themes().max()) + 1}

    def themes(self) -> Codes:
        """Theme of every scene (S,)."""
        if not self.unequal:
            return np.arange(self.scenes) // self.seeds
        sizes: list[int] = []
        while sum(sizes) < self.scenes:
            sizes.append(self.seeds * (2 if len(sizes) % 3 == 0 else 1))
        return np.repeat(np.arange(len(sizes)), sizes)[: self.scenes]


@dataclass(frozen=True)
class ThemedWorld:
    """What worlds of later questions share: everybody meets ``seeds`` scenes of every theme.

    ``answered``: share of the trials that were answered. ``effect``: what is there on average.
    """

    people: int = 16
    themes: int = 8
    seeds: int = 1
    answered: float = 1.0
    effect: float = 0.0

    @property
    def scenes(self) -> int:
        return self.themes * self.seeds

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def crossed(self, *kinds: int) -> tuple[Codes, ...]:
        """Return (n,) person and scene of every trial, then what it shows of each of ``kinds``, and last its
        theme."""
        axes = tuple(axis.ravel() for axis in np.indices((self.people, self.scenes, *kinds)))
        return (*axes, axes[1] // self.seeds)

    def answers(self, trials: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Draw which of the trials (n,) were answered."""
        return rng.random(trials) < self.answered


@dataclass(frozen=True)
class Choices:
    """Forced choices: (n,) person, scene, theme, and whether the image that was pushed up was chosen."""

    person: Codes
    scene: Codes
    theme: Codes
    aligned: Array


SEED_SHARE = 0.2
"""Part of the scenes' variance that lies between seeds of one prompt."""


def present(shape: tuple[int, ...], design: Design, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draw which trials (..., P, trials) were answered, in an order of each person's own."""
    trials = shape[-1]
    order = np.argsort(rng.random(shape), axis=-1)
    length = np.full(shape[:-1], float(trials))
    if design.missing:
        length = np.maximum(1, np.round(trials * (1 - design.missing * 2 * rng.random(shape[:-1]))))
    leaves = rng.random(shape[:-1]) < design.leaving
    length = np.where(leaves, np.ceil(length * rng.random(shape[:-1])), length)
    return np.asarray(order < length[..., None])


class ChoiceStudies:
    """Studies of forced choices of one design, the same people, themes and dice under every effect.

    ``scene``, ``theme`` and ``target`` (T,) of a person's trials; the rest (studies, P, T) or less.
    """

    def __init__(self, design: Design, studies: int, rng: np.random.Generator) -> None:
        each = design.targets * design.variants
        self.design, self.studies, self.people = design, studies, design.people
        self.scene = np.repeat(np.arange(design.scenes), each)
        self.theme = design.themes()[self.scene]
        target = np.tile(np.repeat(np.arange(design.targets), design.variants), design.scenes)
        self.logit = self._differences(target, rng)
        self.looking = rng.random((studies, design.people, 1)) >= design.careless
        self.dice = rng.random((studies, design.people, len(self.scene)))
        self.complete = not (design.missing or design.leaving)
        self.seen = None if self.complete else present(self.dice.shape, design, rng)

    def _differences(self, target: Codes, rng: np.random.Generator) -> Array:
        """Draw what people and themes add to the log odds (studies, P, T)."""
        design, first, people = self.design, self.studies, self.people
        themes = int(self.theme.max()) + 1
        of_theme = np.sqrt(1 - SEED_SHARE) * rng.standard_normal((first, 1, themes))[..., self.theme]
        of_scene = np.sqrt(SEED_SHARE) * rng.standard_normal((first, 1, design.scenes))[..., self.scene]
        slope = rng.standard_normal((first, 1, themes, design.targets))[..., self.theme, target]
        of_person = rng.standard_normal((first, people, 1))
        logit = design.scene_sd * (of_theme + of_scene) + design.theme_slope * slope
        logit = logit + design.person_sd * of_person
        if design.person_slope:
            own = rng.standard_normal((first, people, design.targets))[..., target]
            logit = logit + design.person_slope * own
        if design.person_theme:
            logit = (
                logit + design.person_theme * rng.standard_normal((first, people, themes))[..., self.theme]
            )
        return np.asarray(logit)

    def aligned(self, effect: float) -> Array:
        """Answer: 1.0 for the image that was pushed up (studies, P, T); ``effect`` in log odds."""
        chance = np.where(self.looking, expit(effect + self.logit), 0.5)
        return (self.dice < chance).astype(float)

    def study(self, aligned: Array, number: int) -> Choices:
        """Return one study of those that ``aligned`` answers."""
        seen = np.ones(aligned.shape[1:], bool) if self.seen is None else self.seen[number]
        person, trial = np.nonzero(seen)
        return Choices(person, self.scene[trial], self.theme[trial], aligned[number][person, trial])


NODES = np.linspace(-9.0, 9.0, 4001)
DENSITY = np.exp(-0.5 * NODES**2) / np.exp(-0.5 * NODES**2).sum()


def looking_share(design: Design, effect: float) -> float:
    """Compute the expected share of aligned choices, over people and themes, of people who look."""
    parts = ("person_sd", "scene_sd", "person_slope", "theme_slope", "person_theme")
    spread = np.sqrt(sum(getattr(design, name) ** 2 for name in parts))
    return float(DENSITY @ (expit(effect + spread * NODES)))


def marginal_share(design: Design, effect: float) -> float:
    """Compute the expected share of aligned choices, over people and themes."""
    return (1 - design.careless) * looking_share(design, effect) + design.careless * 0.5


@lru_cache
def log_odds(design: Design, share: float) -> float:
    """Return the effect, in log odds, at which people who look align a ``share`` of their choices."""
    return 0.0 if share == 0.5 else float(brentq(lambda x: looking_share(design, x) - share, -60.0, 60.0))


@dataclass(frozen=True)
class Ratings:
    """Ratings ``values`` (P, n, K) of n images, NaN for none; (n,) target, scene and theme of each."""

    values: Array
    target: Codes
    scene: Codes
    theme: Codes


TARGETS, CONSTRUCTS = 4, 4
IMAGE_SD = 0.7
"""What one image adds, in standard deviations of one rating, whatever it was made for."""


def draw_profiles(effect: float, rng: np.random.Generator) -> Array:
    """Draw what the targets do to the ratings (C, K): independent normal, of standard deviation
    ``effect``."""
    return effect * rng.standard_normal((TARGETS, CONSTRUCTS))


def draw_ratings(design: Design, profiles: Array, rng: np.random.Generator) -> Ratings:
    """Draw one study of ratings in which every scene has images of every target.

    Ratings are standardised by person and construct at the end, over the images that the person rated.
    """
    themes = design.themes()
    scene = np.repeat(np.arange(design.scenes), TARGETS * design.variants)
    target = np.tile(np.repeat(np.arange(TARGETS), design.variants), design.scenes)
    theme, count, people = themes[scene], int(themes.max()) + 1, design.people
    images = profiles[target] + IMAGE_SD * rng.standard_normal((len(scene), CONSTRUCTS))
    images = images + design.scene_sd * rng.standard_normal((count, CONSTRUCTS))[theme]
    images = images + design.theme_slope * rng.standard_normal((count, TARGETS, CONSTRUCTS))[theme, target]
    own = design.person_slope * rng.standard_normal((people, TARGETS, CONSTRUCTS))[:, target]
    looking = (rng.random((people, 1, 1)) >= design.careless).astype(float)
    noise = rng.standard_normal((people, len(scene), CONSTRUCTS))
    use = np.exp(0.3 * rng.standard_normal((people, 1, CONSTRUCTS)))
    lean = design.person_sd * rng.standard_normal((people, 1, CONSTRUCTS))
    values = lean + use * (looking * (images[None] + own) + noise)
    seen = present((people, len(scene)), design, rng)
    values[~seen] = np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        count_seen = seen.sum(axis=1)[:, None, None]
        centred = values - np.nansum(values, axis=1, keepdims=True) / np.maximum(count_seen, 1)
        spread = np.sqrt(np.nansum(centred**2, axis=1, keepdims=True) / np.maximum(count_seen - 1, 1))
        values = np.where(spread > 0, centred / np.where(spread > 0, spread, 1.0), centred)
    return Ratings(values, target, scene, theme)


@dataclass(frozen=True)
class Photographs:
    """Mean ratings (n, K) of photographs and predictors (n, P) of them, with the theme (n,) of each."""

    ratings: Array
    predictors: Array
    theme: Codes


def draw_photographs(design: Design, effect: float, rng: np.random.Generator) -> Photographs:
    """Draw photographs whose content decides ratings and predictors alike, each by itself under the null.

    ``effect`` is the correlation that one predictor has with one rating beyond themes.
    """
    themes = design.themes()
    count, n = int(themes.max()) + 1, design.scenes
    between, within = np.sqrt(1 - SEED_SHARE), np.sqrt(SEED_SHARE)

    def content(columns: int) -> Array:
        mixed: Array = between * rng.standard_normal((count, columns))[themes] + within * rng.standard_normal(
            (n, columns)
        )
        return mixed

    ratings, predictors = content(CONSTRUCTS), content(TARGETS)
    ratings[:, 0] = np.sqrt(1 - effect**2) * ratings[:, 0] + effect * predictors[:, 0]
    return Photographs(ratings, predictors, themes)
