"""All kinds of study of the referee: those of ``benchmarks.referee_tests``, and those of later questions.

Targets and choices beside low-level features, ratings along strength (worlds of
``benchmarks.covariates_worlds``), ratings on few points (``benchmarks.referee_points``). The tests of
``on_off`` and ``geometry`` are none that a plan can call primary, so that they have no rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import expit

from almond.analysis.lowlevel.features import leading_components
from almond.analysis.questions.choice_specificity import specificity
from almond.stats.clustered.dyads import dyadic_mean
from almond.stats.clustered.regression import RegressionColumns, effects, joint_test, slope_test
from almond.stats.clustered.trend import Trajectories, joint_trend, page_test, trend_slope
from almond.stats.mixed import RandomTerm, fit_ordinal
from almond.stats.mixed.ordinal_tests import RatedImages, condition_effect, direction_effect
from almond.stats.two_way import two_way_mean
from benchmarks import referee_tests
from benchmarks.covariates_worlds import (
    Trials,
    World,
    draw_choices_beside,
    draw_ratings_beside,
    draw_trend,
)
from benchmarks.crossed_choices import CrossedChoices, draw_crossed_choices, share_gained
from benchmarks.photograph_choices import PhotographChoices, draw_photograph_choices, share_of_higher
from benchmarks.referee_points import Points, draw_points
from benchmarks.referee_tests import Kind, Outcome, Sample, SingleSample, Test, generator
from benchmarks.referee_worlds import DENSITY, NODES

PART, POINTS_PART = (1, 8), (4, 16)
"""By which the numbers of studies are divided, under the null and under effects: a regression with a
jackknife takes a hundredth of a second, a mixed model of points a tenth and more."""


def components_of(trials: Trials) -> np.ndarray[Any, Any]:
    """Compute the components (n, q) of each trial's features by the analysis' own rule."""
    flat = trials.features.reshape(-1, trials.features.shape[-1])
    made = leading_components(flat, len(set(trials.theme.tolist()))).of(flat)
    return made.reshape(*trials.features.shape[:2], -1)[trials.scene, trials.target]


def targets_beside(trials: Trials, _: float, __: np.random.Generator) -> Outcome:
    return _targets(trials, components_of(trials)), None


def targets_alone(trials: Trials, _: float, __: np.random.Generator) -> Outcome:
    """Leave out the features, through which the targets may differ."""
    return _targets(trials, np.zeros((len(trials.person), 0))), None


def _targets(trials: Trials, beside: np.ndarray[Any, Any]) -> float:
    count = int(trials.target.max()) + 1
    targets = (trials.target[:, None] == np.arange(count - 1)).astype(float)
    absorbed = (trials.person, trials.scene)
    columns = RegressionColumns(targets, beside, trials.person, trials.theme, absorbed)
    units = min(len(set(trials.person.tolist())), len(set(trials.theme.tolist())))
    least = float(math.factorial(count)) ** (1 - units)
    return joint_test(effects(trials.values, columns), least=least).p


def share_beside(trials: Trials, truth: float, _: np.random.Generator) -> Outcome:
    components = components_of(trials)
    beside = np.column_stack([components, trials.side])
    ones = np.ones((len(trials.person), 1))
    columns = RegressionColumns(ones, beside, trials.person, trials.theme)
    test = slope_test(effects(trials.values, columns), null=0.5, step=1.0, taken=components.shape[1])
    return test.p, max(0.0, test.low) <= truth <= min(1.0, test.high)


def pooled_share(trials: Trials, _: float, __: np.random.Generator) -> Outcome:
    """Test the intercept of ordinary least squares over trials."""
    design = np.column_stack([np.ones(len(trials.person)), components_of(trials), trials.side])
    inverse = np.linalg.inv(design.T @ design)
    estimate = inverse @ design.T @ trials.values[:, 0]
    df = len(design) - design.shape[1]
    variance = float(((trials.values[:, 0] - design @ estimate) ** 2).sum()) / df * inverse[0, 0]
    return float(2.0 * stats.t.sf(abs(estimate[0] - 0.5) / math.sqrt(variance), df)), None


def own_less_others(trials: CrossedChoices, truth: float, _: np.random.Generator) -> Outcome:
    test = specificity(trials.rows, trials.own)
    return test.p, test.low <= truth <= test.high


def own_less_others_by_person(trials: CrossedChoices, _: float, __: np.random.Generator) -> Outcome:
    """Test people's own differences, as if their pairs were all there are."""
    own = trials.rows["construct"].map(trials.own) == trials.rows["intended_target"]
    means = trials.rows.assign(own=own).groupby(["participant_id", "own"])["aligned"].mean().unstack()
    return float(stats.ttest_1samp(means[True] - means[False], 0.0).pvalue), None


def higher_chosen(trials: PhotographChoices, truth: float, _: np.random.Generator) -> Outcome:
    units = [(f"T{first}", f"T{second}") for first, second in trials.themes.tolist()]
    test = dyadic_mean(trials.followed, trials.person, units, null=0.5)
    return test.p, test.low <= truth <= test.high


def higher_chosen_by_pair(trials: PhotographChoices, _: float, __: np.random.Generator) -> Outcome:
    """Take pairs for independent, also those that share a photograph or a theme."""
    return two_way_mean(trials.followed, trials.person, trials.pair, null=0.5).p, None


def higher_chosen_by_person(trials: PhotographChoices, _: float, __: np.random.Generator) -> Outcome:
    """Test people's shares, as if their pairs were all there are."""
    counts = np.bincount(trials.person)
    shares = np.bincount(trials.person, trials.followed)[counts > 0] / counts[counts > 0]
    return float(stats.ttest_1samp(shares, 0.5).pvalue), None


def trajectories(trials: Trials) -> Trajectories:
    units = (trials.person, trials.scene, trials.theme, trials.stimulus, trials.target)
    return Trajectories(trials.values, trials.strength, *units)


def slope(trials: Trials, truth: float, _: np.random.Generator) -> Outcome:
    test = trend_slope(trajectories(trials))
    return test.p, test.low <= truth <= test.high


def slopes_jointly(trials: Trials, _: float, __: np.random.Generator) -> Outcome:
    return joint_trend(trajectories(trials)).p, None


def page_over_themes(trials: Trials, _: float, __: np.random.Generator) -> Outcome:
    levels = np.unique(trials.strength)
    means = [
        [trials.values[(trials.theme == theme) & (trials.strength == level), 0].mean() for level in levels]
        for theme in np.unique(trials.theme)
    ]
    return page_test(np.array(means)).p, None


def rated(study: Points) -> RatedImages:
    return RatedImages(study.values, study.person, study.theme, study.scene, study.image)


def points_directions(study: Points, truth: float, _: np.random.Generator) -> Outcome:
    effect = direction_effect(rated(study), np.where(study.condition == 0, 1.0, -1.0))
    if effect.low is None or effect.high is None:
        return effect.test.p, None
    return effect.test.p, effect.low <= truth <= effect.high


def points_conditions(study: Points, _: float, __: np.random.Generator) -> Outcome:
    return condition_effect(rated(study), study.condition.astype(str)).test.p, None


def points_without_slopes(study: Points, _: float, __: np.random.Generator) -> Outcome:
    """Let people and themes differ in their mean alone, all seeing a direction alike."""
    terms = [RandomTerm("person", study.person), RandomTerm("theme", study.theme)]
    side = np.where(study.condition == 0, 0.5, -0.5)
    return fit_ordinal(study.values, side[:, None], terms, names=["x"]).wald("x").p, None


TESTS: dict[str, tuple[Test, ...]] = {
    **referee_tests.TESTS,
    "lowlevel": (
        Test(
            "lowlevel: targets beside features, both random",
            True,
            targets_beside,
            part=PART,
        ),
        Test("lowlevel: targets without their features", False, targets_alone),
    ),
    "lowlevel_choices": (
        Test("lowlevel_choices: share at no difference, both random", True, share_beside, part=PART),
        Test("lowlevel_choices: least squares over trials", False, pooled_share),
    ),
    "choice_specificity": (
        Test("choice_specificity: own less other targets, both random", True, own_less_others, part=PART),
        Test("choice_specificity: t over participants", False, own_less_others_by_person),
    ),
    "photograph_choices": (
        Test("photograph_choices: share of the higher, people and pairs random", True, higher_chosen),
        Test("photograph_choices: pairs that share photographs as independent", False, higher_chosen_by_pair),
        Test("photograph_choices: t over participants", False, higher_chosen_by_person),
    ),
    "trend": (
        Test("trend: slope, participants and themes random", True, slope, part=PART),
        Test("trend: Page's L over themes, participants fixed", False, page_over_themes),
    ),
    "trend_jointly": (
        Test("trend_jointly: all slopes, participants and themes random", True, slopes_jointly, part=PART),
    ),
    "ordinal": (
        Test("ordinal: two directions, both random with slopes", True, points_directions, part=POINTS_PART),
        Test("ordinal: no slopes of people and themes", False, points_without_slopes, part=POINTS_PART),
    ),
    "ordinal_conditions": (
        Test("ordinal_conditions: both random with slopes", True, points_conditions, part=POINTS_PART),
    ),
}


def studies_drawn_by(draw: Callable[[Any, np.random.Generator], Any]) -> Callable[..., Any]:
    """Draw studies one by one, the same people, themes and noise under every effect."""

    def studies_of(world: Any, _: int, first: int) -> Callable[[float], Sample]:
        return lambda effect: SingleSample(
            lambda number: draw(replace(world, effect=effect), generator(world, first + number, 11))
        )

    return studies_of


def share_at_no_difference(world: World, effect: float) -> float:
    """Compute the expected share of aligned choices of pairs without a low-level difference."""
    spread = math.sqrt(world.person**2 + world.theme**2 + world.image**2)
    return float(DENSITY @ np.clip(expit(spread * NODES) + effect, 0.0, 1.0))


KINDS: dict[str, Kind] = {
    **referee_tests.KINDS,
    "lowlevel": Kind((0.2, 0.35, 0.5), 0.0, studies_drawn_by(draw_ratings_beside)),
    "lowlevel_choices": Kind(
        (0.1, 0.2, 0.3), 0.0, studies_drawn_by(draw_choices_beside), share_at_no_difference
    ),
    "choice_specificity": Kind((0.1, 0.2, 0.3), 0.0, studies_drawn_by(draw_crossed_choices), share_gained),
    "photograph_choices": Kind(
        (0.1, 0.2, 0.3), 0.0, studies_drawn_by(draw_photograph_choices), share_of_higher
    ),
    "trend": Kind((0.2, 0.35, 0.5), 0.0, studies_drawn_by(draw_trend)),
    "trend_jointly": Kind((0.2, 0.35, 0.5), 0.0, studies_drawn_by(draw_trend)),
    "ordinal": Kind((0.5, 1.0, 2.0), 0.0, studies_drawn_by(draw_points)),
    "ordinal_conditions": Kind((0.5, 1.0, 2.0), 0.0, studies_drawn_by(draw_points)),
}
"""Effects of the kinds added here: what a target does beyond features, in standard deviations of one rating;
what the share of aligned choices gains; the slope from no strength to the largest, in these; log odds."""
