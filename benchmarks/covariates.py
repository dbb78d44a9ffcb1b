"""How often tests beside low-level features, and along strength, reject when nothing is there.

``python -m benchmarks.covariates --studies 400 --json`` prints one row per test and design: ``test``,
``design``, ``false_positive`` with its 95 % interval ``low`` to ``high``. ``--only WORD`` runs tests of which
the name begins with the word. The worlds are those of ``benchmarks.covariates_worlds``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from almond.stats.clustered.components import component_count, components_about_zero
from almond.stats.clustered.regression import RegressionColumns, effects, joint_test, slope_test
from almond.stats.clustered.trend import Trajectories, joint_trend, mixed_slope, page_test, trend_slope
from benchmarks.covariates_worlds import (
    Trials,
    World,
    draw_choices_beside,
    draw_ratings_beside,
    draw_trend,
)

ALPHA = 0.05
PValues = Mapping[str, float]
Study = Callable[[World, np.random.Generator], PValues]


def components_of(trials: Trials) -> np.ndarray:
    """Compute each trial's components by the analysis's own rule."""
    flat = trials.features.reshape(-1, trials.features.shape[-1])
    count = component_count(len(set(trials.theme.tolist())), flat.shape[1])
    made = components_about_zero(flat, count).of(flat).reshape(*trials.features.shape[:2], count)
    return made[trials.scene, trials.target]


def ratings_study(world: World, rng: np.random.Generator) -> PValues:
    """Test targets beside features, features beside targets, and features alone."""
    trials = draw_ratings_beside(world, rng)
    components = components_of(trials)
    targets = (trials.target[:, None] == np.arange(trials.target.max())).astype(float)

    def p(tested: np.ndarray, beside: np.ndarray) -> float:
        absorbed = (trials.person, trials.scene)
        predictors = RegressionColumns(tested, beside, trials.person, trials.theme, absorbed)
        return joint_test(effects(trials.values, predictors), least=0.0).p

    tests = {"targets beside features": p(targets, components)}
    if not world.through:
        tests["features beside targets"] = p(components, targets)
        tests["features alone"] = p(components, components[:, :0])
    return tests


def choices_study(world: World, rng: np.random.Generator) -> PValues:
    """Test the intercept at no difference, the differences jointly, one of them, and the side."""
    trials = draw_choices_beside(world, rng)
    components = components_of(trials)
    ones, side = np.ones((len(trials.person), 1)), trials.side[:, None]

    def fit(tested: np.ndarray, *beside: np.ndarray) -> Any:
        predictors = RegressionColumns(tested, np.hstack(beside), trials.person, trials.theme)
        return effects(trials.values, predictors)

    tests = {
        "share at no difference": slope_test(
            fit(ones, components, side), null=0.5, step=1.0, taken=components.shape[1]
        ).p,
        "side": slope_test(fit(side, ones, components), step=1.0).p,
    }
    if not world.through:
        tests["differences jointly"] = joint_test(fit(components, ones, side), least=0.0).p
        tests["difference of one predictor"] = slope_test(
            fit(components[:, :1], ones, side), step=1.0, taken=1
        ).p
    return tests


def trend_study(world: World, rng: np.random.Generator) -> PValues:
    """Test the slope two ways, all slopes jointly, by Page's test over themes and by slopes of people."""
    trials = draw_trend(world, rng)
    units = (trials.person, trials.scene, trials.theme, trials.stimulus, trials.target)
    data = Trajectories(trials.values, trials.strength, *units)
    tests = {
        "slope": trend_slope(data).p,
        "mixed model": mixed_slope(data).p,
        "Page over themes": page_test(_means(trials, trials.theme)).p,
        "t of participants' slopes": _own_slopes(trials),
    }
    if world.targets > 1:
        tests["all slopes jointly"] = joint_trend(data).p
    return tests


def _means(trials: Trials, units: np.ndarray) -> np.ndarray:
    levels = np.unique(trials.strength)
    return np.array(
        [
            [trials.values[(units == unit) & (trials.strength == level), 0].mean() for level in levels]
            for unit in np.unique(units)
        ]
    )


def _own_slopes(trials: Trials) -> float:
    """Test participants' least-squares slopes by t: the themes are fixed."""
    slopes = []
    for person in np.unique(trials.person):
        rows = trials.person == person
        strength = trials.strength[rows] - trials.strength[rows].mean()
        slopes.append(strength @ trials.values[rows, 0] / (strength @ strength))
    return float(stats.ttest_1samp(slopes, 0.0).pvalue)


RATINGS = (
    World(people=16, themes=6),
    World(people=16, themes=8),
    World(people=16, themes=8, person=0.0, theme=0.0),
    World(people=30, themes=12, through=0.5),
    World(people=12, themes=24),
    World(people=12, themes=12, person=1.0, theme=0.2),
    World(people=30, themes=12, person=0.2, theme=1.0),
    World(people=20, themes=8, seeds=2, answered=0.7),
    World(people=40, themes=32, through=0.5),
)
CHOICES = (
    World(people=16, themes=6),
    World(people=16, themes=8, theme=1.0),
    World(people=16, themes=8, targets=1),
    World(people=30, themes=12, through=0.05),
    World(people=12, themes=24, person=2.0),
    World(people=40, themes=12, theme=2.0),
    World(people=20, themes=8, seeds=2, answered=0.7),
    World(people=40, themes=32, theme=1.0, through=0.05),
)
TRENDS = (
    World(people=16, themes=6, targets=1),
    World(people=16, themes=8, targets=1, theme=0.0, person=0.0),
    World(people=12, themes=20, targets=1, person=1.0, theme=0.2),
    World(people=30, themes=12, targets=1, person=0.2, theme=0.6),
    World(people=16, themes=8, targets=1, levels=1),
    World(people=20, themes=6, seeds=2, targets=1, answered=0.7),
    World(people=16, themes=8, targets=2),
)
GRID: Mapping[str, tuple[Study, Sequence[World]]] = {
    "ratings": (ratings_study, RATINGS),
    "choices": (choices_study, CHOICES),
    "trend": (trend_study, TRENDS),
}


def rejections(study: Study, world: World, studies: int, first: int = 0) -> list[dict[str, Any]]:
    """Count how often each test of a kind of study has p up to .05."""
    drawn = [study(world, np.random.default_rng([first + number, 17])) for number in range(studies)]
    rows = []
    for name in drawn[0]:
        above = sum(p_values[name] <= ALPHA for p_values in drawn)
        interval = stats.binomtest(above, studies).proportion_ci()
        rows.append(
            {
                "test": name,
                "design": world.to_json(),
                "studies": studies,
                "false_positive": above / studies,
                "low": float(interval.low),
                "high": float(interval.high),
            }
        )
    return rows


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--studies", type=int, default=400, help="studies per design")
    parser.add_argument("--first", type=int, default=0, help="seed of the first study")
    parser.add_argument("--only", choices=tuple(GRID), help="one kind of study")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    words = parser.parse_args(argv)
    rows = []
    for kind, (study, worlds) in GRID.items():
        for world in worlds if words.only in (None, kind) else ():
            made = rejections(study, world, words.studies, words.first)
            rows += [{"kind": kind, **row} for row in made]
            rates = ", ".join(f"{row['test']} {100 * row['false_positive']:.1f} %" for row in made)
            print(f"{kind}: {rates} {world}", file=sys.stderr, flush=True)
    if words.json:
        print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
