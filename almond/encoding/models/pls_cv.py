"""PLS of every region on every fold, with the number of components chosen inside the folds: the work
shared."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from almond.encoding.models.solvers.backend import Array, Backend
from almond.encoding.models.solvers.gram import TrainingSums, select_rows
from almond.encoding.models.solvers.simpls_batch import BatchedSimpls, PlsComponents, SetSums, SimplsFit
from almond.encoding.models.solvers.training_sets import TrainingSets
from almond.progress import Progress
from almond.typing import Columns, Floats

WORKING_BYTES = 384 << 20
"""Working memory of the fits that are made together, the predictors not counted."""


@dataclass
class NestedFit:
    """One region on one outer ``fold`` (the last is all rows): the model, and per inner fold the held-out r
    (K,), averaged over voxels, of the first 1, 2, ... components."""

    region: int
    fold: int
    model: PlsComponents
    inner: list[Floats] = field(default_factory=list)


def fit_nested_pls(
    backend: Backend,
    x: Floats,
    bold: Floats,
    columns: Sequence[Columns],
    training: TrainingSets,
    *,
    components: int,
    progress: Progress,
) -> Iterator[NestedFit]:
    """Fit PLS to every region (``columns`` of ``bold``) on every training set, of ``components`` or fewer.

    The models of folds, which only predict, come without rotations; that of all rows has them.
    """
    predictors = _Predictors.of(backend, x, training, components * len(columns))
    size = fit_bytes(backend, len(x), predictors.width, components)
    done = 0
    most = len(x) // 2
    for regions in _portions(columns, predictors.width * backend.itemsize, size, most):
        fits = _PlsFits(
            backend,
            predictors,
            bold,
            [columns[region] for region in regions],
            training,
            components=components,
        )
        share = (done / len(columns), len(regions) / len(columns))
        for fit in fits.run(progress, share):
            yield dataclasses.replace(fit, region=regions[fit.region])
        done += len(regions)


def fit_bytes(backend: Backend, rows: int, width: int, components: int) -> int:
    """Memory of one fit: scores, basis and rotations, and the directions of a step."""
    return backend.itemsize * (4 * rows + width * (2 * components + 4))


def _portions(columns: Sequence[Columns], per_voxel: int, per_fit: int, most: int) -> Iterator[list[int]]:
    """Regions in portions of which one training set stays within the working memory.

    Directions are made from the voxels of a whole portion: regions that share none are put together up to
    ``most`` voxels only.
    """
    portion: list[int] = []
    voxels, spent, largest = np.zeros(0, np.int64), 0, 0
    for region, own in enumerate(columns):
        size = per_fit + 8 * len(own) ** 2
        union = np.union1d(voxels, own)
        full = len(union) * per_voxel * 3 + spent + size > WORKING_BYTES
        if portion and (full or len(union) > max(most, 2 * largest, 2 * len(own))):
            yield portion
            portion, union, spent, largest = [], np.unique(own), 0, 0
        portion.append(region)
        voxels, spent, largest = union, spent + size, max(largest, len(own))
    yield portion


@dataclass(frozen=True)
class _Predictors:
    """Centred predictors (n, width) on the backend: as they are, or, for many more features than rows, their
    coordinates in the space of the rows, which changes no inner product (``axes`` (D, n)). ``share`` (sets,
    n) averages over the training rows of each set; ``set_means`` (sets, width) are those of the
    predictors."""

    values: Array
    mean: Floats
    axes: Array | None
    share: Array
    set_means: Array

    @property
    def width(self) -> int:
        return int(self.values.shape[1])

    @classmethod
    def of(cls, backend: Backend, x: Floats, training: TrainingSets, per_set: int) -> _Predictors:
        rows, features = x.shape
        mean = np.asarray(x.mean(axis=0, dtype=np.float64), np.float64)
        values = backend.array(x - mean)
        passes = per_set * len(training.sets)
        axes = None
        if features > rows and (features - rows) * passes > 1.5 * rows * features:
            # X' = Q R: X X' = R'R, so that the coordinates R' (n, n) stand for the D features.
            axes, triangle = backend.orthonormal(values.T)
            values = backend.array(backend.host(triangle.T))
        # Mean over the training rows of each set as one product: 1 / n_train where a row trains, 0 elsewhere.
        weights = np.zeros((len(training.sets), rows))
        for number, training_set in enumerate(training.sets):
            weights[number, training_set.train] = 1.0 / len(training_set.train)
        share = backend.array(weights)
        return cls(values, mean, axes, share, share @ values)

    def restored(self, components: PlsComponents, backend: Backend) -> PlsComponents:
        """In the predictors' own units and axes."""
        mean, rotations = components.x_mean, components.rotations
        if self.axes is not None:
            mean = backend.host(self.axes @ backend.array(mean))
            if len(rotations):
                rotations = backend.host(backend.array(rotations) @ self.axes.T)
        return dataclasses.replace(components, x_mean=self.mean + mean, rotations=rotations)


def _covariance(y: Array, x: Array, rows: NDArray[np.int64]) -> Array:
    return select_rows(y, rows).T @ select_rows(x, rows)


class _PlsFits:
    """A portion of the regions on all training sets."""

    def __init__(
        self,
        backend: Backend,
        predictors: _Predictors,
        bold: Floats,
        columns: Sequence[Columns],
        training: TrainingSets,
        *,
        components: int,
    ) -> None:
        self.backend, self.predictors, self.training, self.components = (
            backend,
            predictors,
            training,
            components,
        )
        self.used = np.unique(np.concatenate(columns))
        self.columns = [np.searchsorted(self.used, own) for own in columns]
        self.measured = np.asarray(bold[:, self.used], np.float64)
        self.y_mean = self.measured.mean(axis=0)
        self.y = backend.array(self.measured - self.y_mean)
        # Not a method: it would hold the job, and with it all of this, until Python looks for cycles.
        self.covariances = TrainingSums(training.sets, partial(_covariance, self.y, predictors.values))
        self.y_means = predictors.share @ self.y

    def _sums(self, number: int) -> SetSums:
        mean, y_mean = self.predictors.set_means[number], self.y_means[number]
        covariance = self.covariances.of(number)
        # Y0'X0 = Y'X - n_train y_mean x_mean'.
        covariance -= float(len(self.training.sets[number].train)) * (y_mean[:, None] * mean[None, :])
        return SetSums(mean, self.backend.host(y_mean), covariance)

    def run(self, progress: Progress, share: tuple[float, float]) -> Iterator[NestedFit]:
        """Yield each fold's fits as soon as all of its inner folds are fitted."""
        folds = self.training.nested
        place_of = {number: place for place, fold in enumerate(folds) for number in fold.inner}
        outer_of = {fold.outer: place for place, fold in enumerate(folds)}
        open_fits: dict[int, list[NestedFit]] = {}
        order = [number for fold in folds for number in (fold.outer, *fold.inner)]
        done = 0
        for numbers in self._batches(order):
            progress.report(
                share[0] + share[1] * done / len(order), f"pls: {done + 1} of {len(order)} training sets"
            )
            for number, fits in self._fit(numbers):
                if number in outer_of:
                    place = outer_of[number]
                    open_fits[place] = [NestedFit(region, place, model) for region, model in enumerate(fits)]
                else:
                    for fit, model in zip(open_fits[place_of[number]], fits, strict=True):
                        fit.inner.append(self._curve(number, fit.region, model))
            done += len(numbers)
            waiting = {place_of[number] for number in order[done:] if number in place_of}
            for place in sorted(set(open_fits) - waiting):
                yield from (self._restored(fit) for fit in open_fits.pop(place))

    def _batches(self, order: Sequence[int]) -> Iterator[list[int]]:
        width = self.predictors.width
        per_fit = fit_bytes(self.backend, len(self.measured), width, self.components)
        each = sum(per_fit + 8 * len(own) ** 2 for own in self.columns)
        each += len(self.used) * width * self.backend.itemsize
        size = max(1, WORKING_BYTES // each)
        for first in range(0, len(order), size):
            yield list(order[first : first + size])

    def _fit(self, numbers: Sequence[int]) -> Iterator[tuple[int, list[PlsComponents]]]:
        sets = {number: self.training.sets[number] for number in numbers}
        sums = {number: self._sums(number) for number in numbers}
        fits = [SimplsFit(number, own, self.components) for number in numbers for own in self.columns]
        engine = BatchedSimpls(self.backend, self.predictors.values, sets, sums, fits)
        engine.run()
        last = self.training.nested[-1].outer if self.training.final else -1
        extracted = [
            engine.extracted(place, rotations=fit.training_set == last) for place, fit in enumerate(fits)
        ]
        for index, number in enumerate(numbers):
            first = index * len(self.columns)
            yield number, extracted[first : first + len(self.columns)]

    def _curve(self, number: int, region: int, components: PlsComponents) -> Floats:
        measured = self.measured[np.ix_(self.training.sets[number].test, self.columns[region])]
        return np.asarray(
            heldout_r(components.scores, components.y_loadings, measured).mean(axis=1), np.float64
        )

    def _restored(self, fit: NestedFit) -> NestedFit:
        components = self.predictors.restored(fit.model, self.backend)
        y_mean = components.y_mean + self.y_mean[self.columns[fit.region]]
        return dataclasses.replace(fit, model=dataclasses.replace(components, y_mean=y_mean))


def heldout_r(scores: Floats, loadings: Floats, measured: Floats) -> Floats:
    """Pearson's r (K, V) of the predictions by the first 1, 2, ..., K components with ``measured`` (n, V); 0
    where either does not vary.

    From ``scores`` (K, n) and ``loadings`` (K, V) alone: the predictions are sums of the components, so that
    their covariances with the measured responses are cumulative sums too.
    """
    t = scores - scores.mean(axis=1, keepdims=True)
    y = measured - measured.mean(axis=0)
    # Cov(p_k, y) of p_k = sum_{j <= k} t_j q_j: cumulative sums of q_j (t_j'y).
    product = np.cumsum(loadings * (t @ y), axis=0)
    # Var(p_k) = sum_{i, j <= k} q_i (t_i't_j) q_j: each k adds 2 q_k (t_k't_<k q_<k) + (t_k't_k) q_k^2.
    among = t @ t.T
    before = np.tril(among, -1) @ loadings
    power = np.cumsum(loadings * (2 * before + np.diag(among)[:, None] * loadings), axis=0)
    # r_k = Cov(p_k, y) / sqrt(Var(p_k) Var(y)).
    scale = np.sqrt(np.maximum(power, 0.0) * (y**2).sum(axis=0))
    r = np.divide(product, scale, out=np.zeros_like(product), where=scale > 1e-12)
    return np.asarray(r, np.float64)
