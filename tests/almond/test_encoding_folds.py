"""Which volumes are held out together, and what goes wrong when neighbours are split."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from almond.encoding.evaluation.heldout import Engine, FoldScheme, evaluate, fit_regions
from almond.encoding.models.estimators import Pls, Ridge
from almond.encoding.models.folds import correlation, inner_folds, make_folds
from almond.errors import InputError
from almond.progress import Silent
from almond.rng import generator


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(30, 90), min_size=1, max_size=4),
    n_folds=st.integers(2, 6),
    gap=st.integers(0, 5),
)
def test_blocks_cover_everything_once_and_keep_their_distance(lengths, n_folds, gap):
    folds = make_folds("blocks", lengths, n_folds=n_folds, gap=gap * 2.0, tr=2.0)
    runs = np.repeat(np.arange(len(lengths)), lengths)
    tested = np.concatenate([fold.test for fold in folds.folds])
    assert sorted(tested) == list(range(sum(lengths)))
    for fold in folds.folds:
        assert (np.diff(fold.test) == 1).all()
        assert not set(fold.train) & set(fold.test)
        same_run = runs[fold.train][:, None] == runs[fold.test][None, :]
        distance = np.abs(fold.train[:, None] - fold.test[None, :])
        assert (distance[same_run] > gap).all()


def test_the_gap_does_not_reach_into_another_run():
    folds = make_folds("blocks", [50, 50], n_folds=2, gap=10.0, tr=1.0)
    assert list(folds.folds[0].train) == list(range(50, 100))


def test_runs_leave_one_run_out():
    folds = make_folds("runs", [3, 4], n_folds=5, gap=0.0, tr=1.0).folds
    assert [list(fold.test) for fold in folds] == [[0, 1, 2], [3, 4, 5, 6]]
    with pytest.raises(InputError, match="one run only"):
        make_folds("runs", [7], n_folds=2, gap=0.0, tr=1.0)


def test_random_folds_warn_and_need_a_generator():
    with pytest.raises(InputError, match="generator"):
        make_folds("random", [20], n_folds=4, gap=0.0, tr=1.0)
    folds = make_folds("random", [20], n_folds=4, gap=0.0, tr=1.0, rng=generator(1, "folds"))
    assert "neighbouring volumes" in str(folds.warning)


@pytest.mark.parametrize(
    ("kind", "n_folds", "gap", "message"),
    [("blocks", 1, 0.0, "folds"), ("blocks", 2, 100.0, "nothing to train on"), ("rows", 2, 0.0, "'rows'")],
)
def test_impossible_folds(kind, n_folds, gap, message):
    with pytest.raises(InputError, match=message):
        make_folds(kind, [40], n_folds=n_folds, gap=gap, tr=1.0)


def test_inner_folds_keep_the_distance_in_time():
    lengths = [60, 60]
    outer = make_folds("blocks", lengths, n_folds=4, gap=5.0, tr=1.0).folds[1]
    for fold in inner_folds(outer, lengths, n_folds=3, gap=5.0, tr=1.0):
        train, test = outer.train[fold.train], outer.train[fold.test]
        same = (train[:, None] < 60) == (test[None, :] < 60)
        assert (np.abs(train[:, None] - test[None, :])[same] > 5).all()
        assert not set(outer.test) & set(train)


def test_correlation_equals_numpy_and_is_zero_for_a_constant():
    rng = generator(1, "correlation")
    a, b = rng.standard_normal((30, 4)), rng.standard_normal((30, 4))
    b[:, 3] = 2.0
    expected = [np.corrcoef(a[:, i], b[:, i])[0, 1] for i in range(3)] + [0.0]
    np.testing.assert_allclose(correlation(a, b), expected, atol=1e-12)


def test_random_folds_inflate_unrelated_features_and_blocks_do_not():
    rng = generator(5, "leak")
    slow = [1.0], [1.0, -0.95]
    x = lfilter(*slow, rng.standard_normal((600, 120)), axis=0)
    y = lfilter(*slow, rng.standard_normal((600, 25)), axis=0)
    shared = {"lengths": [600], "gap": 40.0, "tr": 2.0, "progress": Silent()}
    reached = {}
    for kind in ("random", "blocks"):
        folds = make_folds(kind, [600], n_folds=5, gap=40.0, tr=2.0, rng=rng)
        (found,) = evaluate(Pls((10,)), x, [y], folds, **shared)
        reached[kind] = found["heldout_r"]["mean"]
        assert ("warning" in found) == (kind == "random")
    assert reached["random"] > 0.5
    assert abs(reached["blocks"]) < 0.15


def test_random_folds_are_balanced_and_of_one_seed():
    def made(seed):
        rng = generator(seed, "folds")
        return [fold.test for fold in make_folds("random", [53], n_folds=5, gap=0.0, tr=1.0, rng=rng).folds]

    assert sorted(map(len, made(1))) == [10, 10, 11, 11, 11]
    assert sorted(np.concatenate(made(1))) == list(range(53))
    assert all((a == b).all() for a, b in zip(made(1), made(1), strict=True))
    assert any(len(a) != len(b) or (a != b).any() for a, b in zip(made(1), made(2), strict=True))


@pytest.mark.parametrize("estimator", [Pls((1, 2, 4, 6)), Ridge((0.01, 1.0, 100.0))], ids=["pls", "ridge"])
@pytest.mark.parametrize("kind", ["blocks", "runs", "random"])
def test_nothing_of_a_held_out_row_reaches_its_prediction(estimator, kind):
    """Choices of components and penalties included: other numbers in the test rows change nothing."""
    rng = generator(6, "nested")
    x = rng.normal(size=(120, 15))
    bold = x @ rng.normal(size=(15, 8)) + 3 * rng.normal(size=(120, 8))
    folds = make_folds(kind, [60, 60], n_folds=4, gap=3.0, tr=1.0, rng=rng)
    scheme = FoldScheme(folds, (60, 60), 3.0, 1.0)
    columns = [np.arange(5), np.arange(2, 8)]
    shared = {"final": False, "engine": Engine(), "progress": Silent()}
    before = fit_regions(estimator, x, bold, columns, scheme, **shared)
    for number in (0, 1):
        test = folds.folds[number].test
        changed = bold.copy()
        changed[test] = 50 * rng.normal(size=(len(test), 8))
        after = fit_regions(estimator, x, changed, columns, scheme, **shared)
        for one, other in zip(before, after, strict=True):
            np.testing.assert_allclose(other.predictions[number], one.predictions[number], atol=1e-9)
            assert other.fold_hyperparameters[number] == one.fold_hyperparameters[number]
        rest = [n for n in range(len(folds.folds)) if n != number]
        assert not np.allclose(after[0].predictions[rest[0]], before[0].predictions[rest[0]])


def test_one_number_needs_no_inner_folds():
    """A gap that leaves nothing to choose on is no matter when nothing is chosen."""
    rng = generator(7, "given")
    x, y = rng.normal(size=(60, 4)), rng.normal(size=(60, 2))
    folds = make_folds("blocks", [60], n_folds=2, gap=9.0, tr=1.0)
    shared = {"lengths": [60], "gap": 40.0, "tr": 1.0, "progress": Silent()}
    for estimator in (Pls((2,)), Ridge((1.0,))):
        assert evaluate(estimator, x, [y], folds, **shared)
    for estimator in (Pls((1, 2)), Ridge((0.1, 1.0))):
        with pytest.raises(InputError, match="leaves nothing to choose with"):
            evaluate(estimator, x, [y], folds, **shared)
