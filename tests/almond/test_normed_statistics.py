"""Statistics of the validation on normed images, each against scipy, statsmodels or a plain formula."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.anova import AnovaRM
from statsmodels.stats.libqsturng import psturng

from almond.errors import InputError
from almond.norms import deciles
from almond.norms.predictions import VoxelEffects
from almond.norms.regression import surface
from almond.norms.voxelwise import voxel_maps
from almond.rng import generator
from almond.stats import anova
from almond.stats.correlation import correlations, fisher_z, zscore
from almond.stats.crossed import crossed_tests
from almond.stats.mixed import RandomTerm, fit_linear
from almond.stats.multiple import benjamini_hochberg
from almond.stats.permutation import coefficient_p, correlation_p, draw_orders
from almond.stats.ttest import one_sample

RNG = np.random.default_rng(20261121)


def simulated(rng: np.random.Generator, *, subjects: int = 8, images: int = 60, image_sd: float = 1.0):
    """Predictions (S, n) with random subject slopes, image effects and noise, on a design (n, 3)."""
    design = np.column_stack([np.ones(images), rng.normal(size=(images, 2))])
    slopes = np.array([1.0, 0.3, 0.0]) + rng.normal(0, 0.4, (subjects, 3))
    noise = rng.normal(0, 0.7, (subjects, images))
    return design, slopes @ design.T + rng.normal(0, image_sd, images) + noise


def test_one_sample_t_equals_scipys() -> None:
    values = RNG.normal(0.4, 1, 12)
    found, expected = one_sample(values), stats.ttest_1samp(values, 0.0)
    assert found.t == pytest.approx(expected.statistic)
    assert found.p == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    flat = one_sample(np.full(5, 2.5))
    assert (flat.t, flat.p, flat.estimate) == (None, None, 2.5)


def test_zscores_and_correlations_equal_scipys() -> None:
    values, rating = RNG.normal(size=(4, 30)), RNG.normal(size=30)
    np.testing.assert_allclose(zscore(values), stats.zscore(values, axis=1, ddof=1))
    expected = [stats.pearsonr(row, rating).statistic for row in values]
    np.testing.assert_allclose(correlations(values, rating), expected)
    np.testing.assert_array_equal(zscore(np.full(7, 3.3)), np.zeros(7))
    assert np.isfinite(fisher_z(np.array([1.0, -1.0]))).all()


def test_friedman_equals_scipys_with_and_without_ties() -> None:
    for table in (RNG.normal(size=(9, 10)), RNG.integers(0, 4, (9, 10)).astype(float)):
        found, expected = deciles.friedman(table), stats.friedmanchisquare(*table.T)
        assert found.statistic == pytest.approx(expected.statistic)
        assert found.p == pytest.approx(expected.pvalue)
        assert found.w == pytest.approx(expected.statistic / (9 * 9))
    assert deciles.friedman(np.ones((4, 3))).statistic == 0.0


def test_published_deciles_leave_out_what_lies_on_an_edge() -> None:
    rating = np.round(RNG.normal(4, 1, 200), 2)
    edges = np.percentile(rating, np.arange(0, 101, 10), method="hazen")
    found = deciles.members(rating, 10, "paper")
    for k in range(10):
        np.testing.assert_array_equal(found[k], (rating > edges[k]) & (rating < edges[k + 1]))
    assert not found[:, [rating.argmin(), rating.argmax()]].any()
    whole = deciles.members(rating, 10, "default")
    np.testing.assert_array_equal(whole.sum(axis=0), np.ones(200))
    assert (whole | found).sum() == 200  # the published groups are parts of ours
    with pytest.raises(InputError, match="hold no image"):
        deciles.members(np.repeat([1.0, 2.0], 20), 10, "default")


def test_prctile_of_matlab() -> None:
    # prctile([1 2 3 4 5], 0:25:100) is 1 1.75 3 4.25 5.
    groups = deciles.members(np.array([1.0, 1.75, 2.0, 3.0, 4.0, 4.25, 5.0]), 4, "default")
    np.testing.assert_array_equal(np.percentile([1, 2, 3, 4, 5.0], [25, 75], method="hazen"), [1.75, 4.25])
    assert groups.any(axis=1).all()


def test_contrast_weights() -> None:
    np.testing.assert_allclose(
        deciles.weights(10, "paper"), [-1, -4 / 5, -3 / 5, -2 / 5, -1 / 5, 1 / 5, 2 / 5, 3 / 5, 4 / 5, 1]
    )
    np.testing.assert_allclose(np.diff(deciles.weights(10, "default")), 2 / 9)
    np.testing.assert_allclose(deciles.weights(5, "paper"), [-1, -0.5, 0, 0.5, 1])
    table = RNG.normal(size=(11, 10))
    expected = stats.ttest_1samp(table @ np.array([-5, -4, -3, -2, -1, 1, 2, 3, 4, 5]) / 5, 0.0)
    assert deciles.contrast(table, "paper").t == pytest.approx(expected.statistic)


def test_decile_means_equal_a_groupby() -> None:
    rating, outcomes = RNG.normal(size=90), RNG.normal(size=(3, 90))
    groups = deciles.members(rating, 9, "default")
    frame = pd.DataFrame({"group": groups.argmax(axis=0), "y": outcomes[1]})
    np.testing.assert_allclose(deciles.means(outcomes, groups)[1], frame.groupby("group")["y"].mean())


def test_anova_equals_statsmodels() -> None:
    values = RNG.normal(size=(12, 4)) + RNG.normal(size=(12, 1)) + np.array([0, 0.4, 0.2, 0.9])
    subject, level = np.indices(values.shape)
    frame = pd.DataFrame({"y": values.ravel(), "subject": subject.ravel(), "level": level.ravel()})
    table = AnovaRM(frame, "y", "subject", within=["level"]).fit().anova_table
    found = anova.repeated_measures(values)
    assert found.f == pytest.approx(table["F Value"].iloc[0])
    assert found.p == pytest.approx(table["Pr > F"].iloc[0])
    assert (found.df, found.df_error) == (3, 33)


def test_greenhouse_geisser_from_orthonormal_contrasts() -> None:
    values = RNG.normal(size=(15, 4)) * np.array([1, 2, 3, 4]) + RNG.normal(size=(15, 1))
    # (Sum of eigenvalues)^2 / (k - 1) / their sum of squares, for any orthonormal contrasts.
    contrasts = np.linalg.svd(np.ones((1, 4)))[2][1:]
    roots = np.linalg.eigvalsh(np.cov(values @ contrasts.T, rowvar=False))
    expected = roots.sum() ** 2 / (3 * (roots**2).sum())
    found = anova.repeated_measures(values)
    assert found.epsilon_gg == pytest.approx(expected)
    assert found.p_gg == pytest.approx(stats.f.sf(found.f, 3 * expected, 42 * expected))
    expected_hf = (15 * 3 * expected - 2) / (3 * (14 - 3 * expected))
    assert found.epsilon_hf == pytest.approx(min(expected_hf, 1.0))
    assert anova.greenhouse_geisser(RNG.normal(size=(6, 2))) == pytest.approx(1.0)


def test_post_hoc_pairs_equal_paired_tests() -> None:
    values = RNG.normal(size=(10, 3)) + np.array([0.0, 0.5, 1.0])
    found = anova.post_hoc(values, ("a", "b", "c"))
    expected = [stats.ttest_rel(values[:, i], values[:, j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert [pair.test.t for pair in found] == pytest.approx([one.statistic for one in expected])
    corrected = sm.stats.multipletests([one.pvalue for one in expected], method="holm")[1]
    assert [pair.p_holm for pair in found] == pytest.approx(list(corrected))
    for pair in found:
        assert pair.p_tukey == pytest.approx(psturng(np.sqrt(2) * abs(pair.test.t), 3, 9), abs=2e-3)
    # Two levels: the studentised range of two is |t| times the root of two, so Tukey's p is the pair's own.
    two = anova.post_hoc(values[:, :2], ("a", "b"))[0]
    assert two.p_tukey == pytest.approx(expected[0].pvalue, rel=1e-6)


def test_crossed_test_equals_the_mixed_model() -> None:
    design, outcomes = simulated(np.random.default_rng(5))
    found = crossed_tests([design], [outcomes], ("intercept", "a", "b"))
    subjects, images = outcomes.shape
    fixed = np.tile(design, (subjects, 1))
    subject, image = np.repeat(np.arange(subjects), images), np.tile(np.arange(images), subjects)
    terms = [
        RandomTerm("subject", subject, fixed, ("intercept", "a", "b"), correlated=True),
        RandomTerm("image", image),
    ]
    fit = fit_linear(outcomes.ravel(), fixed, terms, names=("intercept", "a", "b"))
    assert not fit.singular
    np.testing.assert_allclose([one.crossed.estimate for one in found], fit.estimates, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose([one.crossed.se for one in found], fit.se, rtol=2e-3)
    assert all(0 < one.image_share < 1 for one in found)


def test_without_image_effects_the_crossed_test_is_that_over_subjects() -> None:
    rng = np.random.default_rng(8)
    design, outcomes = simulated(rng, image_sd=0.0)
    # Residuals that cancel over subjects leave no variance of images at all.
    fitted = np.linalg.lstsq(design, outcomes.T, rcond=None)[0].T @ design.T
    residual = outcomes - fitted
    one = crossed_tests([design], [fitted + residual - residual.mean(axis=0)], ("intercept", "a", "b"))[1]
    assert one.crossed.to_json() == pytest.approx(one.subjects.to_json(), rel=1e-9)
    assert one.image_share == 0.0


def test_sets_are_averaged_and_share_their_subjects() -> None:
    rng = np.random.default_rng(9)
    (first, y1), (second, y2) = simulated(rng, images=50), simulated(rng, images=70)
    found = crossed_tests([first, second], [y1, y2], ("intercept", "a", "b"))[1]
    slopes = [sm.OLS(y, first).fit().params[1] for y in y1], [sm.OLS(y, second).fit().params[1] for y in y2]
    mean = np.mean(slopes, axis=0)
    assert found.subjects.t == pytest.approx(stats.ttest_1samp(mean, 0.0).statistic)
    assert found.crossed.estimate == pytest.approx(mean.mean())
    assert found.crossed.se > found.subjects.se


def test_false_positives_over_subjects_and_with_images_random() -> None:
    """Ratings that go with nothing: the test over subjects finds something, the others keep their level."""
    rng = np.random.default_rng(10)
    over_subjects, crossed, permuted = 0, 0, 0
    worlds = 200
    for _ in range(worlds):
        rating = zscore(rng.normal(size=40))
        image = rng.normal(size=40)
        outcomes = zscore(image + 0.7 * rng.normal(size=(10, 40)))
        one = crossed_tests([np.column_stack([np.ones(40), rating])], [outcomes], ("intercept", "r"))[1]
        over_subjects += one.subjects.p < 0.05
        crossed += one.crossed.p < 0.05
        permuted += correlation_p([rating], [outcomes], [draw_orders(99, 40, rng)]) <= 0.05
    assert over_subjects / worlds > 0.3
    assert crossed / worlds < 0.11
    assert permuted / worlds < 0.11


def test_permutation_of_a_correlation_equals_scipys() -> None:
    rng = generator(3, "test")
    rating, outcome = rng.normal(size=25), rng.normal(size=(1, 25))
    outcome[0] += 0.5 * rating
    found = correlation_p([rating], [outcome], [draw_orders(4000, 25, rng)])
    expected = stats.permutation_test(
        (rating,),
        lambda x: stats.pearsonr(x, outcome[0]).statistic,
        permutation_type="pairings",
        n_resamples=2000,
        rng=np.random.default_rng(4),
    )
    assert found == pytest.approx(expected.pvalue, abs=0.02)


def test_freedman_lane_by_brute_force() -> None:
    rng = np.random.default_rng(12)
    design, outcomes = simulated(rng, subjects=3, images=20)
    orders = draw_orders(150, 20, rng)
    mean = outcomes.mean(axis=0)
    reduced = np.delete(design, 1, axis=1)
    without = sm.OLS(mean, reduced).fit()
    observed = abs(sm.OLS(mean, design).fit().tvalues[1])
    null = [
        abs(sm.OLS(without.fittedvalues + without.resid[order], design).fit().tvalues[1]) for order in orders
    ]
    expected = (1 + sum(value >= observed for value in null)) / 151
    assert coefficient_p([design], [outcomes], [orders], 1) == pytest.approx(expected)


def test_permuted_deciles_by_brute_force() -> None:
    rng = np.random.default_rng(13)
    outcomes, rating = rng.normal(size=(5, 60)), rng.normal(size=60)
    groups = deciles.members(rating, 6, "default")
    orders = draw_orders(130, 60, rng)
    observed = stats.friedmanchisquare(*deciles.means(outcomes, groups).T).statistic
    null = [
        stats.friedmanchisquare(*deciles.means(outcomes, groups[:, order]).T).statistic for order in orders
    ]
    expected = (1 + sum(value >= observed - 1e-9 for value in null)) / 131
    assert deciles.friedman_p(outcomes, groups, orders) == pytest.approx(expected)
    line = np.linspace(-1, 1, 6)
    trend = abs((deciles.means(outcomes, groups) @ line).mean())
    moved = [abs((deciles.means(outcomes[:, order], groups) @ line).mean()) for order in orders]
    expected = (1 + sum(value >= trend - 1e-12 for value in moved)) / 131
    assert deciles.contrast_p(outcomes, groups, "default", orders) == pytest.approx(expected)


def test_surface_is_the_fitted_plane_with_its_twist() -> None:
    valence, arousal = np.array([-1.0, 0.0, 2.0]), np.array([0.5, -0.5])
    found = surface((1.0, 2.0, 3.0, 4.0), valence, arousal)
    assert found.shape == (2, 3)
    assert found[1, 2] == pytest.approx(1 + 2 * 2 + 3 * -0.5 + 4 * 2 * -0.5)


def test_an_analysis_of_variance_without_error_is_not_defined() -> None:
    found = anova.repeated_measures(np.tile([0.1, 0.2, 0.7], (5, 1)) + np.arange(5.0)[:, None])
    assert (found.f, found.p, found.p_gg, found.p_hf) == (None, None, None, None)


def test_adjusted_p_values_equal_statsmodels() -> None:
    p = RNG.uniform(size=40) ** 2
    np.testing.assert_allclose(benjamini_hochberg(p), sm.stats.multipletests(p, method="fdr_bh")[1])
    holed = np.insert(p, 7, np.nan)
    np.testing.assert_array_equal(np.delete(benjamini_hochberg(holed), 7), benjamini_hochberg(p))
    assert np.isnan(benjamini_hochberg(holed)[7])


def test_family_wise_p_of_voxels_by_brute_force() -> None:
    """The largest mean correlation over voxels, computed subject by subject for every permutation."""
    rng = np.random.default_rng(15)
    ratings = {"a": zscore(rng.normal(size=(3, 30))).T, "b": zscore(rng.normal(size=(3, 25))).T}
    predicted = {name: zscore(rng.normal(size=(4, 6, len(z)))) for name, z in ratings.items()}
    predicted["a"][:, 2] = zscore(predicted["a"][:, 2] + 1.5 * ratings["a"][:, 0])
    r = {name: predicted[name] @ z / (len(z) - 1) for name, z in ratings.items()}
    mean_z = {name: values.mean(axis=0).T for name, values in predicted.items()}
    voxels = np.array([[x, 0, 0] for x in range(6)])
    orders = {name: draw_orders(120, len(z), rng) for name, z in ratings.items()}
    found = voxel_maps(VoxelEffects(voxels, r, mean_z, None), orders, ratings)[0]

    def mean_r(row: int | None) -> np.ndarray:
        parts = []
        for name, z in ratings.items():
            rating = z[:, 0] if row is None else z[orders[name][row], 0]
            parts.append((predicted[name] @ rating).mean(axis=0))
        return np.abs(np.sum(parts, axis=0))

    largest = np.array([mean_r(row).max() for row in range(120)])
    expected = [(1 + np.count_nonzero(largest >= value)) / 121 for value in mean_r(None)]
    np.testing.assert_allclose(found.p_images, expected)
    z = (np.arctanh(r["a"]) + np.arctanh(r["b"])) / 2
    np.testing.assert_allclose(found.t, stats.ttest_1samp(z[..., 0], 0).statistic)
    np.testing.assert_allclose(found.p, stats.ttest_1samp(z[..., 0], 0).pvalue)


def themed_study(seed: int, themes: int = 15, images: int = 4, subjects: int = 10) -> tuple:
    """Draw a study in which images of a theme are alike, and nothing depends on the rating."""
    rng = np.random.default_rng([seed, 5])
    theme = np.repeat(np.arange(themes), images)
    rating = rng.normal(size=themes)[theme] * 0.8 + rng.normal(size=len(theme)) * 0.6
    design = np.stack([np.ones(len(theme)), (rating - rating.mean()) / rating.std()], axis=1)
    shared = rng.normal(size=themes)[theme] + 0.5 * rng.normal(size=len(theme))
    slopes = 0.3 * rng.normal(size=subjects)
    outcomes = shared + slopes[:, None] * design[:, 1] + rng.normal(size=(subjects, len(theme)))
    return design, outcomes, theme.astype(str)


def test_images_of_one_theme_are_not_independent() -> None:
    """6.5 percent or fewer of 600 such studies reject, and 14 percent where images count by themselves."""
    rejected = np.zeros(2)
    for seed in range(150):
        design, outcomes, theme = themed_study(seed)
        for place, themes in enumerate((None, [theme])):
            found = crossed_tests([design], [outcomes], ("intercept", "rating"), themes)[1]
            rejected[place] += found.crossed.p < 0.05
    assert rejected[0] / 150 > 0.1
    assert stats.binomtest(int(rejected[1]), 150, 0.05, alternative="greater").pvalue > 0.05


def test_themes_of_one_image_change_nothing_and_their_names_do_not_count() -> None:
    design, outcomes, theme = themed_study(1)
    alone = [[str(number) for number in range(len(theme))]]
    names = ("intercept", "rating")
    assert crossed_tests([design], [outcomes], names, alone) == crossed_tests([design], [outcomes], names)
    other = np.char.add("x", theme[::-1].copy()[::-1])
    first, second = (crossed_tests([design], [outcomes], names, [labels])[1] for labels in (theme, other))
    assert first == second
    assert 1 < first.crossed.df < 15


def test_many_themes_agree_with_statsmodels_clusters() -> None:
    """With many themes, and subjects who do not differ, CR2 is the plain sandwich to a few percent."""
    design, outcomes, theme = themed_study(3, themes=200, images=2, subjects=40)
    mean = outcomes.mean(axis=0)
    clustered = sm.OLS(mean, design).fit(cov_type="cluster", cov_kwds={"groups": theme.astype(int)})
    found = crossed_tests([design], [np.tile(mean, (40, 1))], ("intercept", "rating"), [theme])[1]
    assert found.crossed.se == pytest.approx(clustered.bse[1], rel=0.02)
