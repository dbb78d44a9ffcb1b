"""Intraclass correlations against pingouin, published values, lme4's components, and a simulation."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from almond.errors import InputError
from almond.stats.icc import intraclass, of_average
from almond.stats.mixed import RandomTerm, fit_linear
from almond.stats.mixed.two_crossed import CrossedCriterion

DATA = os.environ.get("ALMOND_REAL_DATA", "")
SHROUT_FLEISS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]


def cells(table):
    """Ratings (stimuli, people), NaN where there is none, as three columns."""
    table = np.asarray(table, dtype=float)
    stimuli, people = np.nonzero(np.isfinite(table))
    return table[stimuli, people], people, stimuli


def crossed(rng, people, stimuli, share, *, variances=(0.5, 0.3, 1.0)):
    spread = np.sqrt(variances)
    table = (
        3.0
        + spread[0] * rng.normal(size=people)
        + spread[1] * rng.normal(size=(stimuli, 1))
        + spread[2] * rng.normal(size=(stimuli, people))
    )
    table[rng.random(table.shape) >= share] = np.nan
    return table


def test_the_table_of_shrout_and_fleiss_gives_the_published_values():
    icc = intraclass(*cells(SHROUT_FLEISS))
    assert (round(icc.single, 2), round(icc.average, 2)) == (0.29, 0.62)
    assert (icc.raters, icc.people, icc.stimuli, icc.missing) == (4.0, 4, 6, 0.0)


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # pingouin 0.7 with pandas 3.1
@pytest.mark.parametrize("seed", range(4))
def test_complete_tables_give_the_values_of_pingouin(seed):
    import pingouin  # here, since it loads xarray, which takes as long as all tests of this file

    table = crossed(np.random.default_rng(seed), 9, 14, 1.0)
    values, people, stimuli = cells(table)
    frame = pd.DataFrame({"value": values, "person": people, "stimulus": stimuli})
    theirs = pingouin.intraclass_corr(frame, targets="stimulus", raters="person", ratings="value")
    expected = theirs.set_index("Type")["ICC"]
    icc = intraclass(values, people, stimuli)
    assert icc.single == pytest.approx(expected["ICC(A,1)"], abs=1e-5)
    assert icc.average == pytest.approx(expected["ICC(A,k)"], abs=1e-5)


def test_incomplete_tables_give_the_components_of_the_general_engine():
    values, people, stimuli = cells(crossed(np.random.default_rng(5), 25, 12, 0.4))
    parts = CrossedCriterion(values, people, stimuli).fit()
    terms = [RandomTerm("person", people), RandomTerm("stimulus", stimuli)]
    fit = fit_linear(values, np.ones((len(values), 1)), terms)
    expected = [term.covariance[0, 0] for term in fit.variances]
    assert [parts.first, parts.second] == pytest.approx(expected, rel=1e-4)
    assert parts.residual == pytest.approx(fit.residual_variance, rel=1e-4)
    assert parts.criterion == pytest.approx(fit.criterion, abs=1e-6)


@pytest.mark.skipif(not DATA, reason="needs the data of lme4: set ALMOND_REAL_DATA")
def test_penicillin_gives_the_components_of_lme4():
    data = pd.read_csv(Path(DATA) / "oracles" / "Penicillin" / "Penicillin.csv")
    codes = [np.unique(data[name], return_inverse=True)[1] for name in ("sample", "plate")]
    parts = CrossedCriterion(data["diameter"].to_numpy(float), *codes).fit()
    assert parts.first == pytest.approx(3.7311318, rel=1e-4)
    assert parts.second == pytest.approx(0.7169051, rel=1e-4)
    assert parts.residual == pytest.approx(0.302415, rel=1e-4)
    assert parts.criterion == pytest.approx(330.8606, abs=1e-3)


N = np.nan
UNBALANCED = [
    [N, 3.21, N, 3.03, N, N, N, 2.03],
    [1.46, N, N, -0.01, N, 3.55, 4.19, 2.12],
    [1.95, 1.97, 0.81, 0.75, N, 2.01, N, N],
    [N, 3.99, 3.76, 1.88, 0.92, 2.65, 3.56, 2.12],
    [1.73, N, 0.55, N, N, N, N, N],
    [N, 4.29, N, 1.8, N, 4.5, N, 3.64],
    [N, 2.81, 2.06, 3.64, 0.92, N, N, N],
    [1.74, 4.55, 1.42, 1.69, 1.3, N, 4.36, N],
    [3.31, 4.74, N, N, N, N, N, N],
    [N, 2.84, 3.54, 2.44, 0.18, 2.48, 1.96, N],
]
"""Ten stimuli by eight people, 44 of 80 cells rated."""


def test_unbalanced_tables_give_the_components_of_lme4():
    # R: m <- lmer(y ~ 1 + (1 | person) + (1 | stimulus)); VarCorr(m); REMLcrit(m)
    values, people, stimuli = cells(UNBALANCED)
    parts = CrossedCriterion(values, people, stimuli).fit()
    assert parts.first == pytest.approx(0.6578743917, rel=1e-4)
    assert parts.second == pytest.approx(0.2092344782, rel=1e-4)
    assert parts.residual == pytest.approx(0.8623707328, rel=1e-4)
    assert parts.criterion == pytest.approx(136.7762705, abs=1e-5)
    # stimulus / (stimulus + person + residual), and with the last two over the harmonic mean of people
    icc = intraclass(values, people, stimuli)
    assert icc.raters == pytest.approx(3.690685413)
    assert icc.single == pytest.approx(0.1209811772, abs=2e-5)
    assert icc.average == pytest.approx(0.3368509679, abs=5e-5)


def test_which_factor_is_larger_makes_no_difference():
    values, people, stimuli = cells(crossed(np.random.default_rng(2), 30, 8, 0.5))
    one = CrossedCriterion(values, people, stimuli).fit()
    other = CrossedCriterion(values, stimuli, people).fit()
    assert (one.first, one.second) == pytest.approx((other.second, other.first), rel=1e-3)


def test_the_scale_makes_no_difference():
    values, people, stimuli = cells(crossed(np.random.default_rng(2), 12, 8, 0.7))
    icc, scaled = (intraclass(v, people, stimuli) for v in (values, 1e6 + 100 * values))
    assert scaled.single == pytest.approx(icc.single, abs=1e-5)
    assert (scaled.single_low, scaled.single_high) == pytest.approx(
        (icc.single_low, icc.single_high), abs=1e-3
    )


def test_intervals_hold_the_true_value_as_often_as_they_say():
    rng = np.random.default_rng(11)
    variances = (0.5, 0.3, 1.0)
    true = variances[1] / sum(variances)
    studies, holding = 80, 0
    for _ in range(studies):
        icc = intraclass(*cells(crossed(rng, 12, 15, 0.7, variances=variances)))
        holding += icc.single_low <= true <= icc.single_high
    assert 0.89 <= holding / studies <= 0.99


def test_stimuli_that_do_not_differ_have_no_reliability():
    rng = np.random.default_rng(4)
    table = np.tile(rng.normal(size=10), (20, 1))
    table += rng.normal(0, 0.5, table.shape)
    table -= table.mean(axis=1, keepdims=True)
    icc = intraclass(*cells(table))
    assert icc.single == pytest.approx(0.0, abs=1e-6)
    assert icc.single_low == icc.average_low == 0.0
    assert icc.singular


def test_people_who_nearly_agree_are_fully_reliable():
    rng = np.random.default_rng(4)
    table = rng.normal(size=(10, 1)) + 0.01 * rng.normal(size=(10, 6))
    icc = intraclass(*cells(table))
    assert 0.999 < icc.single_low < icc.single < icc.single_high <= 1.0


def test_the_average_is_that_of_spearman_and_brown():
    assert of_average(0.5, 2.0) == pytest.approx(2 / 3)
    assert of_average(0.3, 1.0) == 0.3


def test_what_cannot_be_computed_is_refused():
    with pytest.raises(InputError, match="1 cells have several ratings"):
        intraclass(np.array([1.0, 2, 3, 4, 5]), np.array([0, 0, 1, 1, 0]), np.array([0, 1, 0, 1, 0]))
    with pytest.raises(InputError, match="1 by 4 units"):
        intraclass(np.arange(4.0), np.zeros(4, int), np.arange(4))
    with pytest.raises(InputError, match="do not vary"):
        intraclass(np.ones(4), np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]))
    with pytest.raises(InputError, match="leave no error"):
        intraclass(*cells(np.tile(np.arange(10.0)[:, None], (1, 6))))
