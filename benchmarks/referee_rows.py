"""Rows of the referee: every test of one design on the same studies, and what all rows come to."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from scipy import stats

from almond.stats.accuracy import accuracy_interval
from almond.stats.classification import classify
from benchmarks.referee_grid import REFERENCE, Cell
from benchmarks.referee_kinds import KINDS, TESTS
from benchmarks.referee_tests import ALPHA, Outcome, Sample, Test, rated_profiles
from benchmarks.referee_worlds import TARGETS, Design, ThemedWorld, draw_profiles, draw_ratings

Row = dict[str, Any]

LARGE = 400
"""People times scenes of profiles above which power, high there, is counted in a quarter of the studies."""

FEWEST = 12
"""Studies of which no fewer are made, where they are divided."""

REFERENCE_EFFECT = "0.35"


def tests_of(kind: str, cell: Cell) -> list[Test]:
    """Return the tests that a design is given, the confirmatory one first."""
    return [test for test in TESTS[kind] if test.confirmatory or (cell.slow if test.slow else cell.mistakes)]


def studies_of(test: Test, studies: int) -> int:
    """Return how many null studies a test is given."""
    return max(50, studies // 8) if test.slow else _part(studies, test.part[0])


def _part(studies: int, divisor: int) -> int:
    return studies if divisor == 1 else max(FEWEST, studies // divisor)


def rows_of(kind: str, cell: Cell, *, studies: int, first: int = 0) -> list[Row]:
    """Run the tests of one design: all of them under the null, the confirmatory ones under effects too."""
    began = time.process_time()
    tests, spec = tests_of(kind, cell), KINDS[kind]
    sample = spec.draw(cell.design, studies, first)
    under, truth = sample(spec.null), spec.truth(cell.design, spec.null)
    null = {test.name: _outcomes(under, test, studies_of(test, studies), truth, first) for test in tests}
    fewer = kind == "profiles" and cell.design.people * cell.design.scenes > LARGE
    found: dict[str, dict[float, list[Outcome]]] = {test.name: {} for test in tests}
    for effect in spec.effects:
        under, truth = sample(effect), spec.truth(cell.design, effect)
        for test in tests:
            if test.confirmatory:
                count = max(50, studies // 4) if fewer else _part(studies, test.part[1])
                found[test.name][effect] = _outcomes(under, test, count, truth, first)
    rows = [_row(test, cell.design, null[test.name], found[test.name]) for test in tests]
    seconds = (time.process_time() - began) / len(rows)
    return [{**row, "seconds": round(seconds, 3), "first": first} for row in rows]


def _outcomes(sample: Sample, test: Test, count: int, truth: float, first: int) -> list[Outcome]:
    """Run a test on the first ``count`` studies."""
    together = sample.outcomes(test, truth, count)
    if together is not None:
        return together
    return [
        test.run(sample.study(number), truth, np.random.default_rng([first + number, 14]))
        for number in range(count)
    ]


def _row(
    test: Test, design: Design | ThemedWorld, null: Sequence[Outcome], found: dict[float, list[Outcome]]
) -> Row:
    rejected = sum(p <= ALPHA for p, _ in null)
    held = [inside for outcomes in (null, *found.values()) for _, inside in outcomes if inside is not None]
    return {
        "test": test.name,
        "design": design.to_json(),
        "confirmatory": test.confirmatory,
        "studies": len(null),
        **rate(rejected, len(null)),
        "power": {str(effect): share_below(outcomes) for effect, outcomes in found.items()},
        "power_studies": min(map(len, found.values()), default=0),
        "coverage": float(np.mean(held)) if held else None,
    }


def share_below(outcomes: Sequence[Outcome]) -> float:
    return sum(p <= ALPHA for p, _ in outcomes) / len(outcomes)


def rate(count: int, studies: int) -> dict[str, float]:
    """Return a share of studies with its exact 95 % interval (Clopper and Pearson)."""
    interval = stats.binomtest(count, studies).proportion_ci()
    return {"false_positive": count / studies, "low": float(interval.low), "high": float(interval.high)}


def accuracy_row(design: Design, effect: float, *, studies: int, first: int = 0) -> Row:
    """Count how often the interval of the accuracy holds its expectation over people and themes.

    The targets' profiles are the same in every study; the expectation is the mean accuracy of the studies.
    """
    began = time.process_time()
    profiles = draw_profiles(effect, np.random.default_rng(15))
    accuracies, intervals = [], []
    for seed in range(first, first + studies):
        study = draw_ratings(design, profiles, np.random.default_rng([seed, 16]))
        means, rated = rated_profiles(study)
        targets, themes = (codes[rated].astype(str).tolist() for codes in (study.target, study.theme))
        rng = np.random.default_rng([seed, 17])
        accuracies.append(classify(means, targets, themes, permutations=1, rng=rng, seed=0).accuracy)
        intervals.append(accuracy_interval(study.values[:, rated], targets, themes, rng=rng))
    expected = float(np.mean(accuracies))
    above = sum(interval.low > 1.0 / TARGETS for interval in intervals)
    chance = {"false_positive": None, "low": None, "high": None}
    return {
        "test": f"accuracy: interval at an effect of {effect:g}, participants and themes random",
        "design": design.to_json(),
        "confirmatory": False,
        "studies": studies,
        **(chance if effect else rate(above, studies)),
        "power": {str(effect): above / studies} if effect else {},
        "power_studies": studies if effect else 0,
        "accuracy": expected,
        "coverage": float(np.mean([interval.low <= expected <= interval.high for interval in intervals])),
        "seconds": round(time.process_time() - began, 3),
        "first": first,
    }


def summary(rows: Iterable[Row]) -> dict[str, Any]:
    """Count the confirmatory rows whose whole interval lies above .05, or .07, and judge the powers.

    ``above_05_share``: of the confirmatory rows. ``reference_power``: of the profiles at .35 SD, 40 people
    and 20 scenes in 20 themes; null where that row did not run. ``monotone``: no confirmatory test of choices
    loses power as the effect grows. ``seconds``: processor time.
    """
    rows = list(rows)
    confirmatory = [row for row in rows if row["confirmatory"]]
    above = [sum(row["low"] > level for row in confirmatory) for level in (0.05, 0.07)]
    reference = [
        row["power"][REFERENCE_EFFECT]
        for row in confirmatory
        if row["test"].startswith("profiles") and row["design"] == REFERENCE.to_json()
    ]
    falls = [row for row in confirmatory if row["test"].startswith("choices") and not rises(row)]
    return {
        "confirmatory_rows": len(confirmatory),
        "above_05": above[0],
        "above_05_share": above[0] / len(confirmatory) if confirmatory else None,
        "above_07": above[1],
        "reference_power": reference[0] if reference else None,
        "monotone": not falls,
        "seconds": round(sum(row["seconds"] for row in rows), 1),
    }


def rises(row: Row) -> bool:
    powers = [row["power"][key] for key in sorted(row["power"], key=float)]
    return powers == sorted(powers)
