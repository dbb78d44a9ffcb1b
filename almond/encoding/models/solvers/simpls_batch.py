"""SIMPLS of many regions and folds together: one pass over the predictors serves them all.

Fits of one subject share their predictors and differ in rows (folds) and targets (regions). What costs is
multiplying by the predictors, once for the scores and once for the loadings of every component. Made
together, the directions of all fits are the rows of one matrix: one product gives the scores on all rows, the
training rows' for the loadings and the held-out rows' for the predictions.

X'Y is never deflated. With the orthonormal basis B of the loadings so far, the deflated X'Y is (I - BB')X'Y
(de Jong 1993), so that a direction is X'Y times the leading eigenvector of the deflated Gram matrix,
projected; the Gram matrix (voxels by voxels) loses a rank-one term per component and is computed afresh
before cancellation could touch its digits. X'Y and its Gram matrix are one per training set, of which every
region takes its columns.

Our own because no library fits several regions and folds at once: scikit-learn takes 165 times as long for
the same thirty fits (docs/speed.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from almond.encoding.models.solvers.backend import Array, Backend
from almond.encoding.models.solvers.deflation import Deflated, SimplsCovariance, make_deflated, shared_gram
from almond.encoding.models.solvers.threads import one_thread
from almond.encoding.models.solvers.training_sets import TrainingSet
from almond.typing import Floats


@dataclass(frozen=True)
class SimplsFit:
    """One fit: on the training rows of ``row_set``, of the responses ``columns``, with ``components``."""

    training_set: int
    columns: NDArray[np.int64]
    components: int


@dataclass(frozen=True)
class PlsComponents:
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
    """Of the training rows of one training set, with everything centred over all rows before: means of the
    predictors (D,) and of the responses (V,), and Y0'X0 (V, D)."""

    mean: Array
    y_mean: Floats
    covariance: Array


class BatchedSimpls:
    """Fits on training sets with their sums, over centred predictors ``x`` (n, D) of the backend."""

    def __init__(
        self,
        backend: Backend,
        x: Array,
        sets: dict[int, TrainingSet],
        sums: dict[int, SetSums],
        fits: Sequence[SimplsFit],
    ) -> None:
        self.backend, self.x, self.sets, self.sums, self.fits = backend, x, sets, sums, fits
        self.n_rows, self.n_features = int(x.shape[0]), int(x.shape[1])
        self.limits = [
            min(fit.components, len(sets[fit.training_set].train) - 1, self.n_features) for fit in fits
        ]
        self.depth = max(self.limits)
        self.of_set = {
            number: [place for place, fit in enumerate(fits) if fit.training_set == number] for number in sets
        }
        count = len(fits)
        self.basis = backend.zeros(count, self.depth, self.n_features)
        self.rotations = backend.zeros(count, self.depth, self.n_features)
        self.mask = self._mask()
        self.means = backend.zeros(count, self.n_features)
        for place, fit in enumerate(fits):
            self.means[place] = sums[fit.training_set].mean
        self.small = self._deflated()
        self.counts = [0] * count
        self.y_loadings: list[list[Floats]] = [[] for _ in fits]
        self.scores: list[list[Floats]] = [[] for _ in fits]
        self.spread: list[list[float]] = [[] for _ in fits]

    def _mask(self) -> Array:
        rows = np.zeros((len(self.fits), self.n_rows), np.bool_)
        for place, fit in enumerate(self.fits):
            rows[place, self.sets[fit.training_set].train] = True
        return self.backend.array(rows)

    def _deflated(self) -> list[Deflated]:
        deflated: dict[int, Deflated] = {}
        for number, places in self.of_set.items():
            covariance = self.sums[number].covariance
            columns = [self.fits[place].columns for place in places]
            shared = shared_gram(self.backend, covariance, columns)
            for place, own in zip(places, columns, strict=True):
                fit_covariance = SimplsCovariance(self.backend, covariance, own, self.basis[place])
                deflated[place] = make_deflated(fit_covariance, shared)
        return [deflated[place] for place in range(len(self.fits))]

    def run(self) -> None:
        """Extract every component of every fit."""
        for step in range(self.depth):
            with one_thread():
                leading = [self._lead(place, step) for place in range(len(self.fits))]
            if all(weights is None for weights in leading):
                return
            self._step(step, leading)

    def _lead(self, place: int, step: int) -> Floats | None:
        """Return the weights (V,) of a fit's voxels in its next direction; None when it is done."""
        if step >= self.limits[place] or self.counts[place] < step:
            return None
        leading = self.small[place].lead(step)
        if leading is None:
            return None
        value, weights = leading
        self.spread[place].append(value)
        return weights

    def _step(self, step: int, leading: Sequence[Floats | None]) -> None:
        active = np.array([weights is not None for weights in leading])
        # r = (I - BB') X'Y w / |...| for the leading eigenvector w of the deflated Gram matrix, all fits at
        # once.
        directions = self._directions(step, leading)
        # t = (X - 1 mean') r on all rows: the training rows' for the loadings, the others' for the
        # predictions.
        scores = directions @ self.x.T
        scores -= (self.means * directions).sum(axis=1)[:, None]
        inside = scores * self.mask
        # Unit length over the training rows; r and the held-out scores are scaled with it.
        lengths = (inside**2).sum(axis=1) ** 0.5
        inverse = self.backend.array(_inverse(self.backend.host(lengths), active))[:, None]
        inside *= inverse
        scores *= inverse
        directions *= inverse
        # p = (X - 1 mean')'t over the training rows, and the next row of B: p orthogonal to B at unit length.
        loadings = inside @ self.x
        loadings -= self.means * inside.sum(axis=1)[:, None]
        del inside
        basis = _unit(self._projected(loadings, step), self.backend, active)
        self.basis[:, step] = basis
        self.rotations[:, step] = directions
        self._keep_scores(scores, active)
        self._deflate(directions, basis, active)

    def _directions(self, step: int, leading: Sequence[Floats | None]) -> Array:
        directions = self.backend.zeros(len(self.fits), self.n_features)
        for number, places in self.of_set.items():
            covariance = self.sums[number].covariance
            weights = np.zeros((len(places), int(covariance.shape[0])))
            for row, place in enumerate(places):
                vector = leading[place]
                if vector is not None:
                    weights[row, self.fits[place].columns] = vector
            # X'Y w: the fit's columns of Y carry its weights, all others 0.
            directions[places] = self.backend.array(weights) @ covariance
        active = np.array([vector is not None for vector in leading])
        return _unit(self._projected(directions, step), self.backend, active)

    def _projected(self, vectors: Array, step: int) -> Array:
        """Make rows orthogonal to each fit's basis, twice against rounding."""
        if step == 0:
            return vectors
        known = self.basis[:, :step]
        with one_thread():
            for _ in range(2):
                # v <- v - B'(B v).
                along = known @ vectors[:, :, None]
                vectors = vectors - (along.swapaxes(1, 2) @ known)[:, 0]
        return vectors

    def _keep_scores(self, scores: Array, active: NDArray[np.bool_]) -> None:
        for place, fit in enumerate(self.fits):
            test = self.sets[fit.training_set].test
            if active[place]:
                heldout = self.backend.host(scores[place][test]) if len(test) else np.zeros(0)
                self.scores[place].append(heldout)

    def _deflate(self, directions: Array, basis: Array, active: NDArray[np.bool_]) -> None:
        for number, places in self.of_set.items():
            covariance = self.sums[number].covariance
            # q = Y't = Y0'X0 r, and S'b = Y0'X0 b of the new basis vector b, which deflates the Gram matrix.
            loadings = self.backend.host(directions[places] @ covariance.T)
            removed = self.backend.host(basis[places] @ covariance.T)
            for row, place in enumerate(places):
                if active[place]:
                    columns = self.fits[place].columns
                    self.y_loadings[place].append(loadings[row, columns])
                    self.small[place].deflate(removed[row, columns], basis[place])
                    self.counts[place] += 1

    def extracted(self, place: int, *, rotations: bool) -> PlsComponents:
        """Return a fit's components, of centred data; without ``rotations`` (an empty matrix) where only
        held-out predictions are needed."""
        fit, count = self.fits[place], self.counts[place]
        of_fit = self.rotations[place, : count if rotations else 0]
        test = self.sets[fit.training_set].test
        # Singular values of the deflated X'Y over the first.
        spread = np.sqrt(np.maximum(self.spread[place], 0.0))
        return PlsComponents(
            x_mean=self.backend.host(self.means[place]),
            y_mean=self.sums[fit.training_set].y_mean[fit.columns],
            rotations=self.backend.host(of_fit),
            y_loadings=np.reshape(self.y_loadings[place], (count, len(fit.columns))),
            scores=np.reshape(self.scores[place], (count, len(test))),
            spread=spread / spread[0] if count else spread,
        )


def _inverse(lengths: Floats, active: NDArray[np.bool_]) -> Floats:
    return np.divide(1.0, lengths, out=np.zeros_like(lengths), where=active & (lengths > 0))


def _unit(vectors: Array, backend: Backend, active: NDArray[np.bool_]) -> Array:
    lengths = backend.host((vectors**2).sum(axis=1) ** 0.5)
    return vectors * backend.array(_inverse(lengths, active))[:, None]
