"""Ridge of all regions and folds with shared Gram matrices against scikit-learn, himalaya and brute force."""

import numpy as np
import pytest
from himalaya.backend import set_backend
from himalaya.ridge import RidgeCV
from sklearn.linear_model import Ridge as SklearnRidge

from almond.encoding.models import ridge_cv as ridge_folds
from almond.encoding.models.estimators import Problem, Ridge, solve
from almond.encoding.models.folds import Fold
from almond.encoding.models.ridge import fit_ridge, relative_penalties
from almond.encoding.models.solvers import ridge_systems
from almond.encoding.models.solvers.open_backend import make_backend
from almond.errors import InputError
from almond.progress import Silent
from tests.almond.engine_data import film, problem, regions

FACTORS = (0.01, 0.3, 3.0, 100.0)


def quarters(rows):
    every = np.arange(rows)
    return [Fold(np.setdiff1d(every, part), part) for part in np.array_split(every, 4)]


def brute_force(x, y, folds, penalties):
    """Penalty of least summed squared error per voxel, by scikit-learn."""
    errors = np.zeros((len(penalties), y.shape[1]))
    for index, penalty in enumerate(penalties):
        for fold in folds:
            model = SklearnRidge(alpha=penalty, solver="cholesky").fit(x[fold.train], y[fold.train])
            errors[index] += ((model.predict(x[fold.test]) - y[fold.test]) ** 2).sum(axis=0)
    return np.asarray(penalties)[errors.argmin(axis=0)]


@pytest.mark.parametrize(("rows", "features", "voxels"), [(160, 40, 12), (80, 150, 9)])
def test_nested_ridge_equals_brute_force(rows, features, voxels):
    posed = problem(*film(rows, features, voxels), regions(voxels))
    found = solve(Ridge(FACTORS), posed, progress=Silent())
    everything = Fold(np.arange(rows), np.arange(0))
    for number, fold in enumerate((*posed.folds, everything)):
        x, y = posed.x[fold.train], posed.bold[fold.train]
        grid = relative_penalties(x, FACTORS)
        chosen = brute_force(x, y, posed.inner(fold), grid)
        model = SklearnRidge(alpha=chosen, solver="svd").fit(x, y)
        for one, columns in zip(found, posed.columns, strict=True):
            picked = one.final.hyperparameters if fold is everything else one.fold_hyperparameters[number]
            assert picked["penalty_median"] == pytest.approx(np.median(chosen[columns]), rel=1e-9)
            if fold is everything:
                np.testing.assert_allclose(one.final.weights, model.coef_[columns].T, rtol=1e-8, atol=1e-10)
                np.testing.assert_allclose(one.final.intercept, model.intercept_[columns], rtol=1e-9)
            else:
                expected = model.predict(posed.x[fold.test])[:, columns]
                np.testing.assert_allclose(one.predictions[number], expected, rtol=1e-10, atol=1e-8)


@pytest.mark.parametrize(("rows", "features"), [(160, 40), (80, 150)])
def test_ridge_equals_himalaya(rows, features):
    x, y = film(rows, features, 30, seed=4)
    folds, penalties = quarters(rows), relative_penalties(x, np.logspace(-3, 3, 10).tolist())
    model = fit_ridge(x, y, penalties, folds)
    set_backend("numpy")
    splits = [(fold.train, fold.test) for fold in folds]
    peer = RidgeCV(alphas=penalties, cv=splits, fit_intercept=True, solver_params={"warn": False}).fit(x, y)
    np.testing.assert_allclose(model.penalties, peer.best_alphas_, rtol=1e-9)
    assert len(np.unique(model.penalties)) > 1
    np.testing.assert_allclose(model.weights, peer.coef_, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(model.intercept, peer.intercept_, rtol=1e-9)


@pytest.mark.parametrize(("rows", "features"), [(160, 40), (80, 150)])
def test_eigenvectors_and_cholesky_factors_solve_the_same(monkeypatch, rows, features):
    posed = problem(*film(rows, features, 14), regions(14))
    found = []
    for cost in (0.0, 1e9):
        monkeypatch.setattr(ridge_systems, "EIGEN_COST", cost)
        monkeypatch.setattr(ridge_folds, "PORTION", 5 if cost == 0.0 else 4096)
        found.append(solve(Ridge(FACTORS), posed, progress=Silent()))
    for one, other in zip(*found, strict=True):
        assert one.final.hyperparameters["penalty_median"] == pytest.approx(
            other.final.hyperparameters["penalty_median"]
        )
        np.testing.assert_allclose(one.final.weights, other.final.weights, rtol=1e-8, atol=1e-10)
        for pair in zip(one.predictions, other.predictions, strict=True):
            np.testing.assert_allclose(*pair, atol=1e-9)


def test_the_kind_of_factors_follows_the_cost():
    engine, matrix = make_backend(), np.eye(200)
    few, many = (ridge_systems.factors_for(engine, matrix + 0.0, 10, number) for number in (5, 50_000))
    assert isinstance(few, ridge_systems.Direct)
    assert isinstance(many, ridge_systems.Spectral)


def test_one_penalty_needs_no_inner_folds():
    x, y = film(60, 10, 4)

    def inner(fold):
        raise AssertionError("nothing to choose")

    posed = problem(x, y, [np.arange(4)])
    (found,) = solve(
        Ridge((0.5,)), Problem(x, y, posed.columns, posed.folds, inner), progress=Silent(), final=False
    )
    assert found.final is None
    fold = posed.folds[1]
    alpha = relative_penalties(x[fold.train], [0.5])[0]
    model = SklearnRidge(alpha=alpha).fit(x[fold.train], y[fold.train])
    np.testing.assert_allclose(found.predictions[1], model.predict(x[fold.test]), atol=1e-9)


def test_the_order_of_candidates_does_not_matter():
    posed = problem(*film(100, 20, 6), [np.arange(6)])
    (up,), (down,) = (solve(Ridge(order), posed, progress=Silent()) for order in (FACTORS, FACTORS[::-1]))
    assert up.fold_hyperparameters == down.fold_hyperparameters
    np.testing.assert_array_equal(up.final.weights, down.final.weights)


def test_predictors_that_do_not_vary_predict_the_mean():
    y = film(60, 10, 4)[1]
    posed = problem(np.ones((60, 10)), y, [np.arange(4)])
    (found,) = solve(Ridge(FACTORS), posed, progress=Silent())
    np.testing.assert_allclose(found.final.predict(np.ones((1, 10)))[0], y.mean(axis=0))


def test_penalties_that_mean_nothing_or_too_little_are_refused():
    posed = problem(*film(60, 10, 4), [np.arange(4)])
    with pytest.raises(InputError, match="above 0"):
        solve(Ridge((0.0, 1.0)), posed, progress=Silent())
    repeated = Problem(
        np.repeat(posed.x[:, :1], 10, axis=1), posed.bold, posed.columns, posed.folds, posed.inner
    )
    with pytest.raises(InputError, match="too small to solve with in this precision"):
        solve(Ridge((1e-12,)), repeated, precision="float32", progress=Silent())
