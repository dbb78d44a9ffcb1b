"""numpy and torch give the same numbers; single precision nearly the same, and says when it does not."""

import numpy as np
import pytest
import torch

from almond.encoding.models.banded import Banded
from almond.encoding.models.estimators import Pls, Problem, Ridge, solve
from almond.encoding.models.solvers.open_backend import make_backend
from almond.errors import InputError
from almond.progress import Silent
from tests.almond.engine_data import film, problem, regions

DOUBLE = 1e-10
"""numpy and torch in double precision: largest difference, relative to the largest number."""
SINGLE = 1e-3
"""Single against double precision on well-conditioned data."""


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def difference(found, expected):
    parts = []
    for one, other in zip(found, expected, strict=True):
        pairs = [*zip(one.predictions, other.predictions, strict=True)]
        pairs = [(a - other.final.intercept, b - other.final.intercept) for a, b in pairs]
        pairs.append((one.final.weights, other.final.weights))
        parts += [np.abs(a - b).max() / np.abs(b).max() for a, b in pairs]
    return max(parts)


ESTIMATORS = (
    Pls((12,)),
    Pls((1, 2, 4, 8)),
    Ridge((0.01, 0.1, 1.0, 10.0)),
    Banded({"a": slice(0, 20), "b": slice(20, 50)}, (0.1, 1.0), draws=3),
)


@pytest.mark.parametrize(("rows", "features"), [(160, 50), (60, 150)])
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda one: one.name)
def test_torch_equals_numpy(estimator, rows, features):
    posed = problem(*film(rows, features, 18), regions(18), n_folds=3)
    expected = solve(estimator, posed, progress=Silent())
    found = solve(estimator, posed, backend="torch", progress=Silent())
    assert difference(found, expected) < DOUBLE
    for one, other in zip(found, expected, strict=True):
        assert one.warning is None
        if estimator.name == "pls":
            assert one.fold_hyperparameters == other.fold_hyperparameters


@pytest.mark.parametrize("backend", ["numpy", "torch"])
@pytest.mark.parametrize("estimator", [Pls((5,)), Ridge((1.0,))], ids=lambda one: one.name)
def test_single_precision_is_close_where_it_says_nothing(estimator, backend):
    posed = problem(*film(160, 50, 18), regions(18), n_folds=3)
    expected = solve(estimator, posed, progress=Silent())
    found = solve(estimator, posed, backend=backend, precision="float32", progress=Silent())
    assert difference(found, expected) < SINGLE
    for one in found:
        assert one.warning is None
        assert one.final.weights.dtype == np.float64


def steep(rows=200, features=60):
    """Predictors whose later factors are a thousandth of the first: what single precision cannot follow."""
    x, y = film(rows, features, 12, rank=20)
    left, sizes, right = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    return left * (sizes[0] * 10.0 ** (-np.arange(len(sizes)) / 4)) @ right, y


@pytest.mark.parametrize("backend", ["numpy", "torch"])
@pytest.mark.parametrize(
    ("estimator", "message"), [(Pls((16,)), "PLS directions"), (Ridge((1e-5,)), "ridge weights")]
)
def test_single_precision_warns_where_it_matters(estimator, message, backend):
    posed = problem(*steep(), [np.arange(12)], n_folds=3)
    expected = solve(estimator, posed, progress=Silent())
    found = solve(estimator, posed, backend=backend, precision="float32", progress=Silent())
    assert difference(found, expected) > SINGLE
    assert message in found[0].warning
    assert "precision: float64" in found[0].warning
    assert expected[0].warning is None


def test_arrays_go_to_torch_and_back():
    engine = make_backend("torch")
    fixed = np.arange(6.0).reshape(2, 3)
    fixed.flags.writeable = False
    there = engine.array(fixed)
    there += 1.0
    np.testing.assert_array_equal(fixed, np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(engine.host(there), fixed + 1.0)
    assert engine.itemsize == 8
    assert make_backend("torch", precision="float32").itemsize == 4


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_factorisations(backend):
    engine = make_backend(backend)
    x = film(30, 12, 3)[0]
    matrix, right = x.T @ x, x.T @ np.ones((30, 2))
    factor = engine.cholesky(engine.array(matrix.copy()))
    np.testing.assert_allclose(
        engine.host(engine.solve(factor, engine.array(right))), np.linalg.solve(matrix, right), atol=1e-8
    )
    values, vectors = (engine.host(part) for part in engine.eigh(engine.array(matrix.copy())))
    np.testing.assert_allclose(vectors * values @ vectors.T, matrix, atol=1e-8)
    axes, triangle = (engine.host(part) for part in engine.orthonormal(engine.array(x)))
    np.testing.assert_allclose(axes @ triangle, x, atol=1e-10)
    np.testing.assert_allclose(axes.T @ axes, np.eye(12), atol=1e-12)
    with pytest.raises(np.linalg.LinAlgError):
        engine.cholesky(engine.array(-np.eye(3)))


def test_banded_in_single_precision_runs():
    posed = problem(*film(60, 50, 5), [np.arange(5)], n_folds=2)
    (found,) = solve(ESTIMATORS[3], posed, precision="float32", progress=Silent())
    assert "single precision" in found.warning
    assert np.isfinite(found.final.weights).all()


def test_bands_must_cover_the_predictors():
    posed = problem(*film(60, 49, 5), [np.arange(5)], n_folds=2)
    with pytest.raises(InputError, match="49 predictors for bands of 50"):
        solve(ESTIMATORS[3], posed, progress=Silent())
    gap = Banded({"a": slice(0, 20), "b": slice(25, 49)}, (1.0,))
    with pytest.raises(InputError, match="overlap or leave features out"):
        solve(gap, Problem(posed.x, posed.bold, posed.columns, posed.folds, posed.inner), progress=Silent())
