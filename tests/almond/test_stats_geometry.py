"""Components, canonical correlations and representational similarity against independent computations.

Reference numbers of R 4: ``prcomp(d[, 1:3], scale. = TRUE)`` and ``cancor(d[, 1:3], d[, 4:5])`` of the
columns of ``waves``; of rsatoolbox: ``boot_noise_ceiling`` with Spearman's rho of the judgements in rsa92.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.io import loadmat
from sklearn.cross_decomposition import CCA
from sklearn.decomposition import PCA

from almond.errors import InputError
from almond.stats.geometry.block_orders import BlockOrders
from almond.stats.geometry.cross_validated_cca import (
    cross_validated_cca,
    heldout_correlations,
    theme_folds,
)
from almond.stats.geometry.parallel_analysis import (
    component_stability,
    congruence,
    parallel_analysis,
    principal_components,
)
from almond.stats.geometry.rank_pairs import midranks, pairs_between, rho_a, rho_a_of
from almond.stats.geometry.representational_similarity import RatedPairs, representational_similarity

RSA92 = Path(os.environ.get("ALMOND_REAL_DATA", "")) / "oracles" / "rsa92"


def waves():
    """Two sets of columns (24, 3) and (24, 2) by formula, so that R can have the same ones."""
    i = np.arange(1.0, 25.0)
    one, two, three = np.sin(1.3 * i), np.cos(0.7 * i), np.sin(0.11 * i * i)
    left = np.column_stack([one, two + 0.5 * one, three])
    right = np.column_stack([one + np.cos(0.23 * i * i), two - np.sin(0.37 * i * i)])
    return left, right


def guided(themes, seeds=1):
    """Themes, targets and directions of images: four targets, up and down, in every scene."""
    scenes = themes * seeds
    return (
        np.repeat(np.arange(themes), 8 * seeds),
        np.tile(np.repeat(list("abcd"), 2), scenes),
        np.tile([1, -1], 4 * scenes),
    )


# Orders of whole themes


@pytest.mark.parametrize("seeds", [1, 3])
def test_orders_keep_together_what_belongs_together(seeds):
    themes, targets, directions = guided(5, seeds)
    orders = BlockOrders(themes, targets, directions).draw(50, np.random.default_rng(1))
    for order in orders:
        assert sorted(order) == list(range(len(themes)))
        for theme in range(5):
            rows = themes == theme
            assert len(set(themes[order[rows]])) == 1
            for target in "abcd":
                block = rows & (targets == target)
                assert len(set(targets[order[block]])) == 1
                for side in (1, -1):
                    assert len(set(directions[order[block & (directions == side)]])) == 1
    assert {tuple(targets[order[:8]][::2]) for order in orders} > {("a", "b", "c", "d")} or len(orders) < 24
    assert len({tuple(row) for row in orders}) == 50


def test_every_target_and_side_is_drawn_alike():
    themes, targets, directions = guided(4)
    orders = BlockOrders(themes, targets, directions).draw(4000, np.random.default_rng(2))
    for labels, values in ((themes, range(4)), (targets, "abcd"), (directions, (1, -1))):
        shares = [np.mean(labels[orders[:, 0]] == value) for value in values]
        assert shares == pytest.approx([1 / len(shares)] * len(shares), abs=0.035)


def test_photographs_come_in_random_order_within_whole_themes_of_unequal_size():
    themes = np.repeat([0, 1, 2, 3], [1, 4, 2, 3])
    orders = BlockOrders(themes, [""] * 10, [0] * 10).draw(300, np.random.default_rng(3))
    for order in orders:
        for theme in range(4):
            assert len(set(themes[order[themes == theme]])) == 1
    alone = BlockOrders(np.arange(6), [""] * 6, [0] * 6).draw(20, np.random.default_rng(3))
    assert all(sorted(order) == list(range(6)) for order in alone)


# Components


def test_components_are_those_of_r_and_scikit_learn():
    left, _ = waves()
    eigenvalues, loadings = principal_components(left)
    assert eigenvalues == pytest.approx([1.8238286435, 0.7288103092, 0.4473610473], abs=1e-9)
    assert np.abs(loadings[:, 0]) == pytest.approx([0.8503882965, 0.7859886644, 0.6949030207], abs=1e-9)
    assert np.abs(loadings[:, 2]) == pytest.approx([0.5089940510, 0.3981286249, 0.1725679617], abs=1e-9)
    standard = (left - left.mean(axis=0)) / left.std(axis=0, ddof=1)
    assert eigenvalues == pytest.approx(PCA().fit(standard).explained_variance_)
    assert (loadings[np.abs(loadings).argmax(axis=0), range(3)] > 0).all()


def test_parallel_analysis_retains_the_components_that_are_there():
    rng = np.random.default_rng(4)
    themes = np.repeat(np.arange(40), 2)
    orders = BlockOrders(themes, [""] * 80, [0] * 80)
    factors = rng.normal(size=(80, 2)) @ np.kron(np.eye(2), np.ones((1, 4)))
    components = parallel_analysis(
        factors + 0.8 * rng.normal(size=(80, 8)), lambda n: orders.draw(n, rng), 199
    )
    assert components.retained == 2
    assert components.explained.sum() == pytest.approx(1.0)
    threshold = components.threshold
    assert (np.diff(threshold) < 0).all()
    # Rows as Horn drew them, independent: close to the permuted columns where themes have nothing in common.
    normal = [principal_components(rng.normal(size=(80, 8)))[0] for _ in range(400)]
    assert threshold == pytest.approx(np.percentile(normal, 95, axis=0), abs=0.08)


def test_components_of_constructs_that_do_not_vary_are_refused():
    with pytest.raises(InputError, match="does not vary"):
        parallel_analysis(np.ones((9, 3)), lambda n: np.zeros((n, 9), np.int32), 9)


def test_congruence_of_halves_tells_components_that_people_share():
    rng = np.random.default_rng(5)
    shared = rng.normal(size=(60, 2))[:, [0, 0, 0, 0, 1, 1]]
    noise = rng.normal(size=(20, 60, 6))
    stable = component_stability(shared + noise, 2, splits=40, rng=rng)
    assert [row.component for row in stable] == [1, 2]
    assert min(row.low for row in stable) > 0.9
    alone = component_stability(2.0 * noise, 2, splits=40, rng=rng)
    assert alone[1].congruence < 0.9
    assert component_stability((shared + noise)[:3], 2, splits=40, rng=rng) == []
    holes = np.where(rng.random(noise.shape[:2])[:, :, None] < 0.3, np.nan, shared + noise)
    assert min(row.congruence for row in component_stability(holes, 2, splits=20, rng=rng)) > 0.9


def test_congruence_is_a_cosine_without_sign():
    first, second = np.array([[1.0, 0.0], [1.0, 2.0]]), np.array([[-2.0, 1.0], [-2.0, 0.0]])
    assert congruence(first, second) == pytest.approx(np.array([[1.0, 0.5**0.5], [0.5**0.5, 0.0]]))


# Canonical correlations


def test_fitted_canonical_correlations_are_those_of_r():
    left, right = waves()
    orders = [BlockOrders(np.arange(24), [""] * 24, [0] * 24).draw(5, np.random.default_rng(1))]
    pairs = cross_validated_cca(left, right, np.arange(24), orders, regularisation=0.0)
    assert [pair.r_fitted for pair in pairs] == pytest.approx([0.8198197485, 0.7499921925], abs=1e-9)


def test_heldout_correlations_are_those_of_scikit_learn_fold_by_fold():
    left, right = waves()
    themes = np.repeat(np.arange(8), 3)
    folds = theme_folds(themes, 4)
    products, squares = np.zeros(2), np.zeros((2, 2))
    for fold in range(4):
        train, held = folds != fold, folds == fold
        model = CCA(n_components=2, tol=1e-12, max_iter=5000).fit(left[train], right[train])
        scales = [side.std(axis=0, ddof=1) for side in model.transform(left[train], right[train])]
        u, v = (
            side / scale for side, scale in zip(model.transform(left[held], right[held]), scales, strict=True)
        )
        products += (u * v).sum(axis=0)
        squares += np.stack([(u**2).sum(axis=0), (v**2).sum(axis=0)])
    expected = products / np.sqrt(squares[0] * squares[1])
    assert heldout_correlations(left, right[None], folds, 0.0)[0] == pytest.approx(expected, abs=1e-5)


def test_a_shared_dimension_is_found_on_themes_that_were_not_fitted():
    rng = np.random.default_rng(16)
    themes = np.repeat(np.arange(20), 3)
    cause = rng.normal(size=(60, 1))
    left, right = (cause + 0.7 * rng.normal(size=(60, columns)) for columns in (5, 3))
    orders = BlockOrders(themes, [""] * 60, [0] * 60).batches(199, rng)
    pairs = cross_validated_cca(left, right, themes, orders)
    assert pairs[0].r > 0.6
    assert pairs[0].p_max == 1 / 200
    assert max(pair.r for pair in pairs[1:]) < 0.4
    assert all(pair.p_max >= pair.p > 0 for pair in pairs)
    assert min(np.abs(pairs[0].left)) > 0.5


def test_too_few_themes_and_flat_variables_have_no_canonical_correlations():
    left, right = waves()
    with pytest.raises(InputError, match="2 themes"):
        cross_validated_cca(left, right, np.repeat([0, 1], 12), [])
    with pytest.raises(InputError, match="does not vary"):
        cross_validated_cca(left, np.ones((24, 2)), np.arange(24), [])


# Ranks of pairs


def test_rho_a_is_spearmans_without_ties_and_the_expectation_over_broken_ties():
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(2, 40))
    assert rho_a_of(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)
    tied = np.round(x)
    broken = [stats.spearmanr(tied + 1e-6 * rng.random(40), y).statistic for _ in range(500)]
    assert rho_a_of(tied, y) == pytest.approx(np.mean(broken), abs=0.005)
    assert abs(rho_a_of(tied, y)) < abs(stats.spearmanr(tied, y).statistic) - 0.005


def test_weights_count_like_repeated_values():
    rng = np.random.default_rng(8)
    x, y = rng.integers(0, 6, 50).astype(float), rng.normal(size=50)
    times = rng.integers(0, 3, (50, 4)).astype(float)
    weighted = rho_a(midranks(x, times), midranks(y, times), times)
    for column, value in enumerate(weighted):
        rows = np.repeat(np.arange(50), times[:, column].astype(int))
        assert value == pytest.approx(rho_a_of(x[rows], y[rows]))
        present = np.flatnonzero(times[:, column])
        ranks = dict(zip(rows, stats.rankdata(x[rows]), strict=True))
        assert midranks(x, times)[present, column] == pytest.approx([ranks[row] for row in present])


def test_pairs_within_a_theme_do_not_count():
    first, second = pairs_between([0, 0, 1, 2])
    assert list(zip(first, second, strict=True)) == [(0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]


# Representational similarity


def ratings(rng, images, *, people=8, noise=1.0):
    return images[None] + noise * rng.normal(size=(people, *images.shape))


def test_scores_are_means_over_participants_and_p_counts_permuted_themes():
    rng = np.random.default_rng(9)
    themes = np.repeat(np.arange(8), 4)
    images = rng.normal(size=(32, 3))
    models = {"right": images + 0.5 * rng.normal(size=(32, 3)), "wrong": rng.normal(size=(32, 2))}
    rated = RatedPairs.of_ratings(ratings(rng, images), themes)
    orders = BlockOrders(themes, [""] * 32, [0] * 32)
    similarity = representational_similarity(rated, models, orders.batches(99, rng), resamples=80, rng=rng)
    right, wrong = similarity.scores
    expected = [rho_a_of(row, rated.of_model(models["right"])) for row in rated.rows]
    assert right.rho == pytest.approx(np.mean(expected))
    assert (right.p, right.df, similarity.participants) == (0.01, 7, 8)
    assert wrong.p > 0.05
    assert right.low < right.rho < right.high
    assert similarity.ceiling.lower < similarity.ceiling.upper
    difference = similarity.differences[0]
    assert difference.difference == pytest.approx(right.rho - wrong.rho)
    assert difference.p_t < 0.05


def test_permuted_scores_are_those_of_a_model_with_its_images_permuted():
    rng = np.random.default_rng(10)
    themes, targets, directions = guided(4)
    images, model = rng.normal(size=(32, 3)), rng.normal(size=(32, 2))
    rated = RatedPairs.of_ratings(ratings(rng, images, people=4), themes)
    orders = BlockOrders(themes, targets, directions).draw(3, rng)
    scores = rated.permuted([rated.of_model(model)], [orders])[:, 0]
    for value, order in zip(scores, [np.arange(32), *orders], strict=True):
        moved = rated.of_model(model[order])
        assert value == pytest.approx(np.mean([rho_a_of(row, moved) for row in rated.rows]))


def test_participants_who_rated_other_images_count_by_their_own_pairs():
    rng = np.random.default_rng(11)
    themes = np.repeat(np.arange(10), 3)
    images = rng.normal(size=(30, 3))
    cube = ratings(rng, images, people=12)
    cube[rng.random((12, 30)) < 0.4] = np.nan
    rated = RatedPairs.of_ratings(cube, themes)
    model = rated.of_model(images)
    scores = rated.correlate([model], np.ones((1, 10)))[0, :, 0]
    expected = [rho_a_of(row[seen], model[seen]) for row, seen in zip(rated.rows, rated.rated, strict=True)]
    assert scores == pytest.approx(expected)
    assert rated.permuted([model], [])[0, 0] == pytest.approx(np.mean(expected), abs=0.02)
    assert -1 < rated.ceiling().lower < rated.ceiling().upper < 1
    cube[1:] = np.nan
    with pytest.raises(InputError, match="1 participants"):
        RatedPairs.of_ratings(cube, themes)


def test_the_interval_holds_the_score_of_the_population():
    """Participants and themes are drawn anew; the truth is that of many of both."""
    rng = np.random.default_rng(12)
    held = []
    truth = rho_of_study(rng, people=60, themes=60, resamples=2).scores[0].rho
    for _ in range(30):
        score = rho_of_study(rng, people=8, themes=10, resamples=40).scores[0]
        held.append(score.low <= truth <= score.high)
    assert sum(held) >= 25


def rho_of_study(rng, *, people, themes, resamples):
    labels = np.repeat(np.arange(themes), 2)
    percept = rng.normal(size=(themes, 2))[labels] + 0.5 * rng.normal(size=(2 * themes, 2))
    model = percept + 0.7 * rng.normal(size=percept.shape)
    tastes = np.exp(0.5 * rng.normal(size=(people, 1, 2)))
    cube = tastes * percept + 0.7 * rng.normal(size=(people, *percept.shape))
    rated = RatedPairs.of_ratings(cube, labels)
    return representational_similarity(rated, {"model": model}, [], resamples=resamples, rng=rng)


def test_a_model_without_differences_is_refused():
    rng = np.random.default_rng(13)
    rated = RatedPairs.of_ratings(rng.normal(size=(3, 12, 2)), np.arange(12))
    with pytest.raises(InputError, match="flat"):
        representational_similarity(rated, {"flat": np.ones((12, 2))}, [], resamples=5, rng=rng)


@pytest.mark.skipif(not RSA92.is_dir(), reason="needs real dissimilarities: set ALMOND_REAL_DATA")
def test_real_judgements_have_the_ceiling_of_rsatoolbox_and_the_published_correlation():
    judged = loadmat(RSA92 / "92_behavRDMs.mat")["rdms_behav_92"][0]
    cells = np.triu_indices(92, 1)
    rows = np.stack([np.asarray(person["RDM"], np.float64)[cells] for person in judged])
    rated = RatedPairs(rows, np.arange(92))
    ceiling = rated.ceiling()
    assert (ceiling.lower, ceiling.upper) == pytest.approx((0.4770, 0.5767), abs=5e-5)
    brains = loadmat(RSA92 / "92_brainRDMs.mat")["RDMs"][0]
    hit = np.stack([np.asarray(scan["RDM"], np.float64)[cells] for brain in brains for scan in brain.ravel()])
    assert rho_a_of(rows.mean(axis=0), hit.mean(axis=0)) == pytest.approx(0.39239, abs=5e-6)


# Tests of the tests: themes differ, images of a theme are alike, nothing is shared with the scores


def null_photographs(rng, themes=12, size=3):
    labels = np.repeat(np.arange(themes), size)
    rated, scored = (
        rng.normal(size=(themes, 3))[labels] + 0.4 * rng.normal(size=(themes * size, 3)) for _ in range(2)
    )
    return labels, rated, scored


def null_p(rng, labels, rated, scored, units):
    orders = BlockOrders(units, [""] * len(labels), [0] * len(labels))
    canonical = cross_validated_cca(rated, scored, labels, orders.batches(59, rng))
    pairs = RatedPairs.of_ratings(ratings(rng, rated, people=4, noise=0.5), labels)
    model = pairs.of_model(scored)
    null = pairs.permuted([model], orders.batches(59, rng))[:, 0]
    return min(pair.p_max for pair in canonical), (1 + np.sum(null[1:] >= null[0])) / 60


def test_whole_themes_hold_the_level_where_single_images_do_not():
    rejected = np.zeros((2, 2))
    for seed in range(60):
        rng = np.random.default_rng([seed, 21])
        labels, rated, scored = null_photographs(rng)
        for row, units in enumerate((labels, np.arange(len(labels)))):
            rejected[row] += np.array(null_p(rng, labels, rated, scored, units)) <= 0.05
    # 60 null studies: 8 or more have a probability of .01 at 5 percent.
    assert rejected[0].max() < 8
    assert rejected[1, 0] > 12


def test_components_are_not_taken_from_the_likeness_of_images_within_themes():
    retained = np.zeros(2)
    for seed in range(60):
        rng = np.random.default_rng([seed, 22])
        labels, rated, _ = null_photographs(rng, themes=10, size=4)
        for row, units in enumerate((labels, np.arange(len(labels)))):
            orders = BlockOrders(units, [""] * len(labels), [0] * len(labels))
            retained[row] += (
                parallel_analysis(rated, lambda n, o=orders, r=rng: o.draw(n, r), 59).retained > 0
            )
    assert retained[0] < 8
    assert retained[1] > 20
