"""Ridge of every region on every fold, each voxel with its own penalty chosen inside the folds: the work
shared.

Sums of squares and products are made once and reduced by the rows left out; a factorisation serves all
voxels of all regions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from almond.encoding.models.solvers.backend import Array, Backend
from almond.encoding.models.solvers.gram import select_rows
from almond.encoding.models.solvers.ridge_systems import factors_for, make_systems
from almond.encoding.models.solvers.training_sets import NestedSets, TrainingSets
from almond.errors import InputError
from almond.progress import Progress
from almond.typing import Floats

Grid = Callable[[float], Sequence[float]]
"""Penalties to choose from, given the mean eigenvalue of X0'X0 of an outer fold's training rows."""

PORTION = 4096
"""Voxels at a time, at least: beyond, memory grows and nothing is gained."""


@dataclass(frozen=True)
class RidgeFit:
    """One outer fold (its ``fold`` number): the penalty (V,) of each voxel; held-out ``predictions`` (n_test,
    V); and, of the last one, which is all rows, weights (D, V) and intercept (V,). ``condition``: the largest
    eigenvalue over the smallest penalty used, up to a factor of two; nan where it was not asked for."""

    fold: int
    penalties: Floats
    predictions: Floats
    weights: Floats | None
    intercept: Floats | None
    condition: float


def fit_nested_ridge(
    backend: Backend, x: Floats, y: Floats, training: TrainingSets, grid: Grid, *, progress: Progress
) -> Iterator[RidgeFit]:
    """Fit every voxel (columns of ``y`` (n, V)) on every outer fold, and on all rows if ``training.final``.

    With several penalties each voxel takes the one with the least squared error summed over the inner folds;
    the first of equals.
    """
    x_mean, y_mean = x.mean(axis=0, dtype=np.float64), y.mean(axis=0, dtype=np.float64)
    fits = _RidgeFits(backend, backend.array(x - x_mean), backend.array(y - y_mean), training, grid)
    for number, nested in enumerate(training.nested):
        progress.report(
            number / len(training.nested), f"ridge: {number + 1} of {len(training.nested)} training sets"
        )
        final = training.final and number == len(training.nested) - 1
        fit = fits.fit(number, nested, final)
        if fit.weights is None or fit.intercept is None:
            yield RidgeFit(number, fit.penalties, fit.predictions + y_mean, None, None, fit.condition)
        else:
            # In the units given: b = y_mean + b0 - x_mean B.
            intercept = fit.intercept + y_mean - x_mean @ fit.weights
            yield RidgeFit(
                number, fit.penalties, fit.predictions + y_mean, fit.weights, intercept, fit.condition
            )


class _RidgeFits:
    """All voxels on centred predictors; a factorisation of each training set at a time."""

    def __init__(self, backend: Backend, x: Array, y: Array, training: TrainingSets, grid: Grid) -> None:
        self.backend, self.x, self.y, self.training, self.grid = backend, x, y, training, grid
        self.systems = make_systems(backend, x, training.sets)
        self.voxels = int(y.shape[1])
        size = max(PORTION, min(int(x.shape[0]), int(x.shape[1])))
        self.portions = [slice(at, at + size) for at in range(0, self.voxels, size)]

    def fit(self, number: int, nested: NestedSets, final: bool) -> RidgeFit:
        outer = self.systems.of(nested.outer)
        penalties = [float(value) for value in self.grid(outer.scale or 1.0)]
        if nested.inner:
            del outer  # as large as a factorisation: made again once the penalties are known
            # a(v) = argmin over a of the inner folds' |Y0 - X0 B(a)|^2, per voxel v.
            selected = self._choose(nested, penalties)
            outer = self.systems.of(nested.outer)
        else:
            selected = np.zeros(self.voxels, np.int64)
        used = np.unique(selected)
        smallest = min(penalties[index] for index in used)
        # Bound of the condition number: (largest eigenvalue of X0'X0) / (smallest penalty used).
        condition = self._largest(nested.outer) / smallest if self.backend.epsilon > 1e-10 else np.nan
        factors = factors_for(self.backend, outer.matrix, len(used), self.voxels)
        test = self.training.sets[nested.outer].test
        predictions = np.empty((len(test), self.voxels))
        weights = np.empty((int(self.x.shape[1]), self.voxels)) if final else None
        intercept = np.empty(self.voxels) if final else None
        for portion in self.portions:
            y = self.y[:, portion]
            places = np.arange(self.voxels)[portion]
            y_mean = self.backend.host(self.systems.y_mean(nested.outer, y))
            requests = [
                (penalties[index], np.flatnonzero(selected[portion] == index))
                for index in np.unique(selected[portion])
            ]
            # (A + a I) W = right(Y), solved for all voxels that share the penalty a.
            solutions = factors.coefficients(outer.right(y), requests)
            for (_, targets), solution in zip(requests, solutions, strict=True):
                into = places[targets]
                # Predictions X_test W + mean of Y over the training rows.
                predictions[:, into] = self.backend.host(outer.test @ solution) + y_mean[targets]
                if weights is not None and intercept is not None:
                    weights[:, into] = self.backend.host(outer.weights(solution))
                    intercept[into] = y_mean[targets] - self.backend.host(outer.mean) @ weights[:, into]
        self.systems.forget(nested.outer)
        of_voxels = np.asarray(penalties)[selected]
        return RidgeFit(number, of_voxels, predictions, weights, intercept, condition)

    def _choose(self, nested: NestedSets, penalties: Sequence[float]) -> NDArray[np.int64]:
        errors = np.zeros((len(penalties), self.voxels))
        for number in nested.inner:
            self._add_errors(number, penalties, errors)
        return np.asarray(errors.argmin(axis=0), np.int64)

    def _add_errors(self, number: int, penalties: Sequence[float], errors: Floats) -> None:
        system = self.systems.of(number)
        factors = factors_for(self.backend, system.matrix, len(penalties), self.voxels)
        test = self.training.sets[number].test
        for portion in self.portions:
            y = self.y[:, portion]
            measured = select_rows(y, test) - self.systems.y_mean(number, y)
            predictions = factors.predictions(system.test, system.right(y), penalties)
            for index, predicted in enumerate(predictions):
                # Squared error of the held-out rows, summed over inner folds.
                missed = ((measured - predicted) ** 2).sum(axis=0)
                errors[index, portion] += self.backend.host(missed)

    def _largest(self, number: int) -> float:
        """About the largest eigenvalue of X0'X0, by the power method."""
        rows, mean = self.training.sets[number].train, self.systems.means[number]
        vector = self.backend.array(np.ones(int(self.x.shape[1])) / np.sqrt(int(self.x.shape[1])))
        value = 0.0
        for _ in range(8):
            # v <- X0'X0 v / |X0'X0 v| with X0 = X - 1 mean'; |X0'X0 v| tends to the largest eigenvalue.
            scores = select_rows(self.x, rows) @ vector - (mean * vector).sum()
            vector = select_rows(self.x, rows).T @ scores - mean * scores.sum()
            value = float((vector**2).sum() ** 0.5)
            vector = vector / (value or 1.0)
        return value


def penalty_grid(factors: Sequence[float]) -> Grid:
    """Return the grid of ``factors`` times the mean eigenvalue of X0'X0; every factor must be above 0."""
    if not factors or min(factors) <= 0:
        raise InputError("penalties", f"are {list(factors)}", "one or more numbers above 0")
    return lambda scale: [factor * scale for factor in factors]
