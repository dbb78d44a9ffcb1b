"""Null studies with low-level features, and along strength: arrays alone, without the analyst's code.

Images have low-level features, in which the targets differ, that may move ratings and choices. Beyond them
nothing is there on average, while single people and single themes may be far from nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.referee_worlds import CONSTRUCTS, TARGETS, Array, Codes, ThemedWorld

FEATURES, FACTORS = 8, 3


@dataclass(frozen=True)
class World(ThemedWorld):
    """Standard deviations are those of one rating, or in log odds of a choice.

    ``person`` and ``theme``: what people and themes make of a target, of aligned choices or of strength.
    ``image``: what an image adds, whatever it was made for. ``through``: what the features do to a rating,
    or to the share of aligned choices. ``apart``: how far targets differ in features. ``levels``: strengths
    to either side of zero.
    """

    targets: int = TARGETS
    person: float = 0.5
    theme: float = 0.5
    image: float = 0.5
    through: float = 0.0
    apart: float = 0.7
    levels: int = 2


@dataclass(frozen=True)
class Trials:
    """Answers (n, K) of trials with (n,) person, scene, theme, target, and features (S, C, F) of images.

    ``side`` and ``strength`` (n,) where a trial has them.
    """

    values: Array
    person: Codes
    scene: Codes
    theme: Codes
    target: Codes
    features: Array
    side: Array
    strength: Array
    stimulus: Codes


def draw_features(world: World, rng: np.random.Generator) -> Array:
    """Draw correlated features (S, C, F): three factors, in which themes and targets differ."""
    scenes = world.scenes
    theme = np.repeat(np.arange(world.themes), world.seeds)
    factors = rng.normal(size=(scenes, world.targets, FACTORS))
    factors += 0.5 * rng.normal(size=(world.themes, world.targets, FACTORS))[theme]
    factors += world.apart * rng.normal(size=(world.targets, FACTORS))
    noise = 0.5 * rng.normal(size=(scenes, world.targets, FEATURES))
    return factors @ rng.normal(size=(FACTORS, FEATURES)) + noise


def _answered(world: World, trials: Trials, rng: np.random.Generator) -> Trials:
    rows = world.answers(len(trials.person), rng)
    cut = {name: value[rows] for name, value in vars(trials).items() if name != "features"}
    return Trials(**cut, features=trials.features)


def draw_ratings_beside(world: World, rng: np.random.Generator) -> Trials:
    """Draw ratings of one image per scene and target; ``effect`` is what a target does beyond features."""
    scenes, shape = world.scenes, (world.targets, CONSTRUCTS)
    features = draw_features(world, rng)
    within = features - features.mean(axis=1, keepdims=True)
    within /= np.sqrt((within**2).mean(axis=(0, 1)))
    person, scene, target, theme = world.crossed(world.targets)
    # The first direction of the features moves ratings, so that a few components hold what they do.
    first = np.linalg.svd(within.reshape(-1, FEATURES), full_matrices=False)[2][0]
    moved = (within @ first)[scene, target]
    moved /= moved.std()
    values = world.through * moved[:, None] * rng.normal(size=CONSTRUCTS)
    values = values + world.effect * rng.normal(size=shape)[target]
    values += world.image * rng.normal(size=(scenes, *shape))[scene, target]
    values += world.person * rng.normal(size=(world.people, *shape))[person, target]
    values += world.theme * rng.normal(size=(world.themes, *shape))[theme, target]
    values += rng.normal(size=values.shape)
    none, stimulus = np.zeros(len(person)), scene * world.targets + target
    trials = Trials(values, person, scene, theme, target, within, none, none, stimulus)
    return _answered(world, trials, rng)


def draw_choices_beside(world: World, rng: np.random.Generator) -> Trials:
    """Draw aligned choices between pairs with signed differences of features, whose mean is not zero.

    At no difference one half is aligned, and ``effect`` more.
    """
    scenes = world.scenes
    differences = draw_features(world, rng) + world.apart * rng.normal(size=FEATURES)
    differences /= np.sqrt((differences**2).mean(axis=(0, 1)))
    person, scene, target, theme = world.crossed(world.targets)
    first = np.linalg.svd(differences.reshape(-1, FEATURES), full_matrices=False)[2][0]
    moved = (differences @ first)[scene, target]
    moved /= np.sqrt((moved**2).mean())
    logit = (
        world.person * rng.normal(size=world.people)[person]
        + world.theme * rng.normal(size=world.themes)[theme]
    )
    logit += world.image * rng.normal(size=(scenes, world.targets))[scene, target]
    share = 1.0 / (1.0 + np.exp(-logit)) + world.through * moved + world.effect
    aligned = (rng.random(len(person)) < np.clip(share, 0.0, 1.0)).astype(float)
    side = rng.choice([-0.5, 0.5], len(person))
    none, stimulus = np.zeros(len(person)), scene * world.targets + target
    trials = Trials(aligned[:, None], person, scene, theme, target, differences, side, none, stimulus)
    return _answered(world, trials, rng)


def draw_trend(world: World, rng: np.random.Generator) -> Trials:
    """Draw ratings of images at strengths from -1 to 1, an unguided one at zero; ``effect`` is the slope."""
    scenes = world.scenes
    strengths = np.linspace(-1.0, 1.0, 2 * world.levels + 1)
    person, scene, target, level, theme = world.crossed(world.targets, len(strengths))
    strength = strengths[level]
    slope = world.effect + world.person * rng.normal(size=(world.people, world.targets))[person, target]
    slope = slope + world.theme * rng.normal(size=(world.themes, world.targets))[theme, target]
    images = world.image * rng.normal(size=(scenes, world.targets, len(strengths)))
    stimulus = (scene * world.targets + target) * len(strengths) + level
    unguided = level == world.levels
    images[:, :, world.levels] = images[:, :1, world.levels]
    stimulus[unguided] = -1 - scene[unguided]
    values = slope * strength + images[scene, target, level] + rng.normal(size=len(person))
    none, features = np.zeros(len(person)), np.zeros((scenes, world.targets, 0))
    trials = Trials(values[:, None], person, scene, theme, target, features, none, strength, stimulus)
    return _answered(world, trials, rng)
