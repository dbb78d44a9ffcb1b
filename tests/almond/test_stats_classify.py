"""Classification against scikit-learn, brute force and null simulations."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from scipy import stats
from sklearn.cross_decomposition import PLSRegression
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from almond.errors import Cancelled, InputError
from almond.stats.classification import (
    balanced_accuracy,
    centre_scenes,
    check_design,
    classify,
    pair_accuracies,
)
from almond.stats.discriminant import METHODS, SHRINKAGE, held_out_scores
from almond.stats.multiple import holm
from almond.stats.permutation import relabel_within, theme_orders

TARGETS = ("AStr", "CM", "LB", "SF")


def study(rng, scenes=8, targets=4, constructs=4, effect=0.5, stimulus_sd=0.4, scene_sd=0.5):
    names = np.repeat([f"scene-{index:02d}" for index in range(scenes)], targets)
    labels = np.tile(TARGETS[:targets], scenes)
    profile = rng.normal(0, effect, (targets, constructs)) if effect else np.zeros((targets, constructs))
    values = np.tile(profile, (scenes, 1)) + rng.normal(0, stimulus_sd, (scenes * targets, constructs))
    values += np.repeat(rng.normal(0, scene_sd, (scenes, constructs)), targets, axis=0)
    return values, labels, names


def run(values, labels, scenes, *, permutations=99, seed=1, method="lda", progress=None):
    return classify(
        values,
        labels,
        scenes,
        permutations=permutations,
        rng=np.random.default_rng(seed),
        seed=seed,
        method=method,
        progress=progress,
    )


@pytest.mark.parametrize("constructs", [2, 4, 6])
def test_scores_equal_scikit_learn(constructs):
    values, targets, scenes = study(np.random.default_rng(constructs), constructs=constructs)
    labels, where, classes = check_design(values, targets, scenes)
    lda = held_out_scores(values, labels[None], where, 4, METHODS["lda"][1])[0]
    pls = held_out_scores(values, labels[None], where, 4, METHODS["pls"][1])[0]
    for scene in np.unique(where):
        test = where == scene
        middle, spread = values[~test].mean(axis=0), values[~test].std(axis=0, ddof=1)
        oracle = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=SHRINKAGE, priors=[0.25] * 4)
        oracle.fit((values[~test] - middle) / spread, labels[~test])
        expected = oracle.decision_function((values[test] - middle) / spread)
        np.testing.assert_allclose(lda[test] + np.log(0.25), expected, atol=1e-10)
        regression = PLSRegression(min(3, constructs), tol=1e-15, max_iter=100_000)
        regression.fit(values[~test], np.eye(4)[labels[~test]])
        np.testing.assert_allclose(pls[test], regression.predict(values[test]), atol=1e-6)
    assert classes == TARGETS


@pytest.mark.parametrize("method", ["lda", "pls"])
def test_a_batch_equals_one_label_vector_at_a_time(method):
    rng = np.random.default_rng(0)
    values, targets, scenes = study(rng)
    labels, where, _ = check_design(values, targets, scenes)
    many = relabel_within(labels, where, 20, rng)
    together = held_out_scores(values, many, where, 4, METHODS[method][1])
    for index, row in enumerate(many):
        alone = held_out_scores(values, row[None], where, 4, METHODS[method][1])[0]
        np.testing.assert_allclose(together[index], alone, atol=1e-9)


def test_p_approaches_that_of_all_permutations():
    """Two targets in six scenes have 2^6 labellings: listed here, drawn there."""
    values, targets, scenes = study(np.random.default_rng(4), scenes=6, targets=2, effect=0.5)
    where = check_design(values, targets, scenes)[1]
    every = np.array([np.concatenate(orders) for orders in product(list(permutations([0, 1])), repeat=6)])
    scores = held_out_scores(values, every, where, 2, METHODS["lda"][1])
    null = balanced_accuracy(scores.argmax(axis=2), every, 2)
    found = run(values, targets, scenes, permutations=4000)
    exact = float(np.mean(null >= found.accuracy - 1e-9))
    assert found.p == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 4000) + 1e-3)
    assert found.null_mean == pytest.approx(null.mean(), abs=0.01)


def test_permutations_stay_inside_themes():
    values, targets, scenes = study(np.random.default_rng(0))
    labels, where, _ = check_design(values, targets, scenes)
    shuffled = relabel_within(labels, where, 300, np.random.default_rng(0))
    for scene in np.unique(where):
        assert (np.sort(shuffled[:, where == scene], axis=1) == np.arange(4)).all()
    assert len(np.unique(shuffled, axis=0)) == 300


def test_the_seeds_of_a_prompt_change_their_target_together():
    labels = np.array([0, 1, 2, 0, 1, 2, 0, 0, 1, 1, 2])
    themes = np.array(["a"] * 6 + ["b"] * 5)
    renamed = relabel_within(labels, themes, 500, np.random.default_rng(0))
    for theme in ("a", "b"):
        own = themes == theme
        for label in range(3):
            alike = renamed[:, own & (labels == label)]
            assert (alike == alike[:, :1]).all()
            shares = np.bincount(alike[:, 0], minlength=3) / 500
            np.testing.assert_allclose(shares, 1 / 3, atol=0.1)
    assert (renamed[:, 0] != renamed[:, 6]).any()


def test_whole_themes_change_places():
    themes = np.array(["a"] * 3 + ["b"] * 3 + ["c"] * 3)
    orders = theme_orders(themes, 300, np.random.default_rng(0))
    assert orders.shape == (300, 9)
    for start in (0, 3, 6):
        block = np.sort(orders[:, start : start + 3], axis=1)
        np.testing.assert_array_equal(block, block[:, :1] // 3 * 3 + np.arange(3))
        np.testing.assert_allclose(np.bincount(orders[:, start] // 3) / 300, 1 / 3, atol=0.1)
    assert (np.sort(orders, axis=1) == np.arange(9)).all()
    assert len({tuple(row) for row in orders[:, :3].tolist()}) == 18


def test_a_theme_repeats_a_smaller_one_and_takes_a_part_of_a_larger_one():
    themes = np.array(["a", "b", "b", "b", "b", "c", "c"])
    where = np.unique(themes, return_inverse=True)[1]
    orders = theme_orders(themes, 200, np.random.default_rng(1))
    for start, size in ((0, 1), (1, 4), (5, 2)):
        donors = where[orders[:, start : start + size]]
        assert (donors == donors[:, :1]).all()
    large = orders[where[orders[:, 1]] == 2][:, 1:5]
    assert (np.sort(large, axis=1) == [5, 5, 6, 6]).all()
    own = orders[where[orders[:, 1]] == 1][:, 1:5]
    assert (np.sort(own, axis=1) == [1, 2, 3, 4]).all()


def test_a_clear_effect_is_found_with_its_confusion_and_pairs():
    values, targets, scenes = study(np.random.default_rng(2), effect=2.0, scene_sd=0.1, scenes=10)
    found = run(values, targets, scenes, permutations=199)
    assert found.accuracy > 0.9
    assert found.p == pytest.approx(1 / 200)
    assert found.confusion.sum() == 40
    np.testing.assert_allclose(np.diag(found.confusion) / 10, found.recall)
    assert np.mean(found.recall) == pytest.approx(found.accuracy)
    assert len(found.pairs) == 6
    for pair in found.pairs:
        assert pair.p <= pair.p_max
        assert pair.p <= pair.p_holm
    assert set(found.theme_accuracy) == set(scenes)


def test_same_seed_same_result():
    values, targets, scenes = study(np.random.default_rng(2))
    one, two, other = (run(values, targets, scenes, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.null, two.null)
    assert not np.array_equal(one.null, other.null)


def test_unequal_scenes_and_constant_ratings_are_handled():
    values, targets, scenes = study(np.random.default_rng(6))
    keep = np.ones(len(targets), dtype=bool)
    keep[[0, 5, 9]] = False
    values = np.column_stack([values, np.zeros(len(values))])
    for method in METHODS:
        found = run(values[keep], targets[keep], scenes[keep], method=method)
        assert 0 < found.p <= 1
        assert found.confusion.sum() == keep.sum()
    flat = run(np.zeros((len(targets), 3)), targets, scenes)
    assert flat.accuracy == pytest.approx(0.25)
    assert flat.p == 1.0


def test_centring_takes_the_scene_out():
    values, _, scenes = study(np.random.default_rng(6), scene_sd=5.0)
    centred = centre_scenes(values, scenes)
    for scene in set(scenes):
        np.testing.assert_allclose(centred[scenes == scene].mean(axis=0), 0, atol=1e-12)


def test_designs_that_cannot_be_tested_are_refused():
    values, targets, scenes = study(np.random.default_rng(0))
    with pytest.raises(InputError, match="2 themes"):
        run(values[:8], targets[:8], scenes[:8])
    with pytest.raises(InputError, match="1 intended target"):
        run(values, ["LB"] * len(targets), scenes)
    nested = np.array([f"{scene}-{target}" for scene, target in zip(scenes, targets, strict=True)])
    with pytest.raises(InputError, match="cannot be exchanged"):
        run(values, targets, nested)
    values[3, 1] = np.nan
    with pytest.raises(InputError, match="not finite"):
        run(values, targets, scenes)


def test_it_stops_when_asked():
    class Stop:
        def report(self, fraction: float, message: str = "") -> None:
            if fraction > 0.3:
                raise Cancelled("stop")

    values, targets, scenes = study(np.random.default_rng(0))
    with pytest.raises(Cancelled):
        run(values, targets, scenes, permutations=5000, progress=Stop())


def test_pair_accuracy_counts_both_sides():
    scores = np.array([[[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]]])
    labels = np.array([[0, 0, 1, 1]])
    np.testing.assert_allclose(pair_accuracies(scores, labels, 2), [[0.25]])


def test_holm_is_the_textbook_one():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]


def test_null_studies_are_rejected_at_the_nominal_rate_while_counting_trials_is_not():
    """120 studies in which only stimuli and scenes differ: the permutation test keeps its level; a binomial
    test over single ratings' predictions, from the very same held-out scenes, does not."""
    studies, people = 120, 30
    rejected = naive = 0
    for seed in range(studies):
        rng = np.random.default_rng([seed, 99])
        values, targets, scenes = study(rng, scenes=8, effect=0.0)
        found = run(values, targets, scenes, permutations=99, seed=seed)
        rejected += found.p <= 0.05
        labels, where, _ = check_design(values, targets, scenes)
        single = values[None] + rng.normal(0, 0.5, (people, *values.shape))
        predicted = np.empty((people, len(labels)), dtype=int)
        for scene in np.unique(where):
            test = where == scene
            oracle = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=SHRINKAGE)
            oracle.fit(values[~test], labels[~test])
            predicted[:, test] = oracle.predict(single[:, test].reshape(-1, 4)).reshape(people, -1)
        correct = int((predicted == labels).sum())
        naive += stats.binomtest(correct, predicted.size, 0.25, alternative="greater").pvalue <= 0.05
    low, high = stats.binom.ppf([0.001, 0.999], studies, 0.05)
    assert low <= rejected <= high
    assert naive > high
