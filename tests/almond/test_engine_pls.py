"""PLS of all regions and folds in step against fits one by one, references and definitions."""

from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from almond.encoding.models import pls_cv as pls_folds
from almond.encoding.models.estimators import Pls, Problem, Ridge, solve
from almond.encoding.models.folds import correlation
from almond.encoding.models.pls import fit_pls
from almond.encoding.models.pls_cv import heldout_r
from almond.encoding.models.solvers import deflation
from almond.encoding.models.solvers.eigen import lanczos, leading_eigenvector
from almond.encoding.models.solvers.open_backend import make_backend
from almond.encoding.models.solvers.threads import one_thread
from almond.errors import Cancelled, InputError
from almond.progress import Silent
from almond.rng import generator
from tests.almond.engine_data import film, problem, regions

FIXTURES = Path(__file__).parent / "fixtures"


def largest(found, expected):
    """Largest difference, relative to the largest number expected."""
    return np.abs(found - expected).max() / np.abs(expected).max()


def one_by_one(posed, number, fold, columns):
    """The published algorithm on copies of the fold's rows."""
    model = fit_pls(posed.x[fold.train], posed.bold[np.ix_(fold.train, columns)], number)
    weights, intercept = model.coefficients()
    return weights, intercept, posed.x[fold.test] @ weights + intercept


def chosen_one_by_one(posed, candidates, rows, inner, columns):
    """The number with the highest mean r over inner folds, fitted one at a time."""
    gained = np.zeros(len(candidates))
    for fold in inner:
        model = fit_pls(posed.x[rows][fold.train], posed.bold[rows][fold.train][:, columns], max(candidates))
        path = model.path(posed.x[rows][fold.test])
        reached = correlation(path, posed.bold[rows][fold.test][:, columns]).mean(axis=1)
        gained += reached[np.minimum(candidates, len(reached)) - 1]
    return candidates[int(gained.argmax())]


@pytest.mark.parametrize("components", [1, 4, 12])
def test_the_engine_equals_plsregress(components):
    stored = np.load(FIXTURES / "plsregress.npz")
    x, y = stored["pls_X"], stored["pls_Y"]
    posed = Problem(x, y, [np.arange(y.shape[1])], (), lambda _: ())
    (found,) = solve(Pls((components,)), posed, progress=Silent())
    expected = stored[f"pls_k{components}_coef"]
    assert largest(found.final.weights, expected) < 1e-8
    intercept = y.mean(axis=0) - x.mean(axis=0) @ expected  # as MATLAB's first row of beta
    assert largest(found.final.intercept, intercept) < 1e-8
    assert largest(found.final.predict(x), stored[f"pls_k{components}_fit"]) < 1e-8


@pytest.mark.parametrize("components", [1, 4, 12])
def test_percent_variance_equals_its_definition(components):
    stored = np.load(FIXTURES / "plsregress.npz")
    x, y = stored["pls_X"], stored["pls_Y"]
    found = fit_pls(x, y, components).percent_variance
    assert found.shape == (2, components)
    for row, (name, whole) in enumerate((("xl", x), ("yl", y))):
        loadings = stored[f"pls_k{components}_{name}"].reshape(whole.shape[1], components)
        expected = (loadings**2).sum(axis=0) / ((whole - whole.mean(axis=0)) ** 2).sum()
        np.testing.assert_allclose(found[row], expected, rtol=1e-8)
    # Scores are orthonormal: what the first k leave over is what the shares say.
    model = fit_pls(x, y, components)
    left = (x - x.mean(axis=0)) - model.x_scores @ model.x_loadings.T
    assert (left**2).sum() / model.squares[0] == pytest.approx(1 - found[0].sum(), abs=1e-12)


@pytest.mark.parametrize(
    ("rows", "features", "voxels", "kind"),
    [(240, 90, 60, "blocks"), (120, 500, 40, "blocks"), (240, 30, 80, "runs"), (200, 90, 12, "random")],
)
def test_in_step_equals_one_by_one(rows, features, voxels, kind):
    posed = problem(*film(rows, features, voxels), regions(voxels), kind=kind)
    found = solve(Pls((14,)), posed, progress=Silent())
    everything = np.arange(rows)
    for one, columns in zip(found, posed.columns, strict=True):
        for predicted, fold in zip(one.predictions, posed.folds, strict=True):
            expected = one_by_one(posed, 14, fold, columns)[2]
            assert largest(predicted - expected.mean(), expected - expected.mean()) < 1e-9
        model = fit_pls(posed.x, posed.bold[:, columns], 14)
        weights, intercept = model.coefficients()
        assert largest(one.final.weights, weights) < 1e-9
        assert largest(one.final.intercept, intercept) < 1e-9
        assert one.final.hyperparameters == {"components": model.n_components}
        assert one.warning is None
    assert sum(len(fold.test) for fold in posed.folds) == len(everything)


@pytest.mark.parametrize(("rows", "features", "voxels"), [(160, 70, 20), (90, 400, 15)])
def test_components_are_chosen_inside_the_folds(rows, features, voxels):
    candidates = (1, 2, 3, 5, 8)
    posed = problem(*film(rows, features, voxels), regions(voxels))
    found = solve(Pls(candidates), posed, progress=Silent())
    everything = np.arange(rows)
    for one, columns in zip(found, posed.columns, strict=True):
        for fold, chosen, predicted in zip(
            posed.folds, one.fold_hyperparameters, one.predictions, strict=True
        ):
            number = chosen_one_by_one(posed, candidates, fold.train, posed.inner(fold), columns)
            assert chosen == {"components": number}
            expected = one_by_one(posed, number, fold, columns)[2]
            np.testing.assert_allclose(predicted, expected, atol=1e-9)
        whole = type(posed.folds[0])(everything, everything[:0])
        number = chosen_one_by_one(posed, candidates, everything, posed.inner(whole), columns)
        assert one.final.hyperparameters == {"components": number}


def test_what_is_tried_in_small_batches_is_the_same(monkeypatch):
    posed = problem(*film(160, 70, 20), regions(20))
    expected = solve(Pls((2, 4, 6)), posed, progress=Silent())
    monkeypatch.setattr(pls_folds, "WORKING_BYTES", 60_000)
    found = solve(Pls((2, 4, 6)), posed, progress=Silent())
    for one, other in zip(found, expected, strict=True):
        assert one.fold_hyperparameters == other.fold_hyperparameters
        np.testing.assert_allclose(one.final.weights, other.final.weights, rtol=1e-9, atol=1e-12)
        for pair in zip(one.predictions, other.predictions, strict=True):
            np.testing.assert_allclose(*pair, atol=1e-10)


@pytest.mark.parametrize(("features", "voxels"), [(90, 60), (40, 70)])
def test_every_way_to_the_directions_is_the_same(monkeypatch, features, voxels):
    posed = problem(*film(200, features, voxels), regions(voxels))
    expected = solve(Pls((12,)), posed, progress=Silent())
    for name, value in (("LARGEST", 5), ("REFRESH", 1.0)):
        with monkeypatch.context() as changed:
            changed.setattr(deflation, name, value)
            found = solve(Pls((12,)), posed, progress=Silent())
        for one, other in zip(found, expected, strict=True):
            assert largest(one.final.weights, other.final.weights) < 1e-9


@pytest.mark.parametrize("size", [1, 2, 40, 300])
def test_the_leading_eigenvector_is_lapacks(size):
    rng = generator(2, "eigen", size)
    parts = rng.standard_normal((size, size + 3)) * 0.9 ** np.arange(size + 3)
    matrix = parts @ parts.T
    values, vectors = np.linalg.eigh(matrix)
    for value, vector in (leading_eigenvector(matrix), lanczos(lambda one: matrix @ one, size)):
        assert value == pytest.approx(values[-1], rel=1e-12)
        assert abs(vector @ vectors[:, -1]) == pytest.approx(1.0, abs=1e-12)
        assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-14)


def test_lanczos_of_multiples_of_the_identity_and_of_nothing():
    value, vector = lanczos(lambda one: 4.0 * one, 30)
    assert value == pytest.approx(4.0)
    assert np.linalg.norm(vector) == pytest.approx(1.0)
    assert lanczos(lambda one: 0.0 * one, 5)[0] == 0.0


def test_held_out_r_from_components_is_that_of_the_predictions():
    x, y = film(120, 30, 9)
    model = fit_pls(x[:80], y[:80], 6)
    scores = (x[80:] - model.x_mean) @ model.rotations
    found = heldout_r(scores.T, model.y_loadings.T, y[80:])
    np.testing.assert_allclose(found, correlation(model.path(x[80:]), y[80:]), atol=1e-12)
    flat = heldout_r(scores.T, model.y_loadings.T, np.ones((40, 9)))
    assert not flat.any()


def test_covariance_that_is_exhausted_stops_and_nothing_to_learn_predicts_the_mean():
    rng = generator(3, "exhausted")
    x = rng.standard_normal((60, 20))
    y = np.c_[x @ rng.standard_normal((20, 3)), np.full((60, 2), 7.0)]
    posed = problem(x, y, [np.arange(3), np.array([3, 4])], n_folds=3, gap=0)
    learns, flat = solve(Pls((20,)), posed, progress=Silent())
    np.testing.assert_allclose(learns.final.predict(x), y[:, :3], atol=1e-8)
    assert flat.final.hyperparameters == {"components": 0}
    assert not flat.final.weights.any()
    np.testing.assert_allclose(flat.final.intercept, 7.0)
    for predicted in flat.predictions:
        np.testing.assert_allclose(predicted, 7.0, atol=1e-12)
    few = Problem(x, y, [np.arange(5)], posed.folds, posed.inner)
    reference = fit_pls(x, y, 20)
    (found,) = solve(Pls((20,)), few, progress=Silent())
    assert found.final.hyperparameters == {"components": reference.n_components}


def test_a_large_level_of_the_features_costs_no_digits():
    x, y = film(160, 40, 10, level=0.0)
    posed, lifted = problem(x, y, [np.arange(10)]), problem(x + 1e4, y - 1e4, [np.arange(10)])
    (found,), (other,) = (solve(Pls((8,)), one, progress=Silent()) for one in (posed, lifted))
    np.testing.assert_allclose(found.final.weights, other.final.weights, atol=1e-9)
    for pair in zip(found.predictions, other.predictions, strict=True):
        np.testing.assert_allclose(pair[0], pair[1] + 1e4, atol=1e-8)


def test_what_cannot_be_solved_is_refused():
    x, y = film(40, 6, 4)
    posed = problem(x, y, [np.arange(4)], n_folds=2)
    spoilt = x.copy()
    spoilt[3, 2] = np.nan
    for changed, options, message in (
        ({"x": x[:-1]}, {}, "has 39 rows for 40 volumes"),
        ({"columns": []}, {}, "hold no voxels"),
        ({"columns": [np.arange(0)]}, {}, "hold no voxels"),
        ({"x": spoilt}, {}, "not finite"),
        ({"folds": ()}, {"final": False}, "are missing"),
        ({}, {"backend": "jax"}, "backend: is 'jax'"),
        ({}, {"device": "cuda"}, "numpy cannot use"),
        ({}, {"precision": "half"}, "precision"),
    ):
        parts = {name: getattr(posed, name) for name in ("x", "bold", "columns", "folds", "inner")}
        with pytest.raises(InputError, match=message):
            solve(Pls((2,)), Problem(**{**parts, **changed}), progress=Silent(), **options)
    with pytest.raises(InputError, match="components"):
        solve(Pls((0, 2)), posed, progress=Silent())


def test_it_says_where_it_is_and_can_be_stopped():
    said = []

    class Stopping:
        def report(self, fraction, message=""):
            said.append(fraction)
            raise Cancelled("enough")

    posed = problem(*film(40, 6, 4), [np.arange(4)], n_folds=2)
    for estimator in (Pls((2,)),):
        with pytest.raises(Cancelled):
            solve(estimator, posed, progress=Stopping())
    assert said == [0.0]


def test_the_backend_of_torch_asks_for_what_is_there():
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        assert make_backend("torch", "cuda").name == "torch"
    else:
        with pytest.raises(InputError, match="no graphics card"):
            make_backend("torch", "cuda")


@pytest.mark.parametrize("estimator", [Pls((6,)), Ridge((0.1,))], ids=lambda one: one.name)
def test_data_stored_in_single_precision_are_computed_in_double(estimator):
    x, y = (part.astype(np.float32) for part in film(160, 40, 10, level=50.0))
    columns = [np.arange(10)]
    (found,) = solve(estimator, problem(x, y, columns), progress=Silent())
    doubles = problem(x.astype(np.float64), y.astype(np.float64), columns)
    (expected,) = solve(estimator, doubles, progress=Silent())
    assert largest(found.final.weights, expected.final.weights) < 1e-10
    assert largest(found.final.intercept, expected.final.intercept) < 1e-10


def test_small_products_take_one_thread_and_the_rest_what_it_had():
    def threads():
        return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]

    with threadpool_limits(2, user_api="blas"):
        before = threads()
        with one_thread():
            assert set(threads()) == {1}
        assert threads() == before
