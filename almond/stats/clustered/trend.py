"""Test whether ratings rise or fall along an ordered predictor, such as a manipulation's signed strength.

The slope is a linear step in the predictor, within participants and scenes, by t with participants and themes
both random (``almond.stats.clustered.regression``). Beside it stand the linear mixed model, and Page's L with
themes as blocks, whose participants are fixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from almond.errors import InputError
from almond.stats.clustered.regression import (
    Effects,
    JointTest,
    RegressionColumns,
    SlopeTest,
    effects,
    joint_test,
    slope_test,
)
from almond.stats.mixed import RandomTerm, fit_linear
from almond.stats.two_way import least_p
from almond.typing import Floats

Labels = Sequence[Any] | NDArray[Any]
MIN_LEVELS, MIN_BLOCKS = 3, 3
EXACT_LEVELS, EXACT_BLOCKS = 5, 12


@dataclass(frozen=True, eq=False)
class Trajectories:
    """Ratings ``values`` (n, K) at ``strength`` (n,), and the units of each: NaN where one was not asked.

    ``series`` (n,): what has intercepts of its own for every participant and every scene, such as a target
    and its construct; slopes are common to all of them unless told otherwise.
    """

    values: Floats
    strength: Floats
    people: Labels
    scenes: Labels
    themes: Labels
    stimuli: Labels
    series: Labels


@dataclass(frozen=True)
class MixedSlope:
    """The slope of the linear mixed model (REML), t with df = min(participants, themes) - 1.

    ``sd``: standard deviations of random effects; ``singular``: one was estimated as zero.
    """

    estimate: float
    se: float
    t: float
    df: float
    p: float
    low: float
    high: float
    sd: dict[str, float]
    singular: bool


@dataclass(frozen=True)
class PageTest:
    """Page's L over ``blocks`` themes at ``levels``; ``p_rise`` and ``p_fall`` one-sided, ``p`` twice the
    smaller. ``method``: exact or asymptotic."""

    statistic: float
    p: float
    p_rise: float
    p_fall: float
    blocks: int
    levels: int
    method: str


def trend_slope(data: Trajectories) -> SlopeTest:
    """Test the common slope of the only rating on strength, in units of the rating per unit of strength.

    :raises InputError: too few units, a strength that does not vary within participants and scenes, or
        ratings without variance.
    """
    return slope_test(_fitted(data, data.strength[:, None]))


def joint_trend(data: Trajectories) -> JointTest:
    """Test that all ratings' slopes in all series are zero: whether anything moves with strength.

    :raises InputError: as :func:`trend_slope`.
    """
    series = _codes(data.series)
    own = (series[:, None] == np.arange(series.max() + 1)) * data.strength[:, None]
    fitted = _fitted(data, own)
    return joint_test(fitted, least=least_p(fitted.covariance.fewest))


def _fitted(data: Trajectories, tested: Floats) -> Effects:
    people, scenes = (_crossed(labels, data.series) for labels in (data.people, data.scenes))
    beside = np.zeros((len(tested), 0))
    return effects(data.values, RegressionColumns(tested, beside, data.people, data.themes, (people, scenes)))


def _codes(labels: Labels) -> NDArray[np.intp]:
    return np.unique(np.asarray(labels), return_inverse=True)[1].reshape(-1)


def _crossed(first: Labels, second: Labels) -> NDArray[np.intp]:
    """Return a code for every pair of labels."""
    other = _codes(second)
    return np.asarray(_codes(first) * (int(other.max()) + 1) + other, np.intp)


def mixed_slope(data: Trajectories) -> MixedSlope:
    """Fit the linear mixed model of the only rating: strength, and an intercept for each series, fixed.

    Participants have slopes (ratings that are standardised within participants have no intercepts of theirs
    to speak of); themes have intercepts and slopes, uncorrelated, and so have base scenes where a theme has
    several, and themes within series where there are several series; stimuli have intercepts.

    :raises InputError: ratings that do not vary, or a strength that does not.
    """
    rows = ~np.isnan(data.values[:, 0])
    series = _codes(data.series)[rows]
    intercepts = (series[:, None] == np.arange(series.max() + 1)).astype(np.float64)
    strength = data.strength[rows]
    fixed = np.column_stack([intercepts, strength])
    both = np.column_stack([np.ones(len(strength)), strength])
    terms = [
        RandomTerm("participant", np.asarray(data.people)[rows], strength[:, None], ("slope",)),
        *(RandomTerm(name, labels, both, ("intercept", "slope")) for name, labels in _units(data, rows)),
        RandomTerm("stimulus", np.asarray(data.stimuli)[rows]),
    ]
    names = [*(f"series {number}" for number in range(intercepts.shape[1])), "strength"]
    fit = fit_linear(data.values[rows, 0], fixed, terms, names=names)
    people, themes = (len(set(np.asarray(labels)[rows].tolist())) for labels in (data.people, data.themes))
    test = fit.wald("strength", df=min(people, themes) - 1)
    sd = {
        f"{term.name}, {column}": float(value)
        for term in fit.variances
        for column, value in zip(term.column_names, term.sd, strict=True)
    }
    return MixedSlope(**vars(test), sd=sd, singular=fit.singular)


def _units(data: Trajectories, rows: NDArray[np.bool_]) -> list[tuple[str, NDArray[Any]]]:
    """List the units of images that have intercepts and slopes of their own."""
    themes, scenes, series = (np.asarray(labels)[rows] for labels in (data.themes, data.scenes, data.series))
    units = [("theme", themes)]
    if len(np.unique(scenes)) > len(np.unique(themes)):
        units.append(("base scene", scenes))
    if len(np.unique(series)) > 1:
        units.append(("theme in series", _crossed(themes, series)))
    return units


def page_test(means: Floats) -> PageTest:
    """Test by Page's L whether means (themes, levels), levels in order, rise or fall, themes as blocks.

    Exact with up to five levels and twelve themes, which takes a quarter of a second. Participants are
    fixed: the p is about these people.

    :raises InputError: fewer than three levels or themes.
    """
    blocks, levels = means.shape
    if levels < MIN_LEVELS or blocks < MIN_BLOCKS:
        least = f"at least {MIN_LEVELS} and {MIN_BLOCKS}"
        raise InputError("Page's test", f"{levels} levels, {blocks} themes with all of them", least)
    small = levels <= EXACT_LEVELS and blocks <= EXACT_BLOCKS
    method = "exact" if small else "asymptotic"
    rise, fall = (stats.page_trend_test(table, method=method) for table in (means, means[:, ::-1]))
    p_rise, p_fall = float(rise.pvalue), float(fall.pvalue)
    p = min(1.0, 2.0 * min(p_rise, p_fall))
    return PageTest(float(rise.statistic), p, p_rise, p_fall, blocks, levels, method)


def isotonic_means(means: Floats, weights: Floats, *, rising: bool) -> Floats:
    """Fit means (L,) by values that never fall, or never rise, along the levels: least weighted squares."""
    fit = optimize.isotonic_regression(means, weights=weights, increasing=rising)
    return np.asarray(fit.x, np.float64)
