"""Banded ridge: several feature spaces side by side, each with its own penalty for each voxel.

Solved by himalaya (Dupre la Tour, Eickenberg, Nunez-Elizalde & Gallant 2022, NeuroImage 264:119728): weights
of the spaces are drawn at random on the simplex, the penalty is chosen from a list, both by inner
cross-validation, and each voxel takes its best. With fewer rows than features the same problem is solved
through one kernel per space.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from himalaya.backend import get_backend, set_backend
from himalaya.kernel_ridge import MultipleKernelRidgeCV
from himalaya.ridge import GroupRidgeCV
from numpy.typing import NDArray

from almond.encoding.models.bands import BandedFit
from almond.encoding.models.folds import Fold
from almond.errors import InputError
from almond.typing import Columns, Floats


def fit_banded(
    x: Floats,
    y: Floats,
    columns: Sequence[Columns],
    *,
    folds: Sequence[Fold],
    factors: Sequence[float],
    shares: Floats,
    backend: str = "numpy",
) -> BandedFit:
    """Predictors (n, D), responses (n, V), the predictors' columns of each band, inner folds as positions.

    Each band is scaled so that its X0'X0 has a mean eigenvalue of 1 and a share counts the same for every
    band; ``factors`` are the penalties tried on that scale, as those of ridge. ``backend``: himalaya's
    (``numpy``, ``torch``, ``torch_cuda``). Weights are of the predictors as given.
    """
    if not folds:
        raise InputError("penalties", "several to choose from, but no folds to choose with", "inner folds")
    if not len(factors) or min(factors) <= 0:
        raise InputError("penalties", f"are {list(factors)}", "one or more numbers above 0")
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    y0 = y - y_mean
    units = y0.std(axis=0)
    units[units == 0] = 1.0
    parts, scales = [], []
    for chosen in columns:
        part = x[:, chosen] - x_mean[chosen]
        scales.append(float(np.sqrt((part**2).sum() / part.shape[1])) or 1.0)
        parts.append(part / scales[-1])
    splits = [(fold.train, fold.test) for fold in folds]
    with _computing(backend):
        if x.shape[1] > len(x):
            found, deltas = _by_kernels(parts, y0 / units, splits, factors, shares)
        else:
            found, deltas = _by_features(parts, y0 / units, splits, factors, shares)
    weights = np.empty((x.shape[1], y.shape[1]))
    for chosen, scale, of_band in zip(columns, scales, found, strict=True):
        weights[chosen] = of_band / scale * units
    strength = np.exp(deltas)
    return BandedFit(
        weights, y_mean - x_mean @ weights, strength / strength.sum(axis=0), 1.0 / strength.sum(axis=0)
    )


Splits = list[tuple[NDArray[np.int64], NDArray[np.int64]]]


def _settings(factors: Sequence[float], shares: Floats) -> dict[str, object]:
    return {
        "n_iter": get_backend().asarray(shares),
        "alphas": np.asarray(factors, np.float64),
        "progress_bar": False,
        "n_alphas_batch": 1,
    }


def _by_features(
    parts: Sequence[Floats], y: Floats, splits: Splits, factors: Sequence[float], shares: Floats
) -> tuple[list[Floats], Floats]:
    model = GroupRidgeCV(
        groups="input",
        cv=splits,
        fit_intercept=True,
        solver_params={**_settings(factors, shares), "warn": False},
    )
    model.fit(list(parts), y)
    borders = np.cumsum([part.shape[1] for part in parts])[:-1]
    return np.split(_host(model.coef_), borders), _host(model.deltas_)


def _by_kernels(
    parts: Sequence[Floats], y: Floats, splits: Splits, factors: Sequence[float], shares: Floats
) -> tuple[list[Floats], Floats]:
    kernels = np.stack([part @ part.T for part in parts])
    model = MultipleKernelRidgeCV(
        kernels="precomputed", cv=splits, fit_intercept=True, solver_params=_settings(factors, shares)
    )
    model.fit(kernels, y)
    dual, deltas = _host(model.dual_coef_), _host(model.deltas_)
    strength = np.exp(deltas)
    return [part.T @ dual * of_band for part, of_band in zip(parts, strength, strict=True)], deltas


def _host(values: object) -> Floats:
    return np.asarray(get_backend().to_numpy(values), np.float64)


@contextmanager
def _computing(backend: str) -> Iterator[None]:
    """himalaya keeps its backend for the whole process: set it, and set back what was there."""
    before = get_backend().name
    set_backend(backend)
    try:
        yield
    finally:
        set_backend(before)
