"""PLS, ridge, HRF and alignment against references computed elsewhere."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge as SklearnRidge

from almond.encoding.hemodynamics.convolution import align, convolve, hold, rational, resample
from almond.encoding.hemodynamics.hrf import spm_hrf
from almond.encoding.models.folds import Fold
from almond.encoding.models.pls import fit_pls
from almond.encoding.models.ridge import fit_ridge, relative_penalties
from almond.errors import InputError
from almond.rng import generator

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="module")
def plsregress():
    return np.load(FIXTURES / "plsregress.npz")


def relative(found, expected):
    expected = np.asarray(expected).reshape(np.shape(found))
    return np.abs(found - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("components", [1, 4, 12])
def test_pls_equals_plsregress(plsregress, components):
    x, y = plsregress["pls_X"], plsregress["pls_Y"]
    model = fit_pls(x, y, components)
    weights, intercept = model.coefficients()
    stem = f"pls_k{components}"
    assert relative(weights, plsregress[f"{stem}_coef"]) < 1e-8
    assert relative(x @ weights + intercept, plsregress[f"{stem}_fit"]) < 1e-8
    for name, found in (
        ("xl", model.x_loadings),
        ("yl", model.y_loadings),
        ("xs", model.x_scores),
        ("ys", model.y_scores),
    ):
        assert relative(np.abs(found), np.abs(plsregress[f"{stem}_{name}"])) < 1e-8


def test_pls_coefficients_of_fewer_components_are_those_of_a_smaller_fit(plsregress):
    x, y = plsregress["pls_X"], plsregress["pls_Y"]
    large, small = fit_pls(x, y, 12), fit_pls(x, y, 4)
    np.testing.assert_allclose(large.coefficients(4)[0], small.coefficients()[0], rtol=1e-10, atol=1e-12)
    path = large.path(x[:7])
    weights, intercept = small.coefficients()
    np.testing.assert_allclose(path[3], x[:7] @ weights + intercept, rtol=1e-10, atol=1e-10)


def test_pls_with_more_voxels_than_features_and_with_nothing_to_learn():
    rng = generator(1, "pls")
    x, y = rng.standard_normal((40, 5)), rng.standard_normal((40, 30))
    weights, intercept = fit_pls(x, y, 5).coefficients()
    ols = np.linalg.lstsq(np.c_[np.ones(40), x], y, rcond=None)[0]
    np.testing.assert_allclose(np.vstack([intercept, weights]), ols, atol=1e-10)
    flat = fit_pls(x, np.full((40, 3), 7.0), 3)
    assert flat.coefficients()[0].any() == np.False_
    np.testing.assert_allclose(flat.coefficients()[1], 7.0)


def test_pls_refuses_rows_that_do_not_match():
    with pytest.raises(InputError, match="has 9 rows for 10 volumes"):
        fit_pls(np.ones((9, 2)), np.ones((10, 2)), 1)


@pytest.mark.parametrize(("name", "interval"), [("hrf_rt1", 1.0), ("hrf_rt08", 0.8), ("hrf_rt2", 2.0)])
def test_hrf_equals_spm(name, interval):
    expected = np.load(FIXTURES / "spm_hrf.npz")[name].ravel()
    np.testing.assert_allclose(spm_hrf(interval), expected, rtol=0, atol=1e-10)


def test_hrf_with_own_parameters_and_bad_interval():
    expected = np.load(FIXTURES / "spm_hrf.npz")["hrf_custom"].ravel()
    np.testing.assert_allclose(spm_hrf(1.5, (5, 15, 1.1, 0.9, 5, 0.5, 30)), expected, rtol=0, atol=1e-10)
    with pytest.raises(InputError, match="interval"):
        spm_hrf(0.0)


@pytest.mark.parametrize(("up", "down"), [(7, 33), (5, 24), (3, 2), (10, 7), (547, 2623)])
def test_resample_equals_matlab(up, down):
    stored = np.load(FIXTURES / "resample.npz")
    np.testing.assert_allclose(
        resample(stored["rs_x"], up, down), stored[f"rs_{up}_{down}"], rtol=0, atol=1e-10
    )


def test_both_orders_of_the_chain():
    stored = np.load(FIXTURES / "chain.npz")
    features, response = stored["feat"], spm_hrf(1.0)
    first = convolve(resample(features, 40, 193), response)
    second = resample(convolve(features, response), 40, 193)
    np.testing.assert_allclose(first, stored["chain_resample_then_conv"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(second, stored["chain_conv_then_resample"], rtol=0, atol=1e-10)


def test_convolution_is_the_same_both_ways():
    values = generator(1, "convolve").standard_normal((200, 3))
    response = spm_hrf(2.0)
    expected = np.stack([np.convolve(column, response)[:200] for column in values.T], axis=1)
    np.testing.assert_allclose(convolve(values, response), expected, atol=1e-12)
    np.testing.assert_allclose(convolve(values[:20], response), expected[:20], atol=1e-12)


def test_align_counts_rows_and_names_the_file():
    features = np.zeros((400, 2))
    with pytest.raises(
        InputError, match=r"frames.npy: has 400 rows of features for a run of 60 volumes.*480"
    ):
        align(features, interval=0.25, n_volumes=60, tr=2.0, source="frames.npy")
    assert align(np.zeros((480, 2)), interval=0.25, n_volumes=60, tr=2.0).shape == (60, 2)
    assert align(np.zeros((60, 2)), interval=2.0, n_volumes=60, tr=2.0).shape == (60, 2)


def test_a_slow_feature_survives_alignment():
    time = np.arange(0, 120, 0.1)
    slow = np.sin(2 * np.pi * time / 40)[:, None]
    found = align(slow, interval=0.1, n_volumes=80, tr=1.5, hrf=False)
    np.testing.assert_allclose(found[5:-5, 0], np.sin(2 * np.pi * np.arange(80) * 1.5 / 40)[5:-5], atol=5e-3)


def test_intervals_without_a_simple_ratio_are_refused():
    assert rational(0.15, 1.5) == (1, 10)
    assert rational(5 / 23.976, 1.0) == (625, 2997)
    with pytest.raises(InputError, match="no simple ratio"):
        rational(np.pi / 1e4, 2.0)


def test_hold_keeps_the_time_between_grid_points():
    laid = hold(
        np.array([0.25, 9.0]), np.array([1.0, 5.0]), np.array([[2.0], [1.0]]), interval=0.5, seconds=10
    )
    assert laid.shape == (20, 1)
    np.testing.assert_allclose(laid[:4, 0], [1.0, 2.0, 1.0, 0.0])
    assert laid[18:].sum() == pytest.approx(2.0)
    assert laid.sum() * 0.5 == pytest.approx(2.0 * 1.0 + 1.0 * 1.0)


@pytest.mark.parametrize(("rows", "columns"), [(60, 12), (40, 90)])
def test_ridge_equals_brute_force(rows, columns):
    rng = generator(2, "ridge", rows)
    x, y = rng.standard_normal((rows, columns)), rng.standard_normal((rows, 6))
    y[:, :3] += 4 * x[:, :3]
    grid = np.array([0.1, 3.0, 100.0, 1e4])
    half = np.arange(rows) < rows // 2
    folds = [
        Fold(np.flatnonzero(half), np.flatnonzero(~half)),
        Fold(np.flatnonzero(~half), np.flatnonzero(half)),
    ]
    model = fit_ridge(x, y, grid, folds)
    for voxel in range(6):
        errors = []
        for penalty in grid:
            missed = 0.0
            for fold in folds:
                fitted = SklearnRidge(alpha=penalty).fit(x[fold.train], y[fold.train, voxel])
                missed += ((fitted.predict(x[fold.test]) - y[fold.test, voxel]) ** 2).sum()
            errors.append(missed)
        best = grid[int(np.argmin(errors))]
        assert model.penalties[voxel] == best
        reference = SklearnRidge(alpha=best, solver="svd").fit(x, y[:, voxel])
        np.testing.assert_allclose(model.weights[:, voxel], reference.coef_, rtol=1e-8, atol=1e-10)
        assert model.intercept[voxel] == pytest.approx(reference.intercept_, abs=1e-9)


def test_relative_penalties_do_not_depend_on_units():
    rng = generator(3, "penalties")
    x, y = rng.standard_normal((50, 4)), rng.standard_normal((50, 2))
    small = fit_ridge(x, y, relative_penalties(x, [0.5]))
    large = fit_ridge(1000 * x, y, relative_penalties(1000 * x, [0.5]))
    np.testing.assert_allclose(large.weights * 1000, small.weights, rtol=1e-10)


def test_ridge_refuses_what_it_cannot_choose():
    x, y = np.eye(4), np.ones((4, 1))
    with pytest.raises(InputError, match="penalties"):
        fit_ridge(x, y, np.array([0.0]))
    with pytest.raises(InputError, match="no folds"):
        fit_ridge(x, y, np.array([1.0, 2.0]))
