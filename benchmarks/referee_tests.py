"""The tests that the referee runs, and the classic mistakes beside them.

A new test is one entry of ``TESTS``; a new kind of study is one entry of ``KINDS`` too, with designs in
``benchmarks.referee_grid``. Tests are the product's own functions: (study, truth, rng) -> p, and whether the
interval held the truth.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from almond.analysis.questions.natural import associations
from almond.digest import canonical_json
from almond.stats.classification import classify
from almond.stats.profile_difference import Trials, profile_difference
from almond.stats.two_way import two_way_mean
from benchmarks.referee_worlds import (
    CONSTRUCTS,
    TARGETS,
    Choices,
    Design,
    Photographs,
    Ratings,
    draw_choices,
    draw_photographs,
    draw_profiles,
    draw_ratings,
    log_odds,
    marginal_share,
)

ALPHA = 0.05
PERMUTATIONS = 99

Outcome = tuple[float, bool | None]
"""p, and whether the interval held the truth."""


@dataclass(frozen=True)
class Test:
    """One test of one kind of study: (study, truth, rng) -> its outcome. ``slow``: only in a few designs."""

    name: str
    confirmatory: bool
    run: Callable[[Any, float, np.random.Generator], Outcome]
    slow: bool = False


def two_way_choices(study: Choices, truth: float, _: np.random.Generator) -> Outcome:
    test = two_way_mean(study.aligned, study.person, study.theme, null=0.5)
    return test.p, test.low <= truth <= test.high


def pooled_binomial(study: Choices, _: float, __: np.random.Generator) -> Outcome:
    return float(stats.binomtest(int(study.aligned.sum()), len(study.aligned), 0.5).pvalue), None


def by_people(study: Choices, _: float, __: np.random.Generator) -> Outcome:
    return _one_way(study.aligned, study.person), None


def by_scenes(study: Choices, _: float, __: np.random.Generator) -> Outcome:
    return _one_way(study.aligned, study.scene), None


def two_way_scenes(study: Choices, truth: float, _: np.random.Generator) -> Outcome:
    """The right test with the wrong unit: seeds of one prompt as if they were independent."""
    test = two_way_mean(study.aligned, study.person, study.scene, null=0.5)
    return test.p, test.low <= truth <= test.high


def scene_signs(study: Choices, _: float, rng: np.random.Generator) -> Outcome:
    means = _means(study.aligned, study.scene) - 0.5
    flips = rng.choice((-1.0, 1.0), (999, len(means))) @ means
    return float((1 + np.sum(np.abs(flips) >= abs(means.sum()) - 1e-9)) / 1000), None


def _means(values: np.ndarray[Any, Any], codes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    units = np.unique(codes, return_inverse=True)[1]
    return np.bincount(units, values) / np.bincount(units)


def _one_way(values: np.ndarray[Any, Any], codes: np.ndarray[Any, Any]) -> float:
    means = _means(values, codes)
    if np.ptp(means) == 0.0:
        return float(means[0] == 0.5)
    return float(stats.ttest_1samp(means, 0.5).pvalue)


def crossed_profiles(study: Ratings, _: float, __: np.random.Generator) -> Outcome:
    person, image = np.nonzero(np.isfinite(study.values).any(axis=2))
    scene, theme, target = (codes[image] for codes in (study.scene, study.theme, study.target))
    return profile_difference(Trials(study.values[person, image], person, scene, theme, target)).p, None


def fixed_people(study: Ratings, _: float, rng: np.random.Generator) -> Outcome:
    """Permute the targets' names within themes: what stands beside the confirmatory test."""
    return _permuted(study, study.theme, rng), None


def fixed_people_scenes(study: Ratings, _: float, rng: np.random.Generator) -> Outcome:
    """The same within scenes, each scene held out by itself, as if seeds of one prompt were independent."""
    return _permuted(study, study.scene, rng), None


def _permuted(study: Ratings, units: np.ndarray[Any, Any], rng: np.random.Generator) -> float:
    profiles, rated = rated_profiles(study)
    targets, where = study.target[rated].astype(str).tolist(), units[rated].astype(str).tolist()
    return classify(profiles, targets, where, permutations=PERMUTATIONS, rng=rng, seed=0).p


def rated_profiles(study: Ratings) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    seen = np.isfinite(study.values).all(axis=2)
    rated = np.asarray(seen.any(axis=0))
    total = np.nansum(study.values, axis=0)[rated]
    return total / seen.sum(axis=0)[rated, None], rated


def pooled_profiles(study: Ratings, _: float, __: np.random.Generator) -> Outcome:
    """One-way analysis of variance of every trial's ratings by target, best of the constructs by
    Bonferroni."""
    groups = [study.values[:, study.target == index].reshape(-1, CONSTRUCTS) for index in range(TARGETS)]
    whole = [group[np.isfinite(group).all(axis=1)] for group in groups]
    return min(1.0, CONSTRUCTS * float(stats.f_oneway(*whole).pvalue.min())), None


def theme_photographs(study: Photographs, _: float, rng: np.random.Generator) -> Outcome:
    return _photographs(study, study.theme, rng), None


def single_photographs(study: Photographs, _: float, rng: np.random.Generator) -> Outcome:
    """Permute single photographs, as if no two showed the same content."""
    return _photographs(study, np.arange(len(study.theme)), rng), None


def _photographs(study: Photographs, themes: np.ndarray[Any, Any], rng: np.random.Generator) -> float:
    found = associations(
        study.ratings,
        [f"c{index}" for index in range(CONSTRUCTS)],
        {f"p{index}": column for index, column in enumerate(study.predictors.T)},
        themes=themes.astype(str).tolist(),
        permutations=2 * PERMUTATIONS + 1,
        rng=rng,
        seed=0,
        resamples=2,
    )
    return min(pair.p_max for pair in found.associations)


TESTS: dict[str, tuple[Test, ...]] = {
    "choices": (
        Test("choices: participants and themes random", True, two_way_choices),
        Test("choices: participants and scenes random", False, two_way_scenes),
        Test("choices: binomial test over trials", False, pooled_binomial),
        Test("choices: t over participants", False, by_people),
        Test("choices: t over scenes", False, by_scenes),
        Test("choices: sign flips over scenes", False, scene_signs),
    ),
    "profiles": (
        Test("profiles: participants and themes random", True, crossed_profiles),
        Test("profiles: targets permuted within themes, participants fixed", False, fixed_people, slow=True),
        Test(
            "profiles: targets permuted within scenes, participants fixed",
            False,
            fixed_people_scenes,
            slow=True,
        ),
        Test("profiles: analysis of variance over trials", False, pooled_profiles),
    ),
    "photographs": (
        Test("photographs: themes permuted", True, theme_photographs),
        Test("photographs: images permuted", False, single_photographs),
    ),
}


@dataclass(frozen=True)
class Kind:
    """One kind of study: three effects, how a study is drawn, and what is true under an effect."""

    effects: tuple[float, float, float]
    null: float
    draw: Callable[[Design, float, np.random.Generator, np.random.Generator], Any]
    truth: Callable[[Design, float], float] = lambda design, effect: effect


def choices_of(design: Design, share: float, rng: np.random.Generator, _: np.random.Generator) -> Choices:
    return draw_choices(design, log_odds(design, share), rng)


def ratings_of(design: Design, sd: float, rng: np.random.Generator, other: np.random.Generator) -> Ratings:
    return draw_ratings(design, sd * draw_profiles(1.0, other), rng)


def photographs_of(design: Design, r: float, rng: np.random.Generator, _: np.random.Generator) -> Photographs:
    return draw_photographs(design, r, rng)


KINDS: dict[str, Kind] = {
    "choices": Kind(
        (0.6, 0.7, 0.8),
        0.5,
        choices_of,
        lambda design, share: marginal_share(design, log_odds(design, share)),
    ),
    "profiles": Kind((0.2, 0.35, 0.5), 0.0, ratings_of),
    "photographs": Kind((0.3, 0.5, 0.7), 0.0, photographs_of),
}
"""Effects: the share of aligned choices among people who look; standard deviations of one rating; the
correlation of one pair of sixteen."""


def draw(kind: str, design: Design, effect: float, seed: int) -> Any:
    """Draw study ``seed`` of a design: the same people, themes and noise under every effect, others in
    every design."""
    number = zlib.crc32(canonical_json(design.to_json()))
    return KINDS[kind].draw(
        design, effect, np.random.default_rng([seed, number, 11]), np.random.default_rng([seed, number, 12])
    )
