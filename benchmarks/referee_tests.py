"""The tests that the referee runs, and the classic mistakes beside them.

A new test is one entry of ``TESTS``; a new kind of study is one entry of ``KINDS`` too, with designs in
``benchmarks.referee_grid``; ``benchmarks.referee_kinds`` adds those of further questions. Tests are the
product's own functions: (study, truth, rng) -> p, and whether the interval held the truth.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from almond.analysis.questions.natural import associations
from almond.digest import canonical_json
from almond.stats.classification import classify
from almond.stats.profile_difference import Trials, between_classes, box_test, profile_difference
from almond.stats.two_way import least_p, two_way_covariance, two_way_mean
from benchmarks.referee_worlds import (
    CONSTRUCTS,
    TARGETS,
    Choices,
    ChoiceStudies,
    Design,
    Photographs,
    Ratings,
    ThemedWorld,
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
    """One test of one kind of study: (study, truth, rng) -> its outcome. ``slow``: only in a few designs.

    ``part``: by which the numbers of studies are divided, under the null and under effects.
    """

    name: str
    confirmatory: bool
    run: Callable[[Any, float, np.random.Generator], Outcome]
    slow: bool = False
    part: tuple[int, int] = (1, 1)


def two_way_choices(study: Choices, truth: float, _: np.random.Generator) -> Outcome:
    test = two_way_mean(study.aligned, study.person, study.theme, null=0.5)
    return test.p, test.low <= truth <= test.high


def two_way_choices_of_many(
    aligned: NDArray[np.float64], person: NDArray[Any], theme: NDArray[Any], truth: float
) -> list[Outcome]:
    """Run the test of :func:`two_way_choices` on many complete studies at once.

    :param aligned: (n, studies) of n trials. :param person: (n,). :param theme: (n,).
    """
    trials = len(aligned)
    share = aligned.mean(axis=0)
    parts = two_way_covariance((aligned - share) / trials, person, theme)
    people, themes, cells = (np.diag(part) for part in (parts.people, parts.themes, parts.cells))
    variance = np.maximum(people + themes - cells, np.maximum(people, themes))
    se = np.maximum(np.sqrt(variance), np.sqrt((parts.df + 1.0) / parts.df) / trials)
    own, least = 2.0 * stats.t.sf(np.abs(share - 0.5) / se, parts.df), least_p(parts.fewest)
    reach = stats.t.ppf(0.975, parts.df) * se
    low, high = share - reach, share + reach
    if least > ALPHA:
        low, high = np.minimum(low, 0.5), np.maximum(high, 0.5)
    held = (low <= truth) & (truth <= high)
    return [(float(p), bool(inside)) for p, inside in zip(np.maximum(own, least), held, strict=True)]


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


TOGETHER = 10
"""Studies of ratings that share one regression; of more, the products between studies cost too much."""


def crossed_profiles_of_many(studies: Sequence[Ratings]) -> list[Outcome]:
    """Run the test of :func:`crossed_profiles` on complete studies of one design, their ratings side by
    side."""
    design, count = studies[0], len(studies)
    person, image = (axis.ravel() for axis in np.indices(design.values.shape[:2]))
    codes = design.target[image], person, design.scene[image]
    values = np.concatenate([study.values.reshape(len(person), -1) for study in studies], axis=1)
    effects, scores = between_classes(values, np.ones(len(person), bool), codes)
    theme = design.theme[image]
    whole = two_way_covariance(scores.reshape(len(person), -1), person, theme)
    # Columns are contrasts by studies by ratings.
    place = np.arange(scores[0].size).reshape(len(effects), count, -1)
    outcomes: list[Outcome] = []
    for number in range(count):
        own = np.ix_(*2 * [place[:, number].ravel()])
        parts = replace(whole, people=whole.people[own], themes=whole.themes[own], cells=whole.cells[own])
        square = float((effects.reshape(len(effects), count, -1)[:, number] ** 2).sum())
        outcomes.append((box_test(square, parts, TARGETS).p, None))
    return outcomes


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


class Sample(Protocol):
    """Studies of one design under one effect."""

    def study(self, number: int) -> Any: ...

    def outcomes(self, test: Test, truth: float, count: int) -> list[Outcome] | None:
        """Run a test on ``count`` studies together, or return None where it takes them one by one."""
        ...


class ChoiceSample:
    def __init__(self, studies: ChoiceStudies, share: float) -> None:
        self.studies, self.aligned = studies, studies.aligned(log_odds(studies.design, share))

    def study(self, number: int) -> Choices:
        return self.studies.study(self.aligned, number)

    def outcomes(self, test: Test, truth: float, count: int) -> list[Outcome] | None:
        if test.run is not two_way_choices or not self.studies.complete:
            return None
        columns = self.aligned.reshape(self.studies.studies, -1).T
        person, trial = (axis.ravel() for axis in np.indices(self.aligned.shape[1:]))
        return two_way_choices_of_many(columns[:, :count], person, self.studies.theme[trial], truth)


class SingleSample:
    """Studies that are drawn one by one."""

    def __init__(self, draw: Callable[[int], Any]) -> None:
        self.study = draw

    def outcomes(self, test: Test, truth: float, count: int) -> list[Outcome] | None:
        return None


class RatingSample(SingleSample):
    def __init__(self, design: Design, draw: Callable[[int], Ratings]) -> None:
        super().__init__(draw)
        self.complete = not (design.missing or design.leaving)

    def outcomes(self, test: Test, truth: float, count: int) -> list[Outcome] | None:
        if test.run is not crossed_profiles or not self.complete:
            return None
        outcomes: list[Outcome] = []
        for start in range(0, count, TOGETHER):
            numbers = range(start, min(start + TOGETHER, count))
            outcomes += crossed_profiles_of_many([self.study(number) for number in numbers])
        return outcomes


def generator(design: Design | ThemedWorld, *seed: int) -> np.random.Generator:
    """Return random numbers of a design's own, so that no two rows share their luck."""
    return np.random.default_rng([zlib.crc32(canonical_json(design.to_json())), *seed])


def choices_of(design: Design, studies: int, first: int) -> Callable[[float], Sample]:
    drawn = ChoiceStudies(design, studies, generator(design, first, 11))
    return lambda share: ChoiceSample(drawn, share)


def ratings_of(design: Design, studies: int, first: int) -> Callable[[float], Sample]:
    def draw(sd: float, number: int) -> Ratings:
        profiles = sd * draw_profiles(1.0, generator(design, first + number, 12))
        return draw_ratings(design, profiles, generator(design, first + number, 11))

    return lambda sd: RatingSample(design, partial(draw, sd))


def photographs_of(design: Design, studies: int, first: int) -> Callable[[float], Sample]:
    return lambda r: SingleSample(
        lambda number: draw_photographs(design, r, generator(design, first + number, 11))
    )


@dataclass(frozen=True)
class Kind:
    """One kind of study: three effects, their value under the null, studies of a design, what is true.

    ``draw(design, studies, first)`` returns the studies under any effect: the same people, themes and noise.
    """

    effects: tuple[float, float, float]
    null: float
    draw: Callable[[Any, int, int], Callable[[float], Sample]]
    truth: Callable[[Any, float], float] = lambda design, effect: effect


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
