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
from almond.encoding.models.solvers.gram import rows_of
from almond.encoding.models.solvers.ridge_systems import factors_for, make_systems
from almond.encoding.models.solvers.training_sets import Family, Plan
from almond.errors import InputError
from almond.progress import Progress
from almond.typing import Floats

Grid = Callable[[float], Sequence[float]]
"""Penalties to choose from, given the mean eigenvalue of X0'X0 of a family's training rows."""

PORTION = 4096
"""Voxels at a time, at least: beyond, memory grows and nothing is gained."""


@dataclass(frozen=True)
class RidgeFit:
    """One family: the penalty (V,) of each voxel; held-out ``predictions`` (n_test, V); and, of the family
    of all rows, weights (D, V) and intercept (V,). ``condition``: the largest eigenvalue over the smallest
    penalty used, up to a factor of two; nan where it was not asked for."""

    family: int
    penalties: Floats
    predictions: Floats
    weights: Floats | None
    intercept: Floats | None
    condition: float


def ridge_families(
    backend: Backend, x: Floats, y: Floats, plan: Plan, grid: Grid, progress: Progress
) -> Iterator[RidgeFit]:
    """Every voxel (columns of ``y`` (n, V)) in every family of the plan.

    With several penalties each voxel takes the one with the least squared error summed over the inner folds;
    the first of equals.
    """
    x_mean, y_mean = x.mean(axis=0, dtype=np.float64), y.mean(axis=0, dtype=np.float64)
    job = _Job(backend, backend.array(x - x_mean), backend.array(y - y_mean), plan, grid)
    for number, family in enumerate(plan.families):
        progress.report(number / len(plan.families), f"ridge: {number + 1} of {len(plan.families)} row sets")
        final = plan.final and number == len(plan.families) - 1
        found = job.fit(number, family, final)
        if found.weights is None or found.intercept is None:
            yield RidgeFit(number, found.penalties, found.predictions + y_mean, None, None, found.condition)
        else:
            intercept = found.intercept + y_mean - x_mean @ found.weights
            yield RidgeFit(
                number, found.penalties, found.predictions + y_mean, found.weights, intercept, found.condition
            )


class _Job:
    def __init__(self, backend: Backend, x: Array, y: Array, plan: Plan, grid: Grid) -> None:
        self.backend, self.x, self.y, self.plan, self.grid = backend, x, y, plan, grid
        self.systems = make_systems(backend, x, plan.sets)
        self.voxels = int(y.shape[1])
        size = max(PORTION, min(int(x.shape[0]), int(x.shape[1])))
        self.portions = [slice(at, at + size) for at in range(0, self.voxels, size)]

    def fit(self, number: int, family: Family, final: bool) -> RidgeFit:
        outer = self.systems.of(family.outer)
        penalties = [float(value) for value in self.grid(outer.scale or 1.0)]
        if family.inner:
            del outer  # as large as a factorisation: made again once the penalties are known
            chosen = self._choose(family, penalties)
            outer = self.systems.of(family.outer)
        else:
            chosen = np.zeros(self.voxels, np.int64)
        used = np.unique(chosen)
        smallest = min(penalties[index] for index in used)
        condition = self._largest(family.outer) / smallest if self.backend.epsilon > 1e-10 else np.nan
        factors = factors_for(self.backend, outer.matrix, len(used), self.voxels)
        test = self.plan.sets[family.outer].test
        predictions = np.empty((len(test), self.voxels))
        weights = np.empty((int(self.x.shape[1]), self.voxels)) if final else None
        intercept = np.empty(self.voxels) if final else None
        for portion in self.portions:
            y = self.y[:, portion]
            places = np.arange(self.voxels)[portion]
            y_mean = self.backend.host(self.systems.y_mean(family.outer, y))
            requests = [
                (penalties[index], np.flatnonzero(chosen[portion] == index))
                for index in np.unique(chosen[portion])
            ]
            solutions = factors.coefficients(outer.right(y), requests)
            for (_, targets), found in zip(requests, solutions, strict=True):
                into = places[targets]
                predictions[:, into] = self.backend.host(outer.test @ found) + y_mean[targets]
                if weights is not None and intercept is not None:
                    weights[:, into] = self.backend.host(outer.weights(found))
                    intercept[into] = y_mean[targets] - self.backend.host(outer.mean) @ weights[:, into]
        self.systems.forget(family.outer)
        of_voxels = np.asarray(penalties)[chosen]
        return RidgeFit(number, of_voxels, predictions, weights, intercept, condition)

    def _choose(self, family: Family, penalties: Sequence[float]) -> NDArray[np.int64]:
        errors = np.zeros((len(penalties), self.voxels))
        for number in family.inner:
            self._add_errors(number, penalties, errors)
        return np.asarray(errors.argmin(axis=0), np.int64)

    def _add_errors(self, number: int, penalties: Sequence[float], errors: Floats) -> None:
        system = self.systems.of(number)
        factors = factors_for(self.backend, system.matrix, len(penalties), self.voxels)
        test = self.plan.sets[number].test
        for portion in self.portions:
            y = self.y[:, portion]
            measured = rows_of(y, test) - self.systems.y_mean(number, y)
            found = factors.predictions(system.test, system.right(y), penalties)
            for index, predicted in enumerate(found):
                missed = ((measured - predicted) ** 2).sum(axis=0)
                errors[index, portion] += self.backend.host(missed)

    def _largest(self, number: int) -> float:
        """About the largest eigenvalue of X0'X0, by the power method."""
        rows, mean = self.plan.sets[number].train, self.systems.means[number]
        vector = self.backend.array(np.ones(int(self.x.shape[1])) / np.sqrt(int(self.x.shape[1])))
        value = 0.0
        for _ in range(8):
            scores = rows_of(self.x, rows) @ vector - (mean * vector).sum()
            vector = rows_of(self.x, rows).T @ scores - mean * scores.sum()
            value = float((vector**2).sum() ** 0.5)
            vector = vector / (value or 1.0)
        return value


def relative(factors: Sequence[float]) -> Grid:
    """Penalties as multiples of the mean eigenvalue."""
    if not factors or min(factors) <= 0:
        raise InputError("penalties", f"are {list(factors)}", "one or more numbers above 0")
    return lambda scale: [factor * scale for factor in factors]
