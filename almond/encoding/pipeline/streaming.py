"""Whole-brain encoding with bounded memory: BOLD comes in chunks of voxels, and only numbers per voxel stay.

What depends on the predictors alone is computed once for all voxels: the eigenvectors of every row set for
ridge. PLS shares components among the voxels of a parcel, so that parcels stream instead. Our own because
libraries take all voxels at once: a whole brain then needs more memory than a desk computer has
(docs/speed.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from almond.encoding.evaluation.heldout import r_squared
from almond.encoding.models.estimators import Pls, Problem, solve
from almond.encoding.models.folds import Fold, correlation
from almond.encoding.models.ridge_cv import penalty_grid
from almond.encoding.models.solvers.backend import Array, Backend
from almond.encoding.models.solvers.gram import select_rows
from almond.encoding.models.solvers.open_backend import make_backend
from almond.encoding.models.solvers.ridge_systems import Spectral, System, Systems, make_systems
from almond.encoding.models.solvers.training_sets import NestedSets, TrainingSets, make_training_sets
from almond.errors import InputError
from almond.files.writing import new_folder, publish
from almond.finite import require_finite
from almond.progress import Part, Progress
from almond.typing import Columns, Floats

Reader = Callable[[Columns], NDArray[Any]]
"""BOLD (n, k) of k voxels, by their numbers."""
InnerFolds = Callable[[Fold], Sequence[Fold]]

CHUNK = 4096
FACTOR_BYTES = 1 << 30
"""Of eigenvectors held at a time; BOLD is read once per portion of folds that fits."""


@dataclass(frozen=True)
class VoxelResults:
    """Per voxel (V,): held-out r and R2, averaged over folds, and what the model of all rows chose: the
    penalty of ridge, or the components of the voxel's parcel (0 for voxels in no parcel, whose r and R2 are
    nan)."""

    r: Floats
    r2: Floats
    selected: Floats


def stream_ridge(
    x: Floats,
    reader: Reader,
    n_voxels: int,
    *,
    folds: Sequence[Fold],
    inner: InnerFolds,
    factors: Sequence[float],
    weights: Path | None = None,
    chunk: int = CHUNK,
    backend: str = "numpy",
    device: str = "cpu",
    precision: str = "float64",
    progress: Progress,
) -> VoxelResults:
    """Fit ridge to every voxel, to the same numbers as :func:`almond.encoding.models.estimators.solve`.

    :param x: predictors (n, D).
    :param reader: reads BOLD (n, k) of k of the ``n_voxels`` voxels.
    :param folds: outer folds; ``inner`` gives inner folds as positions within a fold's training rows.
    :param factors: candidate penalties as multiples of the mean eigenvalue of X'X.
    :param weights: a ``.npy`` file (D + 1, V) in float32, the intercept last, that is written through a
        memory map and appears when it is complete (default: none).
    :param chunk: voxels at a time; ``backend``, ``device``, ``precision`` as in ``solve``.

    :raises InputError: no voxels, no folds, penalties of 0 or less, or BOLD of another shape than asked for.
    """
    if n_voxels < 1 or not folds or chunk < 1:
        raise InputError("voxels", f"are {n_voxels}, in {len(folds)} folds", "one or more of both")
    engine = make_backend(backend, device, precision)
    training = make_training_sets(len(x), folds, inner if len(factors) > 1 else None, final=True)
    stream = _RidgeStream(engine, x, reader, n_voxels, training, chunk=chunk, factors=sorted(factors))
    if weights is None:
        stream.run(None, progress)
    else:
        with new_folder(weights.parent) as scratch:
            shape = (x.shape[1] + 1, n_voxels)
            columns = open_memmap(scratch / weights.name, mode="w+", dtype=np.float32, shape=shape)
            stream.run(columns, progress)
            columns.flush()
            del columns
            publish(scratch / weights.name, weights)
    return VoxelResults(stream.r / len(folds), stream.r2 / len(folds), stream.penalties)


class _RidgeStream:
    """Outer folds with their inner folds in portions whose eigenvectors fit in memory; chunks of voxels
    within."""

    def __init__(
        self,
        backend: Backend,
        x: Floats,
        reader: Reader,
        n_voxels: int,
        training: TrainingSets,
        *,
        chunk: int,
        factors: Sequence[float],
    ) -> None:
        self.backend, self.reader, self.n_voxels, self.training = backend, reader, n_voxels, training
        self.n_rows, self.x_mean = len(x), np.asarray(x.mean(axis=0, dtype=np.float64), np.float64)
        self.systems = make_systems(backend, backend.array(x - self.x_mean), training.sets)
        self.grid = penalty_grid(factors)
        self.chunks = [np.arange(at, min(at + chunk, n_voxels)) for at in range(0, n_voxels, chunk)]
        self.size = backend.itemsize * min(x.shape) ** 2
        self.r, self.r2, self.penalties = (np.zeros(n_voxels) for _ in range(3))

    def run(self, stored: NDArray[np.float32] | None, progress: Progress) -> None:
        portions = self._portions()
        steps = len(portions) * (len(self.chunks) + 1)
        for number, portion in enumerate(portions):
            first = number * (len(self.chunks) + 1)
            progress.report(first / steps, f"ridge: factorising, part {number + 1} of {len(portions)}")
            ready = [self._prepared(nested) for nested in portion]
            for index, voxels in enumerate(self.chunks):
                progress.report((first + 1 + index) / steps, f"ridge: voxels from {voxels[0]}")
                self._chunk(ready, voxels, stored)

    def _portions(self) -> list[list[NestedSets]]:
        folds = list(self.training.nested)
        each = (1 + max(len(nested.inner) for nested in folds)) * self.size
        size = max(1, FACTOR_BYTES // each)
        return [folds[at : at + size] for at in range(0, len(folds), size)]

    def _prepared(self, nested: NestedSets) -> _PreparedFold:
        outer = self._solved(nested.outer)
        inner = [self._solved(number) for number in nested.inner]
        self.systems.forget(nested.outer)
        final = nested is self.training.nested[-1]
        return _PreparedFold(
            self.backend, self.systems, outer, inner, self.grid(outer.system.scale or 1.0), final
        )

    def _solved(self, number: int) -> _FactorisedSet:
        system = self.systems.of(number)
        return _FactorisedSet(
            number, self.training.sets[number].test, system, Spectral(self.backend, system.matrix)
        )

    def _chunk(
        self, ready: Sequence[_PreparedFold], voxels: Columns, stored: NDArray[np.float32] | None
    ) -> None:
        bold = read_chunk(self.reader, voxels, self.n_rows)
        level = bold.mean(axis=0)
        y = self.backend.array(bold - level)
        for fold in ready:
            selected = fold.choose(y)
            if not fold.final:
                measured, predicted = bold[fold.outer.test], fold.predictions(y, selected) + level
                self.r[voxels] += correlation(predicted, measured)
                self.r2[voxels] += r_squared(predicted, measured)
                continue
            self.penalties[voxels] = np.asarray(fold.penalties)[selected]
            if stored is not None:
                # W, and b = mean(y) - mean(x) W, both means over the training rows.
                weights = fold.weights(y, selected)
                stored[:-1, voxels[0] : voxels[-1] + 1] = weights
                intercept = fold.y_mean(y) + level - (self.x_mean + fold.x_mean) @ weights
                stored[-1, voxels[0] : voxels[-1] + 1] = intercept


@dataclass(frozen=True)
class _FactorisedSet:
    number: int
    test: Columns
    system: System
    factors: Spectral


@dataclass(frozen=True)
class _PreparedFold:
    """An outer fold with everything factorised: what is left is to multiply by responses (n, k), centred over
    all rows."""

    backend: Backend
    systems: Systems
    outer: _FactorisedSet
    inner: Sequence[_FactorisedSet]
    penalties: Sequence[float]
    final: bool

    def choose(self, y: Array) -> Columns:
        """Choose each voxel's penalty by the least squared error over the inner folds; return its number
        (k,)."""
        errors = np.zeros((len(self.penalties), int(y.shape[1])))
        for inner in self.inner:
            measured = select_rows(y, inner.test) - self.systems.y_mean(inner.number, y)
            predictions = inner.factors.predictions(inner.system.test, inner.system.right(y), self.penalties)
            for index, predicted in enumerate(predictions):
                errors[index] += self.backend.host(((measured - predicted) ** 2).sum(axis=0))
        return np.asarray(errors.argmin(axis=0), np.int64)

    def _coefficients(self, y: Array, selected: Columns) -> Iterator[tuple[Columns, Array]]:
        requests = [
            (self.penalties[index], np.flatnonzero(selected == index)) for index in np.unique(selected)
        ]
        solutions = self.outer.factors.coefficients(self.outer.system.right(y), requests)
        for (_, voxels), of_voxels in zip(requests, solutions, strict=True):
            yield voxels, of_voxels

    def predictions(self, y: Array, selected: Columns) -> Floats:
        predicted = np.empty((len(self.outer.test), int(y.shape[1])))
        for voxels, solution in self._coefficients(y, selected):
            predicted[:, voxels] = self.backend.host(self.outer.system.test @ solution)
        return predicted + self.y_mean(y)

    def weights(self, y: Array, selected: Columns) -> Floats:
        weights = np.empty((len(self.x_mean), int(y.shape[1])))
        for voxels, of_voxels in self._coefficients(y, selected):
            weights[:, voxels] = self.backend.host(self.outer.system.weights(of_voxels))
        return weights

    def y_mean(self, y: Array) -> Floats:
        return self.backend.host(self.systems.y_mean(self.outer.number, y))

    @property
    def x_mean(self) -> Floats:
        return self.backend.host(self.outer.system.mean)


def read_chunk(reader: Reader, voxels: Columns, n_rows: int) -> Floats:
    """Read BOLD (n, k) in float64; ``InputError`` when it has another shape or holds what is no number."""
    bold = np.asarray(reader(voxels), np.float64)
    if bold.shape != (n_rows, len(voxels)):
        raise InputError("BOLD", f"has the shape {bold.shape}", f"({n_rows}, {len(voxels)})")
    require_finite(bold, "BOLD", axes=("row", [f"voxel {voxel}" for voxel in voxels]))
    return bold


def stream_pls(
    x: Floats,
    reader: Reader,
    n_voxels: int,
    parcels: Sequence[Columns],
    *,
    folds: Sequence[Fold],
    inner: InnerFolds,
    components: Sequence[int],
    chunk: int = CHUNK,
    backend: str = "numpy",
    device: str = "cpu",
    precision: str = "float64",
    progress: Progress,
) -> VoxelResults:
    """Fit PLS to every parcel, as many at a time as hold ``chunk`` voxels.

    :param parcels: voxel numbers; each voxel in one parcel at most.
    :param components: candidate numbers of components. The other parameters are those of
        :func:`stream_ridge`.

    :raises InputError: no parcels, voxels in two of them, or BOLD of another shape than asked for.
    """
    every = np.concatenate([*parcels, np.zeros(0, np.int64)])
    if not len(every) or len(np.unique(every)) != len(every) or every.min() < 0 or every.max() >= n_voxels:
        raise InputError("parcels", "are missing, overlap, or name voxels that are not there", "a partition")
    r, r2, selected = np.full(n_voxels, np.nan), np.full(n_voxels, np.nan), np.zeros(n_voxels)
    estimator, done = Pls(tuple(components)), 0
    for group in _groups(parcels, chunk):
        voxels = np.concatenate(group)
        bold = read_chunk(reader, voxels, len(x))
        borders = np.cumsum([0, *(len(parcel) for parcel in group)])
        columns = [np.arange(first, last) for first, last in pairwise(borders)]
        fits = solve(
            estimator,
            Problem(x, bold, columns, folds, inner),
            backend=backend,
            device=device,
            precision=precision,
            progress=Part(progress, done / len(parcels), (done + len(group)) / len(parcels)),
        )
        for parcel, own, fit in zip(group, columns, fits, strict=True):
            pairs = [
                (predicted, bold[np.ix_(fold.test, own)])
                for predicted, fold in zip(fit.predictions, folds, strict=True)
            ]
            r[parcel] = np.mean([correlation(*pair) for pair in pairs], axis=0)
            r2[parcel] = np.mean([r_squared(*pair) for pair in pairs], axis=0)
            selected[parcel] = fit.final.hyperparameters["components"] if fit.final else 0
        done += len(group)
    return VoxelResults(r, r2, selected)


def _groups(parcels: Sequence[Columns], chunk: int) -> Iterator[list[Columns]]:
    group: list[Columns] = []
    held = 0
    for parcel in parcels:
        if group and held + len(parcel) > chunk:
            yield group
            group, held = [], 0
        group.append(parcel)
        held += len(parcel)
    yield group
