"""Banded ridge: several feature spaces side by side, each with its own penalty for each voxel.

Solved by himalaya (Dupre la Tour, Eickenberg, Nunez-Elizalde & Gallant 2022, NeuroImage 264:119728):
weights of the spaces are drawn at random on the simplex, the penalty is chosen from a list, both by inner
cross-validation, and each voxel takes its best. With fewer rows than features the same problem is solved
through one kernel per space.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from himalaya.backend import get_backend, set_backend
from himalaya.kernel_ridge import MultipleKernelRidgeCV
from himalaya.ridge import GroupRidgeCV
from numpy.typing import NDArray

from almond.encoding.models.bands import BandedFit, band_columns, draw_shares
from almond.encoding.models.estimators import (
    Fitted,
    InnerFolds,
    Problem,
    RegionFit,
    fit_all_rows,
    union_of_regions,
)
from almond.encoding.models.folds import Fold
from almond.encoding.models.solvers.backend import Backend
from almond.errors import InputError
from almond.progress import Progress
from almond.rng import generator
from almond.typing import Columns, Floats

OTHERWISE = (
    "single precision: of shares and penalties that do about equally well another may be chosen; "
    "use precision: float64"
)


@dataclass(frozen=True)
class Banded:
    """Ridge with a penalty per feature space and voxel.

    ``bands``: the columns of each space, side by side (predictors with K basis responses repeat them K
    times). ``factors``: penalties as multiples of each space's mean eigenvalue. ``draws`` shares of the
    spaces are tried, the same for every fold and seed. ``hyperparameters`` report per band the median over
    voxels of its share and of himalaya's delta = log(share / penalty), and the mean length of its weights.
    """

    bands: Mapping[str, slice]
    factors: tuple[float, ...]
    seed: int = 0
    draws: int = 30
    name: str = "banded"

    def fit(self, x: Floats, ys: Sequence[Floats], inner: InnerFolds) -> list[Fitted]:
        return fit_all_rows(self, x, ys, inner)

    def solve(self, problem: Problem, final: bool, backend: Backend, progress: Progress) -> list[RegionFit]:
        columns = band_columns(self.bands, problem.x.shape[1])
        shares = draw_shares(len(columns), self.draws, generator(self.seed, "banded"))
        used, places = union_of_regions(problem.columns)
        everything = np.arange(len(problem.x))
        wanted = (*problem.folds, *([Fold(everything, everything[:0])] if final else ()))
        fits = [
            RegionFit([], [], None, OTHERWISE if backend.precision == "float32" else None) for _ in places
        ]
        for number, fold in enumerate(wanted):
            progress.report(number / len(wanted), f"banded: {number + 1} of {len(wanted)} training sets")
            model = fit_banded(
                np.asarray(problem.x[fold.train], backend.precision),
                np.asarray(problem.bold[np.ix_(fold.train, used)], backend.precision),
                list(columns.values()),
                folds=problem.inner(fold),
                factors=self.factors,
                shares=shares,
                backend=backend.himalaya,
            )
            for region, voxels in enumerate(places):
                fitted = self._of_region(model, columns, voxels)
                if number < len(problem.folds):
                    fits[region].predictions.append(fitted.predict(problem.x[fold.test]))
                    fits[region].fold_hyperparameters.append(fitted.hyperparameters)
                else:
                    fits[region] = replace(fits[region], final=fitted)
        return fits

    def _of_region(self, model: BandedFit, columns: Mapping[str, Columns], voxels: Columns) -> Fitted:
        weights = model.weights[:, voxels]
        bands = {
            name: {
                "share_median": float(np.median(model.shares[index, voxels])),
                "delta_median": float(np.median(model.deltas[index, voxels])),
                "weights_length_mean": float(np.linalg.norm(weights[rows], axis=0).mean()),
            }
            for index, (name, rows) in enumerate(columns.items())
        }
        hyperparameters = {"penalty_median": float(np.median(model.penalties[voxels])), "bands": bands}
        return Fitted(weights, model.intercept[voxels], hyperparameters)


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
    """Fit banded ridge; weights are of the predictors in their own units.

    Each band is scaled so that its X0'X0 has a mean eigenvalue of 1 and a share counts the same for every
    band.

    :param x: predictors (n, D); ``y``: responses (n, V).
    :param columns: the predictors' columns of each band.
    :param folds: inner folds to choose on, as positions in the rows.
    :param factors: candidate penalties on the scaled bands, as those of ridge; above 0.
    :param shares: candidate shares (number, bands) on the simplex.
    :param backend: himalaya's: ``numpy`` (default), ``torch`` or ``torch_cuda``.
    :raises InputError: no folds, or a penalty of 0 or less.
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
    for band in columns:
        part = x[:, band] - x_mean[band]
        # s_b = sqrt(trace(X_b'X_b) / D_b), so that X_b / s_b has a mean eigenvalue of 1.
        scales.append(float(np.sqrt((part**2).sum() / part.shape[1])) or 1.0)
        parts.append(part / scales[-1])
    splits = [(fold.train, fold.test) for fold in folds]
    with _computing(backend):
        if x.shape[1] > len(x):
            of_bands, deltas = _by_kernels(parts, y0 / units, splits, factors, shares)
        else:
            of_bands, deltas = _by_features(parts, y0 / units, splits, factors, shares)
    weights = np.empty((x.shape[1], y.shape[1]))
    # Back to the units of the predictors: B_b = (weights of X_b / s_b) sd(y) / s_b.
    for band, scale, of_band in zip(columns, scales, of_bands, strict=True):
        weights[band] = of_band / scale * units
    # delta_b = log(share_b / penalty) with shares that sum to 1: 1 / penalty = sum_b exp(delta_b).
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
    # Kernels K_b = X_b X_b'; the weights of band b are exp(delta_b) X_b' times the dual coefficients.
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
