"""The two-way test of a mean: against statsmodels, in its limits, and under what leaves it as it is."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from almond.errors import InputError
from almond.stats.two_way import least_p, two_way_covariance, two_way_mean, unit_moments


def crossed(people: int, themes: int, repeats: int = 2):
    person, theme, _ = (axis.ravel() for axis in np.indices((people, themes, repeats)))
    return person, theme


@pytest.mark.parametrize(("people", "themes"), [(12, 8), (9, 20)])
def test_the_variance_is_that_of_statsmodels(people, themes):
    rng = np.random.default_rng(people)
    person, theme = crossed(people, themes)
    values = rng.normal(size=people)[person] + rng.normal(size=themes)[theme] + rng.normal(size=len(person))
    test = two_way_mean(values, person, theme)
    ones = np.ones((len(values), 1))
    clusters = np.column_stack([person, theme])
    oracle = sm.OLS(values, ones).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
    assert test.estimate == pytest.approx(oracle.params[0])
    assert test.se == pytest.approx(oracle.bse[0], rel=1e-10)
    for error, groups in ((test.se_people, person), (test.se_themes, theme)):
        one_way = sm.OLS(values, ones).fit(cov_type="cluster", cov_kwds={"groups": groups})
        assert error == pytest.approx(one_way.bse[0], rel=1e-10)
    assert test.df == pytest.approx(min(people, themes) - 1)
    assert test.p == pytest.approx(2 * stats.t.sf(abs(test.estimate / test.se), test.df))
    assert (test.low + test.high) / 2 == pytest.approx(test.estimate)


def test_the_variance_is_never_below_the_larger_of_the_two():
    """Values that alternate within people and themes leave less between them than within cells."""
    person, theme = crossed(6, 6, repeats=1)
    values = ((person + theme) % 2).astype(float)
    parts = two_way_covariance((values - values.mean())[:, None], person, theme)
    assert (parts.people + parts.themes - parts.cells)[0, 0] < 0
    assert parts.whole()[0, 0] == max(parts.people[0, 0], parts.themes[0, 0])


def test_equal_units_have_one_degree_of_freedom_less():
    assert unit_moments(np.full(9, 4)) == pytest.approx((9 / 8, 8))


def test_unequal_units_have_the_moments_of_their_quadratic_form():
    """By simulation: units of equal variance, the large ones with more trials."""
    counts = np.array([40, 20, 20, 40, 5, 5, 10])
    scale, df = unit_moments(counts)
    w = counts / counts.sum()
    units = np.random.default_rng(0).normal(size=(200_000, 7))
    forms = scale * ((w * (units - (units @ w)[:, None])) ** 2).sum(axis=1)
    assert forms.mean() == pytest.approx((w**2).sum(), rel=0.01)
    assert 2 * forms.mean() ** 2 / forms.var() == pytest.approx(df, rel=0.03)
    assert df < 5


def test_people_who_leave_take_degrees_of_freedom_along():
    person, theme = crossed(10, 10)
    leaves = (person == 0) | (theme < 4)
    values = np.random.default_rng(0).normal(size=len(person))
    whole, cut = (two_way_mean(values[rows], person[rows], theme[rows]) for rows in (slice(None), leaves))
    assert whole.df == pytest.approx(9)
    assert cut.df == pytest.approx(min(unit_moments(np.bincount(x[leaves]))[1] for x in (person, theme)))
    assert cut.df < 6


@pytest.mark.parametrize("themes", [3, 5, 6, 12])
def test_unanimity_says_no_more_than_as_many_coins(themes):
    person, theme = crossed(20, themes)
    test = two_way_mean(np.ones(len(person)), person, theme, null=0.5)
    assert test.p == least_p(themes) == 2 * 0.5**themes
    assert test.limited
    assert test.low < test.high
    assert (test.low > 0.5) == (test.p <= 0.05) == (themes > 5)


def test_values_at_the_null_give_one():
    person, theme = crossed(4, 4)
    test = two_way_mean(np.full(len(person), 0.5), person, theme, null=0.5)
    assert (test.p, test.t, test.limited) == (1.0, 0.0, False)


def test_one_unit_is_refused():
    person, theme = crossed(5, 1)
    with pytest.raises(InputError, match="5 participants, 1 themes"):
        two_way_mean(np.ones(len(person)), person, theme)
    person, theme = crossed(3, 3)
    with pytest.raises(InputError, match="not finite"):
        two_way_mean(np.full(len(person), np.nan), person, theme)


@st.composite
def answers(draw):
    """Choices of people and themes from nearly even to all or none, in designs with holes."""
    people, themes = draw(st.integers(2, 9)), draw(st.integers(2, 9))
    person, theme = crossed(people, themes, draw(st.integers(1, 3)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    spread = draw(st.sampled_from([0.0, 1.0, 8.0]))
    logit = draw(st.sampled_from([0.0, 2.0, 20.0])) + spread * rng.normal(size=people)[person]
    logit = logit + spread * rng.normal(size=themes)[theme]
    values = (rng.random(len(person)) < 1 / (1 + np.exp(-logit))).astype(float)
    kept = rng.random(len(person)) < draw(st.sampled_from([0.5, 1.0]))
    kept[[np.argmax(person == index) for index in (0, 1)]] = True
    kept[[np.argmax(theme == index) for index in (0, 1)]] = True
    return values[kept], person[kept], theme[kept]


@settings(max_examples=100, deadline=None)
@given(answers())
def test_swapping_up_and_down_mirrors_the_interval_and_leaves_p(case):
    values, person, theme = case
    test, mirror = (two_way_mean(x, person, theme, null=0.5) for x in (values, 1 - values))
    assert mirror.p == pytest.approx(test.p, rel=1e-9)
    assert mirror.estimate == pytest.approx(1 - test.estimate)
    assert (1 - mirror.high, 1 - mirror.low) == pytest.approx((test.low, test.high))


@settings(max_examples=100, deadline=None)
@given(answers())
def test_p_and_interval_agree(case):
    test = two_way_mean(*case, null=0.5)
    assert 0 < test.p <= 1
    assert test.low <= test.estimate <= test.high
    assert (test.p <= 0.05) == (not test.low <= 0.5 <= test.high)
