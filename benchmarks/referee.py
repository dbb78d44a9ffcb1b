"""How often the tests of an analysis reject when nothing is there, and how often when something is.

``python -m benchmarks.referee --studies 400 --json`` prints one row per test and design:

- ``test``, ``design``, ``confirmatory``: the last is false for the classic mistakes, shown for contrast;
- ``false_positive`` with its 95 % interval ``low`` to ``high``: the share of null studies with p below .05;
- ``power``: effect -> share of studies with p below .05, on the same random numbers; empty where none ran;
- ``coverage``: the share of 95 % intervals that hold the true value, null where the test has no interval.

The raters are those of ``benchmarks.referee_worlds``; the analysis is the product's own functions.
``--quick`` runs a few designs with fewer studies in less than a minute.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from almond.analysis.questions.natural import associations
from almond.stats.accuracy import accuracy_interval
from almond.stats.classification import classify
from almond.stats.profile_difference import Trials, profile_difference
from almond.stats.two_way import two_way_mean
from benchmarks.referee_grid import ACCURACIES, CHOICES, PHOTOGRAPHS, PROFILES, QUICK
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
    marginal_share,
)

ALPHA = 0.05
PERMUTATIONS = 99
EFFECTS = {"choices": (0.3, 0.6, 1.2), "profiles": (0.2, 0.35, 0.5), "photographs": (0.3, 0.5, 0.7)}
"""In log odds; in standard deviations of one rating; as correlations of one pair of sixteen."""

Outcome = tuple[float, bool | None]
"""p, and whether the interval held the truth."""


@dataclass(frozen=True)
class Test:
    """One test of one kind of study: (study, truth, rng) -> its outcome."""

    name: str
    confirmatory: bool
    run: Callable[[Any, float, np.random.Generator], Outcome]


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
    profiles, rated = _rated(study)
    targets, where = study.target[rated].astype(str).tolist(), units[rated].astype(str).tolist()
    return classify(profiles, targets, where, permutations=PERMUTATIONS, rng=rng, seed=0).p


def _rated(study: Ratings) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
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
        Test("profiles: targets permuted within themes, participants fixed", False, fixed_people),
        Test("profiles: targets permuted within scenes, participants fixed", False, fixed_people_scenes),
        Test("profiles: analysis of variance over trials", False, pooled_profiles),
    ),
    "photographs": (
        Test("photographs: themes permuted", True, theme_photographs),
        Test("photographs: images permuted", False, single_photographs),
    ),
}
SLOW = {fixed_people, fixed_people_scenes}
"""Cross-validated permutations: in fewer designs, and only under the null."""


def draw(kind: str, design: Design, effect: float, seed: int) -> Any:
    """Draw study ``seed`` of a design: the same people, themes and noise under every effect."""
    rng = np.random.default_rng([seed, 11])
    if kind == "choices":
        return draw_choices(design, effect, rng)
    if kind == "photographs":
        return draw_photographs(design, effect, rng)
    profiles = draw_profiles(1.0, np.random.default_rng([seed, 12]))
    return draw_ratings(design, effect * profiles, rng)


def row(
    kind: str, test: Test, design: Design, *, studies: int, effects: Sequence[float], first: int = 0
) -> dict[str, Any]:
    """Run one test on one design, null first."""
    rejected: dict[float, int] = {}
    held: list[bool] = []
    for effect in (0.0, *effects):
        truth = (
            marginal_share(design, effect, np.random.default_rng([0, 13]))
            if kind == "choices" and effect
            else 0.5
        )
        outcomes = [
            test.run(draw(kind, design, effect, seed), truth, np.random.default_rng([seed, 14]))
            for seed in range(first, first + studies)
        ]
        rejected[effect] = sum(p <= ALPHA for p, _ in outcomes)
        held += [inside for _, inside in outcomes if inside is not None]
    return {
        "test": test.name,
        "design": design.to_json(),
        "confirmatory": test.confirmatory,
        "studies": studies,
        **_rate("false_positive", rejected[0.0], studies),
        "power": {str(effect): rejected[effect] / studies for effect in effects},
        "coverage": float(np.mean(held)) if held else None,
    }


def _rate(name: str, count: int, studies: int) -> dict[str, float]:
    interval = stats.binomtest(count, studies).proportion_ci()
    return {name: count / studies, "low": float(interval.low), "high": float(interval.high)}


def accuracy_row(design: Design, effect: float, *, studies: int, first: int = 0) -> dict[str, Any]:
    """Count how often the interval of the accuracy holds its expectation over people and themes.

    The targets' profiles are the same in every study; the expectation is the mean accuracy of the studies.
    """
    profiles = draw_profiles(effect, np.random.default_rng(15))
    accuracies, intervals = [], []
    for seed in range(first, first + studies):
        study = draw_ratings(design, profiles, np.random.default_rng([seed, 16]))
        means, rated = _rated(study)
        targets, themes = (codes[rated].astype(str).tolist() for codes in (study.target, study.theme))
        rng = np.random.default_rng([seed, 17])
        accuracies.append(classify(means, targets, themes, permutations=1, rng=rng, seed=0).accuracy)
        intervals.append(accuracy_interval(study.values[:, rated], targets, themes, rng=rng))
    expected = float(np.mean(accuracies))
    above = sum(interval.low > 1.0 / TARGETS for interval in intervals)
    chance = {"false_positive": None, "low": None, "high": None}
    return {
        "test": "accuracy: interval, participants and themes random",
        "design": design.to_json(),
        "confirmatory": False,
        "studies": studies,
        **(_rate("false_positive", above, studies) if not effect else chance),
        "power": {str(effect): above / studies} if effect else {},
        "accuracy": expected,
        "coverage": float(np.mean([interval.low <= expected <= interval.high for interval in intervals])),
    }


def referee(studies: int, *, quick: bool, first: int = 0) -> list[dict[str, Any]]:
    """Run the whole grid, or the quick one; ``first`` is the seed of the first study."""
    rows = []
    for kind, designs in (QUICK if quick else FULL).items():
        for number, (design, with_effects) in enumerate(designs):
            for test in TESTS[kind]:
                if test.run in SLOW and (quick or number % 4):
                    continue
                effects = EFFECTS[kind] if with_effects and test.confirmatory else ()
                # Cross-validated permutations of a study take as long as fifty of the other tests.
                count = max(50, studies // 2) if test.run in SLOW else studies
                began = time.perf_counter()
                rows.append(row(kind, test, design, studies=count, effects=effects, first=first))
                print(_line(rows[-1], time.perf_counter() - began), file=sys.stderr, flush=True)
    for design, effect in () if quick else ACCURACIES:
        rows.append(accuracy_row(design, effect, studies=max(50, studies // 2), first=first))
        print(_line(rows[-1], 0.0), file=sys.stderr, flush=True)
    return rows


FULL = {"choices": CHOICES, "profiles": PROFILES, "photographs": PHOTOGRAPHS}


def _line(result: dict[str, Any], seconds: float) -> str:
    design = {name: value for name, value in result["design"].items() if value}
    rate = "" if result["false_positive"] is None else f"{100 * result['false_positive']:5.1f} %"
    return f"{result['test']}: {rate} {result['power']} {result['coverage']} {design} {seconds:.1f} s"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--studies", type=int, default=400, help="studies per test, design and effect")
    parser.add_argument("--quick", action="store_true", help="a few designs, in less than a minute")
    parser.add_argument("--first", type=int, default=0, help="seed of the first study")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    words = parser.parse_args(argv)
    rows = referee(words.studies, quick=words.quick, first=words.first)
    if words.json:
        print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
