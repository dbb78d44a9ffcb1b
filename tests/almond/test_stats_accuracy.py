"""The interval of an accuracy, and what could have been attained."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from almond.stats.accuracy import (
    accuracy_interval,
    attainable_accuracy,
    half_means,
    mean_profiles,
    share_interval,
)
from almond.stats.classification import classify


def ratings(seed, *, people=20, scenes=10, targets=3, constructs=3, effect=0.8, noise=1.0, person=0.0):
    """Ratings (P, n, K) of ``scenes`` times ``targets`` images, their targets and themes."""
    rng = np.random.default_rng([seed, 8])
    theme, target = (axis.ravel() for axis in np.indices((scenes, targets)))
    profile = effect * np.random.default_rng(0).normal(size=(targets, constructs))
    image = profile[target] + 0.5 * rng.normal(size=(len(theme), constructs))
    own = person * rng.normal(size=(people, targets, constructs))[:, target]
    values = image + own + noise * rng.normal(size=(people, len(theme), constructs))
    return values, [f"T{index}" for index in target], [f"s{index:02}" for index in theme]


def interval_of(values, targets, themes, seed=0):
    return accuracy_interval(values, targets, themes, rng=np.random.default_rng(seed))


def test_the_interval_holds_the_accuracy_and_widens_with_what_is_random():
    values, targets, themes = ratings(1)
    found = interval_of(values, targets, themes)
    accuracy = classify(
        values.mean(axis=0), targets, themes, permutations=1, rng=np.random.default_rng(0), seed=0
    ).accuracy
    assert found.low < accuracy < found.high
    assert found.df == 9
    assert found.se_themes > 0
    alike = interval_of(np.repeat(values[:1], 20, axis=0), targets, themes)
    assert alike.se_people == pytest.approx(0, abs=1e-12)
    differing = interval_of(*ratings(1, person=2.0))
    assert differing.se_people > found.se_people


def test_the_themes_part_is_the_clustered_error_of_what_is_right():
    """All people alike: balanced design, so that the clustered error is that of the themes' mean
    accuracies."""
    values, targets, themes = ratings(2, effect=0.6)
    found = interval_of(np.repeat(values[:1], 4, axis=0), targets, themes)
    classified = classify(values[0], targets, themes, permutations=1, rng=np.random.default_rng(0), seed=0)
    residual = np.zeros(len(targets))
    for name, recall in zip(classified.classes, classified.recall, strict=True):
        own = np.array(targets) == name
        residual[own] = (np.array(classified.predicted)[own] == name) - recall
    sums = [residual[np.array(themes) == theme].sum() / len(targets) for theme in sorted(set(themes))]
    assert found.se_themes == pytest.approx(np.sqrt(10 / 9 * np.square(sums).sum()))


def test_images_that_nobody_rated_are_no_reason_to_stop():
    values, targets, themes = ratings(3)
    values[2:, 4] = np.nan
    found = interval_of(values, targets, themes)
    assert 0 <= found.low < found.high <= 1
    assert np.isfinite(mean_profiles(values)).all()
    assert np.isnan(mean_profiles(values[2:])[4]).all()


def test_shares_have_the_interval_of_as_many_trials_as_their_variance_says():
    exact = stats.binomtest(30, 40).proportion_ci()
    wide = share_interval(0.75, 0.75 * 0.25 / 40, 10**6)
    assert wide == pytest.approx((exact.low, exact.high), abs=1e-4)
    few = share_interval(0.75, 0.75 * 0.25 / 40, 9)
    assert few[0] < wide[0] < wide[1] < few[1]
    assert share_interval(1.0, 0.0, 11) == pytest.approx((0.025 ** (1 / 12), 1.0))
    assert share_interval(0.0, 0.0, 11) == pytest.approx((0.0, 1 - 0.025 ** (1 / 12)))


def test_intervals_hold_the_expected_accuracy():
    studies = [ratings(seed, people=12, scenes=6, person=0.8, effect=0.5) for seed in range(25)]
    intervals = [interval_of(*study) for study in studies]
    accuracies = [
        classify(v.mean(axis=0), t, s, permutations=1, rng=np.random.default_rng(0), seed=0).accuracy
        for v, t, s in studies
    ]
    expected = np.mean(accuracies)
    held = sum(interval.low <= expected <= interval.high for interval in intervals)
    assert held >= stats.binom.ppf(0.001, len(studies), 0.95)


def test_raters_who_agree_recognise_every_image_and_noise_none():
    values, _, themes = ratings(4, noise=0.0)
    rng = np.random.default_rng(0)
    sure = attainable_accuracy(values, themes, rng=rng, splits=20)
    assert (sure.accuracy, sure.low, sure.high) == (1.0, 1.0, 1.0)
    assert sure.chance == pytest.approx(1 / 3)
    assert (sure.splits, sure.images) == (20, 30)
    noise = np.random.default_rng(1).normal(size=(40, 300, 3))
    blind = attainable_accuracy(noise, [str(index // 3) for index in range(300)], rng=rng, splits=30)
    assert blind.accuracy == pytest.approx(1 / 3, abs=0.05)


def test_halves_average_what_they_rated():
    values, _, _ = ratings(5, people=6)
    values[0, 2] = np.nan
    half = np.array([[True, True, True, False, False, False], [True, False, False, False, False, False]])
    means = half_means(values, half)
    np.testing.assert_allclose(means[0], np.nanmean(values[:3], axis=0))
    assert np.isnan(means[1, 2]).all()


def test_too_few_people_or_images_have_no_attainable_accuracy():
    values, _, themes = ratings(6)
    rng = np.random.default_rng(0)
    assert attainable_accuracy(values[:3], themes, rng=rng) is None
    assert attainable_accuracy(values, [str(index) for index in range(30)], rng=rng) is None
