"""Linear encoding models behind one interface: each fits all regions on every fold and on all rows at once,
so that work they share is done once.

What a model chooses for itself (components, penalties, weights of feature spaces) is chosen inside the
training rows of each fold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from almond.encoding.models.folds import Fold
from almond.encoding.models.pls_cv import NestedFit, fit_nested_pls
from almond.encoding.models.ridge_cv import fit_nested_ridge, penalty_grid
from almond.encoding.models.solvers.backend import Backend
from almond.encoding.models.solvers.open_backend import make_backend
from almond.encoding.models.solvers.training_sets import make_training_sets
from almond.errors import InputError
from almond.finite import require_finite
from almond.progress import Progress, Silent
from almond.typing import Columns, Floats

InnerFolds = Callable[[], Sequence[Fold]]
"""Folds within the rows at hand, made only when there is something to choose."""

NOTICED = 1e-3
"""Relative error from which single precision is warned about."""
ROUNDING = 0.1
"""Of the condition number, what rounding of a sum of thousands reaches at most (measured, docs/speed.md)."""


@dataclass(frozen=True)
class Fitted:
    """Weights (D, V), intercept (V,), and the hyperparameters that were cross-validated (plain numbers)."""

    weights: Floats
    intercept: Floats
    hyperparameters: dict[str, Any]

    def predict(self, predictors: Floats) -> Floats:
        return predictors @ self.weights + self.intercept


@dataclass(frozen=True)
class Problem:
    """Predictors ``x`` (n, D), one ``bold`` (n, V) with the ``columns`` of each region, folds over the rows,
    and ``inner``: the folds within the training rows of a fold, to choose on, as positions within them."""

    x: Floats
    bold: Floats
    columns: Sequence[Columns]
    folds: Sequence[Fold]
    inner: Callable[[Fold], Sequence[Fold]]


@dataclass(frozen=True)
class RegionFit:
    """One region: held-out predictions (n_test, V) and hyperparameters of each fold, the model of all rows,
    and a warning where single precision may have cost digits that matter."""

    predictions: list[Floats]
    fold_hyperparameters: list[dict[str, Any]]
    final: Fitted | None
    warning: str | None = None


class Estimator(Protocol):
    @property
    def name(self) -> str: ...

    def solve(self, problem: Problem, final: bool, backend: Backend, progress: Progress) -> list[RegionFit]:
        """Fit every region of a checked problem; see :func:`solve`."""

    def fit(self, x: Floats, ys: Sequence[Floats], inner: InnerFolds) -> list[Fitted]:
        """Fit one model per region on all rows: x (n, D), each of ys (n, V_region)."""


def solve(
    estimator: Estimator,
    problem: Problem,
    *,
    final: bool = True,
    backend: str = "numpy",
    device: str = "cpu",
    precision: str = "float64",
    progress: Progress,
) -> list[RegionFit]:
    """Fit every region on every fold, and on all rows if ``final``.

    :param estimator: the model.
    :param problem: predictors, responses, regions and folds.
    :param backend: ``numpy`` (default) or ``torch``; ``device``: ``cpu`` or ``cuda``; ``precision``:
        ``float64`` or ``float32``.
    :raises InputError: rows of ``x`` and ``bold`` differ, a region without columns, neither folds nor
        ``final``, or a backend, device or precision that does not exist here.
    """
    x, bold = np.asarray(problem.x), np.asarray(problem.bold)
    if len(x) != len(bold):
        raise InputError("features", f"has {len(x)} rows for {len(bold)} volumes", f"{len(bold)} rows")
    if not problem.columns or any(len(region) == 0 for region in problem.columns):
        raise InputError("regions", "hold no voxels", "one or more voxels each")
    if not problem.folds and not final:
        raise InputError("folds", "are missing, and no final model is asked for", "something to fit")
    for values, name in ((x, "features"), (bold, "BOLD")):
        require_finite(values, name, axes=("row", "column"))
    return estimator.solve(problem, final, make_backend(backend, device, precision), progress)


def fit_all_rows(estimator: Estimator, x: Floats, ys: Sequence[Floats], inner: InnerFolds) -> list[Fitted]:
    borders = np.cumsum([0, *(y.shape[1] for y in ys)])
    columns = [np.arange(first, last) for first, last in pairwise(borders)]
    problem = Problem(x, np.concatenate(ys, axis=1), columns, (), lambda _: inner())
    fits = solve(estimator, problem, progress=Silent())
    return [fit.final for fit in fits if fit.final is not None]


@dataclass(frozen=True)
class Pls:
    """PLS with the candidate component numbers; with several, the number is chosen per region.

    The choice takes the number with the highest inner held-out r, averaged over voxels and folds; the smaller
    of equals.
    """

    candidates: tuple[int, ...]
    name: str = "pls"

    def fit(self, x: Floats, ys: Sequence[Floats], inner: InnerFolds) -> list[Fitted]:
        return fit_all_rows(self, x, ys, inner)

    def solve(self, problem: Problem, final: bool, backend: Backend, progress: Progress) -> list[RegionFit]:
        if not self.candidates or min(self.candidates) < 1:
            raise InputError("components", f"are {list(self.candidates)}", "whole numbers of 1 or more")
        inner = problem.inner if len(self.candidates) > 1 else None
        training = make_training_sets(len(problem.x), problem.folds, inner, final)
        fits = [RegionFit([], [], None) for _ in problem.columns]
        worst = [0.0] * len(fits)
        arrays = (problem.x, problem.bold, problem.columns)
        for fit in fit_nested_pls(
            backend, *arrays, training, components=max(self.candidates), progress=progress
        ):
            number, region = self._choice(fit), fit.region
            hyperparameters = {"components": number}
            if number:
                worst[region] = max(worst[region], 1.0 / max(float(fit.model.spread[number - 1]), 1e-30))
            if final and fit.fold == len(training.nested) - 1:
                model = Fitted(*fit.model.coefficients(number), hyperparameters)
                fits[region] = replace(fits[region], final=model)
            else:
                fits[region].predictions.append(fit.model.predictions(number))
                fits[region].fold_hyperparameters.append(hyperparameters)
        return [
            replace(fit, warning=_lost(backend, ratio, "PLS directions"))
            for fit, ratio in zip(fits, worst, strict=True)
        ]

    def _choice(self, fit: NestedFit) -> int:
        candidates = np.array(sorted(self.candidates))
        # k* = argmax over k of the sum over inner folds of the mean held-out r of k components.
        gained = np.zeros(len(candidates))
        for curve in fit.inner:
            if len(curve):
                gained += curve[np.minimum(candidates, len(curve)) - 1]
        return min(int(candidates[gained.argmax()]), fit.model.n_components)


@dataclass(frozen=True)
class Ridge:
    """Ridge with candidate penalties as multiples of the mean eigenvalue of X'X, chosen per voxel."""

    factors: tuple[float, ...]
    name: str = "ridge"

    def fit(self, x: Floats, ys: Sequence[Floats], inner: InnerFolds) -> list[Fitted]:
        return fit_all_rows(self, x, ys, inner)

    def solve(self, problem: Problem, final: bool, backend: Backend, progress: Progress) -> list[RegionFit]:
        inner = problem.inner if len(self.factors) > 1 else None
        training = make_training_sets(len(problem.x), problem.folds, inner, final)
        used, places = union_of_regions(problem.columns)
        fits = [RegionFit([], [], None) for _ in places]
        grid = penalty_grid(sorted(self.factors))
        worst = 0.0
        for fit in fit_nested_ridge(
            backend, problem.x, problem.bold[:, used], training, grid, progress=progress
        ):
            worst = max(worst, fit.condition)
            for region, voxels in enumerate(places):
                hyperparameters = {"penalty_median": float(np.median(fit.penalties[voxels]))}
                if fit.weights is not None and fit.intercept is not None:
                    model = Fitted(fit.weights[:, voxels], fit.intercept[voxels], hyperparameters)
                    fits[region] = replace(fits[region], final=model)
                else:
                    fits[region].predictions.append(fit.predictions[:, voxels])
                    fits[region].fold_hyperparameters.append(hyperparameters)
        warning = _lost(backend, ROUNDING * worst, "ridge weights")
        return [replace(fit, warning=warning) for fit in fits]


def union_of_regions(columns: Sequence[Columns]) -> tuple[Columns, list[Columns]]:
    """Return the voxels of all regions, and the positions of each region's among them."""
    used = np.unique(np.concatenate(columns))
    return used, [np.searchsorted(used, region) for region in columns]


def _lost(backend: Backend, ratio: float, what: str) -> str | None:
    """Warn of rounding, which costs ``ratio`` times the machine epsilon, where that exceeds NOTICED."""
    loss = backend.epsilon * ratio
    if backend.epsilon < 1e-10 or not loss > NOTICED:
        return None
    return f"single precision: {what} may be off by up to {loss:.0e} of their length; use precision: float64"
