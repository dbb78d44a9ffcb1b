"""Regression with participants and themes random: against statsmodels, refits, the plain tests, and nulls."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from almond.errors import InputError
from almond.stats.clustered.components import component_count, components_about_zero
from almond.stats.clustered.regression import (
    RegressionColumns,
    effects,
    joint_test,
    slope_test,
)
from almond.stats.profile_difference import Trials, profile_difference
from almond.stats.two_way import two_way_mean
from benchmarks.covariates import CHOICES, RATINGS, choices_study, ratings_study, rejections


def crossed(seed, *, people=9, themes=7, each=3, share=1.0):
    """Choices-like answers with two covariates that vary by theme and trial."""
    rng = np.random.default_rng([seed, 4])
    person, theme, trial = (axis.ravel() for axis in np.indices((people, themes, each)))
    columns = rng.normal(size=(themes, each, 2))[theme, trial] + 0.4
    y = (
        0.5
        + 0.2 * columns[:, 0]
        + 0.3 * rng.normal(size=people)[person]
        + 0.3 * rng.normal(size=themes)[theme]
    )
    y = y + rng.normal(size=len(y))
    kept = rng.random(len(y)) < share
    ones = np.ones((len(y), 1))
    return y[kept, None], RegressionColumns(ones[kept], columns[kept], person[kept], theme[kept])


def variance_without(y, predictors, units):
    """The jackknife of the first coefficient by whole refits of statsmodels, each without one unit."""
    design = np.hstack([predictors.tested, predictors.beside])
    whole = sm.OLS(y[:, 0], design).fit().params[0]
    without = [
        sm.OLS(y[units != unit, 0], design[units != unit]).fit().params[0] for unit in np.unique(units)
    ]
    return (len(without) - 1) / len(without) * ((np.array(without) - whole) ** 2).sum()


@pytest.mark.parametrize("share", [1.0, 0.7])
def test_slope_is_that_of_statsmodels_refitted_without_every_unit(share):
    y, predictors = crossed(1, share=share)
    design = np.hstack([predictors.tested, predictors.beside])
    both = np.column_stack([predictors.people, predictors.themes])
    cells = np.unique(both, axis=0, return_inverse=True)[1].reshape(-1)
    kinds = {"groups": cells, "use_correction": False}
    model = sm.OLS(y[:, 0], design).fit(cov_type="cluster", cov_kwds=kinds)
    fitted = effects(y, predictors)
    sizes = np.bincount(cells)
    by_cells = fitted.covariance.cells[0, 0] * fitted.lever[0, 0] ** 2
    people, themes = (variance_without(y, predictors, units) for units in both.T)
    if len(set(sizes)) == 1:
        assert by_cells == pytest.approx(model.cov_params()[0, 0] * len(sizes) / (len(sizes) - 1), rel=1e-8)
    test = slope_test(fitted)
    assert test.estimate == pytest.approx(model.params[0], rel=1e-10)
    assert test.se**2 == pytest.approx(max(people + themes - by_cells, people, themes), rel=1e-8)
    own = 2 * stats.t.sf(abs(test.estimate / test.se), test.df)
    assert test.p == pytest.approx(max(own, 2.0**-6), rel=1e-9)
    assert slope_test(fitted, taken=2).df == pytest.approx(test.df - 2)
    assert slope_test(fitted, taken=20).df == 1


def test_scores_are_those_of_the_clustered_covariance_of_statsmodels():
    """Two columns of groups: without covariates and with equal units the jackknife is this covariance."""
    y, predictors = crossed(2)
    plain = replace(predictors, beside=predictors.beside[:, :0])
    groups = np.column_stack([plain.people, plain.themes])
    model = sm.OLS(y[:, 0], plain.tested)
    kinds = {"groups": groups, "use_correction": False}
    two_ways = model.fit(cov_type="cluster", cov_kwds=kinds).cov_params()[0, 0]
    covariance = effects(y, plain).covariance
    lever = effects(y, plain).lever[0, 0] ** 2
    # statsmodels adds the parts as they are; ours are each times G / (G - 1).
    parts = covariance.people * 8 / 9 + covariance.themes * 6 / 7 - covariance.cells * 62 / 63
    assert parts[0, 0] * lever == pytest.approx(two_ways, rel=1e-8)


def test_without_covariates_it_is_the_plain_test():
    y, predictors = crossed(3)
    own = slope_test(effects(y, replace(predictors, beside=predictors.beside[:, :0])), null=0.3, step=1.0)
    plain = two_way_mean(y[:, 0], predictors.people, predictors.themes, null=0.3)
    for name, value in vars(own).items():
        assert value == pytest.approx(getattr(plain, name), rel=1e-9), name


def profiles(seed, share=1.0):
    rng = np.random.default_rng([seed, 5])
    person, scene, target = (axis.ravel() for axis in np.indices((10, 8, 3)))
    values = rng.normal(size=(len(person), 2)) + 0.4 * rng.normal(size=(8, 3, 2))[scene, target]
    features = rng.normal(size=(8, 3, 2))[scene, target]
    kept = rng.random(len(person)) < share
    dummies = (target[:, None] == np.arange(2)).astype(float)
    predictors = RegressionColumns(
        dummies[kept], features[kept], person[kept], scene[kept] // 2, (person[kept], scene[kept])
    )
    return values[kept], predictors, target[kept], scene[kept]


def test_without_covariates_profiles_have_their_own_test():
    values, predictors, target, scene = profiles(1)
    own = joint_test(effects(values, replace(predictors, beside=predictors.beside[:, :0])), least=0.0)
    plain = profile_difference(Trials(values, predictors.people, scene, predictors.themes, target))
    for name in ("f", "df1", "df2"):
        assert getattr(own, name) == pytest.approx(getattr(plain, name), rel=1e-9), name


@pytest.mark.parametrize("share", [1.0, 0.8])
def test_sum_of_squares_is_that_of_whole_models(share):
    """Frisch-Waugh-Lovell: what targets explain beyond features, people and scenes, by least squares."""
    values, predictors, _, scene = profiles(2, share)

    def residual_squares(*blocks):
        dummies = [
            (labels[:, None] == np.unique(labels)).astype(float) for labels in (predictors.people, scene)
        ]
        design = np.hstack([*blocks, *dummies])
        left = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
        return float((left**2).sum())

    drop = residual_squares(predictors.beside) - residual_squares(predictors.beside, predictors.tested)
    assert effects(values, predictors).square == pytest.approx(drop, rel=1e-9)


def test_ratings_that_were_not_asked_are_left_out_one_by_one():
    values, predictors, *_ = profiles(3)
    values = values.copy()
    values[predictors.people < 4, 1] = np.nan
    fitted = effects(values, predictors)
    rows = predictors.people >= 4
    part = RegressionColumns(
        *(getattr(predictors, name)[rows] for name in ("tested", "beside", "people", "themes")),
        tuple(labels[rows] for labels in predictors.absorbed),
    )
    np.testing.assert_allclose(fitted.coefficients[:, 1], effects(values[rows, 1:], part).coefficients[:, 0])
    np.testing.assert_allclose(
        fitted.coefficients[:, 0], effects(values[:, :1], predictors).coefficients[:, 0]
    )


def test_order_scale_and_turning_of_covariates_are_nothing():
    values, predictors, *_ = profiles(4, 0.8)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(values))
    turned = predictors.beside @ np.array([[3.0, 0.2], [-1.0, 0.01]])
    other = RegressionColumns(
        predictors.tested[order],
        turned[order],
        *(np.asarray(labels)[order] for labels in (predictors.people, predictors.themes)),
        tuple(np.asarray(labels)[order] for labels in predictors.absorbed),
    )
    moved = values[order] + rng.normal(size=(10, 2))[predictors.people[order]]
    own, again = (joint_test(effects(*pair), least=0.0) for pair in ((values, predictors), (moved, other)))
    for name, value in vars(own).items():
        assert getattr(again, name) == pytest.approx(value, rel=1e-7), name


def test_what_cannot_be_tested_is_refused():
    y, predictors = crossed(5)
    with pytest.raises(InputError, match="cannot be told from the others with all"):
        effects(y, replace(predictors, beside=np.ones_like(predictors.beside)))
    alone = (np.asarray(predictors.themes) == 0).astype(float)[:, None]
    with pytest.raises(InputError, match="without one of the units"):
        effects(y, replace(predictors, tested=alone))
    with pytest.raises(InputError, match="9 participants, 1 themes"):
        effects(y, replace(predictors, themes=np.zeros(len(y))))
    with pytest.raises(InputError, match="not finite"):
        effects(np.where(y > 1, np.inf, y), predictors)
    with pytest.raises(InputError, match="nothing varies"):
        slope_test(
            effects(
                np.zeros_like(y),
                replace(predictors, tested=predictors.beside[:, :1], beside=predictors.tested),
            )
        )


def test_a_column_that_intercepts_take_whole_is_refused():
    """Everybody saw one image of each scene: within both nothing is left of the column but rounding."""
    rng = np.random.default_rng(8)
    person, scene = (axis.ravel() for axis in np.indices((9, 8)))
    strength = 0.1 * rng.normal(size=9)[person] + rng.normal(size=8)[scene]
    nothing = np.zeros((len(person), 0))
    columns = RegressionColumns(strength[:, None], nothing, person, scene // 2, (person, scene))
    with pytest.raises(InputError, match="cannot be told from the others"):
        effects(rng.normal(size=(len(person), 1)), columns)
    varied = replace(columns, tested=columns.tested + 1e-3 * rng.normal(size=(len(person), 1)))
    assert abs(effects(rng.normal(size=(len(person), 1)), varied).coefficients[0, 0]) < 1e5


def test_unanimous_answers_have_an_interval_and_the_least_p():
    y, predictors = crossed(6)
    found = slope_test(effects(np.ones_like(y), predictors), null=0.5, step=1.0)
    assert found.estimate == pytest.approx(1.0)
    assert found.limited
    assert found.p == 2.0**-6
    assert 0.5 < found.low < 1.0 < found.high


def test_components_are_few_about_zero_and_turn_with_their_columns():
    rng = np.random.default_rng(7)
    columns = rng.normal(size=(40, 3)) @ rng.normal(size=(3, 8)) + 1.0
    made = components_about_zero(columns, 2)
    # By hand: eigenvectors of the cross-product of the scaled, uncentred columns.
    scaled = columns / np.sqrt((columns**2).mean(axis=0))
    lengths = np.linalg.eigvalsh(scaled.T @ scaled)[::-1]
    assert made.explained == pytest.approx(lengths[:2].sum() / lengths.sum())
    values = made.of(columns)
    np.testing.assert_allclose(values.T @ values / 40, np.eye(2), atol=1e-9)
    np.testing.assert_allclose(made.of(np.zeros((1, 8))), 0.0)
    np.testing.assert_allclose(np.abs(components_about_zero(-columns, 2).of(-columns)), np.abs(values))
    assert [component_count(themes, 8) for themes in (3, 4, 7, 8, 12, 31, 32, 90)] == [1, 1, 1, 2, 3, 7, 8, 8]
    with pytest.raises(InputError, match="5 dimensions"):
        components_about_zero(columns, 5)
    with pytest.raises(InputError, match="zero throughout"):
        components_about_zero(np.column_stack([columns, np.zeros(40)]), 2)


STUDIES = 30


@pytest.mark.parametrize(
    ("study", "world"),
    [
        (ratings_study, RATINGS[1]),
        (ratings_study, RATINGS[3]),
        (choices_study, CHOICES[1]),
        (choices_study, CHOICES[2]),
    ],
)
def test_null_studies_are_rejected_no_more_than_at_the_nominal_rate(study, world):
    most = stats.binom.ppf(0.9995, STUDIES, 0.05)
    for row in rejections(study, world, STUDIES, first=9000):
        assert row["false_positive"] * STUDIES <= most, row


@pytest.mark.parametrize(("study", "world", "test"), [
    (ratings_study, replace(RATINGS[3], effect=0.7), "targets beside features"),
    (choices_study, replace(CHOICES[3], effect=0.3), "share at no difference"),
])  # fmt: skip
def test_effects_beyond_the_features_are_seen(study, world, test):
    rows = {row["test"]: row for row in rejections(study, world, 20, first=9500)}
    assert rows[test]["false_positive"] > 0.6
