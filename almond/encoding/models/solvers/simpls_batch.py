"""SIMPLS of many regions and folds in step: one pass over the predictors serves them all.

Fits of one subject share their predictors and differ in rows (folds) and targets (regions). What costs is
multiplying by the predictors, once for the scores and once for the loadings of every component. In step, the
directions of all fits are the rows of one matrix: one product gives the scores on all rows, the training
rows' for the loadings and the held-out rows' for the predictions.

X'Y is never deflated. With the orthonormal basis B of the loadings so far, the deflated X'Y is (I - BB')X'Y
(de Jong 1993), so that a direction is X'Y times the leading eigenvector of the deflated Gram matrix,
projected; the Gram matrix (voxels by voxels) loses a rank-one term per component and is computed afresh
before cancellation could touch its digits. X'Y and its Gram matrix are one per row set, of which every
region takes its columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from almond.encoding.models.solvers.backend import Array, Backend
from almond.encoding.models.solvers.deflation import Deflated, Parts, make_deflated, shared_gram
from almond.encoding.models.solvers.threads import one_thread
from almond.encoding.models.solvers.training_sets import RowSet
from almond.typing import Floats


@dataclass(frozen=True)
class Task:
    """One fit: on the training rows of ``row_set``, of the responses ``columns``, with ``components``."""

    row_set: int
    columns: NDArray[np.int64]
    components: int


@dataclass(frozen=True)
class Extracted:
    """The components of one fit, K or fewer of them. All in float64 on the host.

    ``rotations`` (K, D): predictors as given, less ``x_mean`` (D,), times these are scores of unit length;
    ``y_loadings`` (K, V); ``scores`` (K, n_test) of the held-out rows; ``y_mean`` (V,); ``spread`` (K,):
    singular values of the deflated X'Y over the first.
    """

    x_mean: Floats
    y_mean: Floats
    rotations: Floats
    y_loadings: Floats
    scores: Floats
    spread: Floats

    @property
    def n_components(self) -> int:
        return len(self.y_loadings)

    def predictions(self, components: int) -> Floats:
        """(n_test, V) of the held-out rows by the first ``components``."""
        return np.asarray(self.scores[:components].T @ self.y_loadings[:components] + self.y_mean, np.float64)

    def coefficients(self, components: int) -> tuple[Floats, Floats]:
        """Weights (D, V) and intercept (V,) of the first ``components``."""
        weights = self.rotations[:components].T @ self.y_loadings[:components]
        return weights, self.y_mean - self.x_mean @ weights


@dataclass(frozen=True)
class SetSums:
    """Of the training rows of one row set, with everything centred over all rows before: means of the
    predictors (D,) and of the responses (V,), and Y0'X0 (V, D)."""

    mean: Array
    y_mean: Floats
    covariance: Array


class Lockstep:
    """Tasks on row sets with their sums, over centred predictors ``x`` (n, D) of the backend."""

    def __init__(
        self,
        backend: Backend,
        x: Array,
        sets: dict[int, RowSet],
        sums: dict[int, SetSums],
        tasks: Sequence[Task],
    ) -> None:
        self.backend, self.x, self.sets, self.sums, self.tasks = backend, x, sets, sums, tasks
        self.n_rows, self.n_features = int(x.shape[0]), int(x.shape[1])
        self.limits = [
            min(task.components, len(sets[task.row_set].train) - 1, self.n_features) for task in tasks
        ]
        self.depth = max(self.limits)
        self.of_set = {
            number: [place for place, task in enumerate(tasks) if task.row_set == number] for number in sets
        }
        count = len(tasks)
        self.basis = backend.zeros(count, self.depth, self.n_features)
        self.rotations = backend.zeros(count, self.depth, self.n_features)
        self.mask = self._mask()
        self.means = backend.zeros(count, self.n_features)
        for place, task in enumerate(tasks):
            self.means[place] = sums[task.row_set].mean
        self.small = self._deflated()
        self.counts = [0] * count
        self.y_loadings: list[list[Floats]] = [[] for _ in tasks]
        self.scores: list[list[Floats]] = [[] for _ in tasks]
        self.spread: list[list[float]] = [[] for _ in tasks]

    def _mask(self) -> Array:
        rows = np.zeros((len(self.tasks), self.n_rows), np.bool_)
        for place, task in enumerate(self.tasks):
            rows[place, self.sets[task.row_set].train] = True
        return self.backend.array(rows)

    def _deflated(self) -> list[Deflated]:
        found: dict[int, Deflated] = {}
        for number, places in self.of_set.items():
            covariance = self.sums[number].covariance
            columns = [self.tasks[place].columns for place in places]
            shared = shared_gram(self.backend, covariance, columns)
            for place, chosen in zip(places, columns, strict=True):
                parts = Parts(self.backend, covariance, chosen, self.basis[place])
                found[place] = make_deflated(parts, shared)
        return [found[place] for place in range(len(self.tasks))]

    def run(self) -> None:
        """Extract every component of every task."""
        for step in range(self.depth):
            with one_thread():
                leading = [self._lead(place, step) for place in range(len(self.tasks))]
            if all(one is None for one in leading):
                return
            self._step(step, leading)

    def _lead(self, place: int, step: int) -> Floats | None:
        """The weights (V,) of a task's voxels in its next direction; None when it is done."""
        if step >= self.limits[place] or self.counts[place] < step:
            return None
        found = self.small[place].lead(step)
        if found is None:
            return None
        value, weights = found
        self.spread[place].append(value)
        return weights

    def _step(self, step: int, leading: Sequence[Floats | None]) -> None:
        active = np.array([one is not None for one in leading])
        directions = self._directions(step, leading)
        scores = directions @ self.x.T
        scores -= (self.means * directions).sum(axis=1)[:, None]
        inside = scores * self.mask
        lengths = (inside**2).sum(axis=1) ** 0.5
        inverse = self.backend.array(_inverse(self.backend.host(lengths), active))[:, None]
        inside *= inverse
        scores *= inverse
        directions *= inverse
        loadings = inside @ self.x
        loadings -= self.means * inside.sum(axis=1)[:, None]
        del inside
        basis = _unit(self._projected(loadings, step), self.backend, active)
        self.basis[:, step] = basis
        self.rotations[:, step] = directions
        self._keep_scores(scores, active)
        self._deflate(directions, basis, active)

    def _directions(self, step: int, leading: Sequence[Floats | None]) -> Array:
        found = self.backend.zeros(len(self.tasks), self.n_features)
        for number, places in self.of_set.items():
            covariance = self.sums[number].covariance
            weights = np.zeros((len(places), int(covariance.shape[0])))
            for row, place in enumerate(places):
                chosen = leading[place]
                if chosen is not None:
                    weights[row, self.tasks[place].columns] = chosen
            found[places] = self.backend.array(weights) @ covariance
        active = np.array([one is not None for one in leading])
        return _unit(self._projected(found, step), self.backend, active)

    def _projected(self, vectors: Array, step: int) -> Array:
        """Rows made orthogonal to each task's basis, twice against rounding."""
        if step == 0:
            return vectors
        known = self.basis[:, :step]
        with one_thread():
            for _ in range(2):
                along = known @ vectors[:, :, None]
                vectors = vectors - (along.swapaxes(1, 2) @ known)[:, 0]
        return vectors

    def _keep_scores(self, scores: Array, active: NDArray[np.bool_]) -> None:
        for place, task in enumerate(self.tasks):
            test = self.sets[task.row_set].test
            if active[place]:
                kept = self.backend.host(scores[place][test]) if len(test) else np.zeros(0)
                self.scores[place].append(kept)

    def _deflate(self, directions: Array, basis: Array, active: NDArray[np.bool_]) -> None:
        for number, places in self.of_set.items():
            covariance = self.sums[number].covariance
            loadings = self.backend.host(directions[places] @ covariance.T)
            removed = self.backend.host(basis[places] @ covariance.T)
            for row, place in enumerate(places):
                if active[place]:
                    columns = self.tasks[place].columns
                    self.y_loadings[place].append(loadings[row, columns])
                    self.small[place].deflate(removed[row, columns], basis[place])
                    self.counts[place] += 1

    def extracted(self, place: int, *, rotations: bool) -> Extracted:
        """A task's result, of centred data. Rotations (an empty matrix) are left out where only held-out
        predictions are wanted."""
        task, count = self.tasks[place], self.counts[place]
        kept = self.rotations[place, : count if rotations else 0]
        test = self.sets[task.row_set].test
        spread = np.sqrt(np.maximum(self.spread[place], 0.0))
        return Extracted(
            x_mean=self.backend.host(self.means[place]),
            y_mean=self.sums[task.row_set].y_mean[task.columns],
            rotations=self.backend.host(kept),
            y_loadings=np.reshape(self.y_loadings[place], (count, len(task.columns))),
            scores=np.reshape(self.scores[place], (count, len(test))),
            spread=spread / spread[0] if count else spread,
        )


def _inverse(lengths: Floats, active: NDArray[np.bool_]) -> Floats:
    return np.divide(1.0, lengths, out=np.zeros_like(lengths), where=active & (lengths > 0))


def _unit(vectors: Array, backend: Backend, active: NDArray[np.bool_]) -> Array:
    lengths = backend.host((vectors**2).sum(axis=1) ** 0.5)
    return vectors * backend.array(_inverse(lengths, active))[:, None]
