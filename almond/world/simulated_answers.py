"""Answers drawn from a rater model: ratings, choices and predictors as arrays, the truth of each known.

A rating of image i on construct k by person p is

    points (lean_pk + use_pk (look_p (m_ik + s_ptk dose_i) + residual_sd e)) + 50,   cut to 0 ... 100,
    m_ik = theme + scene + image + dose_i (effect profile_tk + slope_theme,tk)

with t the image's target and ``dose`` -1 to 1 (0: not manipulated). The profiles of the targets have a random
direction and a fixed length: their standard deviation over targets (n - 1), pooled over constructs, is 1. A
choice is the intended one with log odds ``log_odds_per_sd effect`` + person + theme + scene + slopes. All of
these are normal with the model's standard deviations and mean 0, so that nothing is there *on average* when
the effect is 0. Whoever does not look rates and chooses by chance.

No draw depends on the effect: with the same generator, studies differ in nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from almond.typing import Floats, Indices
from almond.world.rater_model import PredictorModel, RaterModel

MIDDLE, TOP = 50.0, 100.0


@dataclass(frozen=True, eq=False)
class ShownImages:
    """Images or pairs (n,): codes of ``theme``, ``scene`` and ``target`` (-1: none), and their ``dose``."""

    theme: Indices
    scene: Indices
    target: Indices
    dose: Floats

    @property
    def targets(self) -> int:
        return int(self.target.max(initial=-1)) + 1

    def __len__(self) -> int:
        return len(self.theme)


def draw_profiles(targets: int, constructs: int, rng: np.random.Generator) -> Floats:
    """Draw what targets do to ratings (targets, constructs): standard deviation 1, in a random direction.

    One target alone has a root mean square of 1.
    """
    profiles = rng.standard_normal((targets, constructs))
    if targets > 1:
        profiles -= profiles.mean(axis=0)
    squares = float((profiles**2).sum()) / (max(targets - 1, 1) * constructs)
    return np.asarray(profiles / np.sqrt(squares), np.float64)


def draw_rating_answers(
    model: RaterModel,
    images: ShownImages,
    rows: tuple[Indices, Indices, Indices],
    looking: Floats,
    constructs: int,
    *,
    effect: float,
    rng: np.random.Generator,
    predictor: Floats | None = None,
) -> Floats:
    """Draw ratings (r,) from 0 to 100.

    :param rows: codes (r,) of the person, image and construct of each rating.
    :param looking: (P,) 1 where a person looks, else 0.
    :param effect: of the targets, in SD of one rating.
    :param predictor: (n,) of natural images: the first construct rises by ``effect`` per unit of it.
    """
    own, people, targets = model.ratings, len(looking), max(images.targets, 1)
    person, image, construct = rows
    count = int(images.theme.max()) + 1, int(images.scene.max()) + 1
    target = np.maximum(images.target, 0)  # without a target the dose is 0
    profiles = draw_profiles(targets, constructs, rng)
    of_theme = own.theme_sd * rng.standard_normal((count[0], constructs))
    of_scene = own.scene_sd * rng.standard_normal((count[1], constructs))
    of_image = own.image_sd * rng.standard_normal((len(images), constructs))
    theme_slope = own.theme_slope_sd * rng.standard_normal((count[0], targets, constructs))
    seen = of_theme[images.theme] + of_scene[images.scene] + of_image
    seen += images.dose[:, None] * (effect * profiles[target] + theme_slope[images.theme, target])
    if predictor is not None:
        seen[:, 0] += effect * predictor
    person_slope = own.person_slope_sd * rng.standard_normal((people, targets, constructs))
    lean = own.person_sd * rng.standard_normal((people, constructs))
    use = np.exp(own.scale_use_sd * rng.standard_normal((people, constructs)))
    noise = own.residual_sd * rng.standard_normal(len(person))
    shown = seen[image, construct] + images.dose[image] * person_slope[person, target[image], construct]
    value = lean[person, construct] + use[person, construct] * (looking[person] * shown + noise)
    return np.asarray(np.clip(MIDDLE + own.points * value, 0.0, TOP), np.float64)


def draw_choice_answers(
    model: RaterModel,
    pairs: ShownImages,
    rows: tuple[Indices, Indices],
    looking: Floats,
    *,
    effect: float,
    rng: np.random.Generator,
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Draw whether choices (r,) are the intended ones.

    :param rows: codes (r,) of the person and the pair of each choice.
    :param looking: (P,) 1 where a person looks, else 0.
    :param effect: in SD of one rating; ``log_odds_per_sd`` says what that makes of choices.
    """
    own, people, targets = model.choices, len(looking), max(pairs.targets, 1)
    person, pair = rows
    count = int(pairs.theme.max()) + 1, int(pairs.scene.max()) + 1
    of_theme = own.theme_sd * rng.standard_normal(count[0])
    of_scene = own.scene_sd * rng.standard_normal(count[1])
    theme_slope = own.theme_slope_sd * rng.standard_normal((count[0], targets))
    of_person = own.person_sd * rng.standard_normal(people)
    person_slope = own.person_slope_sd * rng.standard_normal((people, targets))
    target = np.maximum(pairs.target, 0)
    of_pair = of_theme[pairs.theme] + of_scene[pairs.scene] + theme_slope[pairs.theme, target]
    log_odds = own.log_odds_per_sd * effect * pairs.dose[pair] + of_pair[pair]
    log_odds = log_odds + of_person[person] + person_slope[person, target[pair]]
    chance = 1.0 / (1.0 + np.exp(-looking[person] * log_odds))
    return np.asarray(rng.random(len(person)) < chance, np.bool_)


def draw_predictors(model: PredictorModel, images: ShownImages, rng: np.random.Generator) -> Floats:
    """Draw predicted responses (n, count) to natural images, of variance 1; those of one theme are alike."""
    themes = rng.standard_normal((int(images.theme.max()) + 1, model.count))
    own = rng.standard_normal((len(images), model.count))
    between, within = np.sqrt(model.theme_share), np.sqrt(1.0 - model.theme_share)
    return np.asarray(between * themes[images.theme] + within * own, np.float64)
