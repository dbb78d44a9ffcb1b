"""Ridge regression for many targets at once, each with its own penalty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from almond.encoding.crossval import Fold
from almond.errors import InputError

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class RidgeModel:
    """Weights (D, V), intercept (V,), and the penalty (V,) of each target."""

    weights: Matrix
    intercept: Matrix
    penalties: Matrix


@dataclass(frozen=True)
class _Spectrum:
    """Centred predictors through the eigenvectors of the smaller of their two Gram matrices.

    With X0 = U diag(s) B': ``right`` is B (D, R), ``values`` s squared, ``projected`` diag(s) U'Y0 (R, V), so
    that the weights for a penalty a are B diag(1 / (s^2 + a)) projected.
    """

    x_mean: Matrix
    y_mean: Matrix
    right: Matrix
    values: Matrix
    projected: Matrix

    def weights(self, penalties: Matrix) -> Matrix:
        """(D, V) for one penalty per target (V,)."""
        return self.right @ (self.projected / (self.values[:, None] + penalties[None, :]))

    def predictions(self, predictors: Matrix, penalty: float) -> Matrix:
        """(m, V) of predictors (m, D), the same penalty for every target."""
        scores = (predictors - self.x_mean) @ self.right
        return np.asarray((scores / (self.values + penalty)) @ self.projected + self.y_mean, dtype=np.float64)


def _decompose(x: Matrix, y: Matrix) -> _Spectrum:
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    x0, y0 = x - x_mean, y - y_mean
    wide = x0.shape[1] > len(x0)
    values, vectors = np.linalg.eigh(x0 @ x0.T if wide else x0.T @ x0)
    kept = values > values[-1] * 1e-12 if values[-1] > 0 else np.zeros(len(values), bool)
    values, vectors = values[kept], vectors[:, kept]
    right = x0.T @ vectors / np.sqrt(values) if wide else vectors
    return _Spectrum(x_mean, y_mean, right, values, right.T @ (x0.T @ y0))


def relative_penalties(predictors: NDArray[np.floating[Any]], factors: Sequence[float]) -> Matrix:
    """Penalties as multiples of the mean eigenvalue of X0'X0, so that they do not depend on units or
    length."""
    x = np.asarray(predictors, np.float64)
    scale = float(((x - x.mean(axis=0)) ** 2).sum() / x.shape[1])
    return np.asarray(factors, np.float64) * (scale or 1.0)


def fit_ridge(
    predictors: NDArray[np.floating[Any]],
    responses: NDArray[np.floating[Any]],
    penalties: NDArray[np.floating[Any]],
    folds: Sequence[Fold] = (),
) -> RidgeModel:
    """Minimise |Y0 - X0 B|^2 + a |B|^2 per target, with the intercept free.

    Predictors (n, D), responses (n, V), candidate penalties (P,) above 0. With one candidate it is used; with
    more, each target takes the one with the least squared error summed over ``folds`` (positions within the
    rows given).

    :raises InputError: row counts differ, no penalty above 0, or several penalties without folds.
    """
    x, y = np.asarray(predictors, np.float64), np.asarray(responses, np.float64)
    grid = np.asarray(penalties, np.float64)
    if len(x) != len(y):
        raise InputError("features", f"has {len(x)} rows for {len(y)} volumes", f"{len(y)} rows")
    if grid.ndim != 1 or len(grid) == 0 or not (grid > 0).all():
        raise InputError("penalties", f"are {grid.tolist()}", "one or more numbers above 0")
    chosen = np.full(y.shape[1], grid[0]) if len(grid) == 1 else choose_penalties(x, y, grid, folds)
    spectrum = _decompose(x, y)
    weights = spectrum.weights(chosen)
    return RidgeModel(weights, spectrum.y_mean - spectrum.x_mean @ weights, chosen)


def choose_penalties(x: Matrix, y: Matrix, grid: Matrix, folds: Sequence[Fold]) -> Matrix:
    """The penalty (V,) of each target with the least squared error over the folds; the first of equals."""
    if not folds:
        raise InputError("penalties", "several to choose from, but no folds to choose with", "inner folds")
    errors = np.zeros((len(grid), y.shape[1]))
    for fold in folds:
        spectrum = _decompose(x[fold.train], y[fold.train])
        for index, penalty in enumerate(grid):
            missed = y[fold.test] - spectrum.predictions(x[fold.test], float(penalty))
            errors[index] += (missed**2).sum(axis=0)
    return np.asarray(grid[errors.argmin(axis=0)], np.float64)
