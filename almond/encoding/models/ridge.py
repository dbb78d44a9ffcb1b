"""Ridge regression for many targets at once, each with its own penalty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from almond.encoding.models.folds import Fold
from almond.encoding.models.ridge_cv import fit_nested_ridge
from almond.encoding.models.solvers.open_backend import make_backend
from almond.encoding.models.solvers.training_sets import make_training_sets
from almond.errors import InputError
from almond.progress import Silent
from almond.typing import Floats


@dataclass(frozen=True)
class RidgeModel:
    """Weights (D, V), intercept (V,), and the penalty (V,) of each target."""

    weights: Floats
    intercept: Floats
    penalties: Floats


def relative_penalties(predictors: NDArray[np.floating[Any]], factors: Sequence[float]) -> Floats:
    """Return penalties as multiples of the mean eigenvalue of X0'X0, free of units and length."""
    x = np.asarray(predictors, np.float64)
    # trace(X0'X0) / D, the mean of the D eigenvalues.
    scale = float(((x - x.mean(axis=0)) ** 2).sum() / x.shape[1])
    return np.asarray(factors, np.float64) * (scale or 1.0)


def fit_ridge(
    predictors: NDArray[np.floating[Any]],
    responses: NDArray[np.floating[Any]],
    penalties: NDArray[np.floating[Any]],
    folds: Sequence[Fold] = (),
    *,
    backend: str = "numpy",
    device: str = "cpu",
    precision: str = "float64",
) -> RidgeModel:
    """Minimise |Y0 - X0 B|^2 + a |B|^2 per target, with the intercept free.

    With one candidate penalty it is used; with more, each target takes the one with the least squared error
    summed over the folds; the first of equals.

    :param predictors: (n, D); ``responses``: (n, V).
    :param penalties: candidates (P,), above 0.
    :param folds: row numbers to choose on; needed for several penalties.
    :param backend: see :func:`almond.encoding.models.solvers.open_backend.make_backend`, as ``device``,
        ``precision``.
    :raises InputError: row counts differ, no penalty above 0, or several penalties without folds.
    """
    x, y = np.asarray(predictors), np.asarray(responses)
    grid = np.asarray(penalties, np.float64)
    if len(x) != len(y):
        raise InputError("features", f"has {len(x)} rows for {len(y)} volumes", f"{len(y)} rows")
    if grid.ndim != 1 or len(grid) == 0 or not (grid > 0).all():
        raise InputError("penalties", f"are {grid.tolist()}", "one or more numbers above 0")
    if len(grid) > 1 and not folds:
        raise InputError("penalties", "several to choose from, but no folds to choose with", "inner folds")
    training = make_training_sets(len(x), (), (lambda _: folds) if len(grid) > 1 else None, final=True)
    engine = make_backend(backend, device, precision)
    fit = next(fit_nested_ridge(engine, x, y, training, lambda _: grid.tolist(), progress=Silent()))
    if fit.weights is None or fit.intercept is None:
        raise InputError("penalties", "gave no model", "rows to fit")
    return RidgeModel(fit.weights, fit.intercept, fit.penalties)
