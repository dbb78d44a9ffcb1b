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
from almond.encoding.models.solvers.gram import TrainingSums, rows_of
from almond.encoding.models.solvers.simpls_batch import Extracted, Lockstep, SetSums, Task
from almond.encoding.models.solvers.training_sets import Plan
from almond.progress import Progress
from almond.typing import Columns, Floats

WORKING_BYTES = 384 << 20
"""Of what is fitted in step at a time, the predictors not counted."""


@dataclass
class FamilyFit:
    """One region in one family of row sets: the model, and the held-out r (K,) of each inner fold, averaged
    over voxels, by the first 1, 2, ... components."""

    region: int
    family: int
    model: Extracted
    inner: list[Floats] = field(default_factory=list)


def fit_families(
    backend: Backend,
    x: Floats,
    bold: Floats,
    columns: Sequence[Columns],
    plan: Plan,
    components: int,
    progress: Progress,
) -> Iterator[FamilyFit]:
    """Every region (``columns`` of ``bold``) in every family of the plan, of ``components`` or fewer.

    The model's rotations are kept for the family of all rows only: that of folds is for predictions.
    """
    predictors = _Predictors.of(backend, x, plan, components * len(columns))
    size = task_bytes(backend, len(x), predictors.width, components)
    done = 0
    most = len(x) // 2
    for regions in _portions(columns, predictors.width * backend.itemsize, size, most):
        job = _Job(backend, predictors, bold, [columns[region] for region in regions], plan, components)
        share = (done / len(columns), len(regions) / len(columns))
        for found in job.run(progress, share):
            yield dataclasses.replace(found, region=regions[found.region])
        done += len(regions)


def task_bytes(backend: Backend, rows: int, width: int, components: int) -> int:
    """What a fit holds in step: scores, basis and rotations, and directions on their way."""
    return backend.itemsize * (4 * rows + width * (2 * components + 4))


def _portions(columns: Sequence[Columns], per_voxel: int, per_task: int, most: int) -> Iterator[list[int]]:
    """Regions in portions of which one row set stays within the working memory.

    Directions are made from the voxels of a whole portion: regions that share none are put together up to
    ``most`` voxels only.
    """
    portion: list[int] = []
    voxels, spent, largest = np.zeros(0, np.int64), 0, 0
    for region, chosen in enumerate(columns):
        size = per_task + 8 * len(chosen) ** 2
        union = np.union1d(voxels, chosen)
        full = len(union) * per_voxel * 3 + spent + size > WORKING_BYTES
        if portion and (full or len(union) > max(most, 2 * largest, 2 * len(chosen))):
            yield portion
            portion, union, spent, largest = [], np.unique(chosen), 0, 0
        portion.append(region)
        voxels, spent, largest = union, spent + size, max(largest, len(chosen))
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
    def of(cls, backend: Backend, x: Floats, plan: Plan, per_set: int) -> _Predictors:
        rows, features = x.shape
        mean = np.asarray(x.mean(axis=0, dtype=np.float64), np.float64)
        values = backend.array(x - mean)
        passes = per_set * len(plan.sets)
        axes = None
        if features > rows and (features - rows) * passes > 1.5 * rows * features:
            axes, triangle = backend.orthonormal(values.T)
            values = backend.array(backend.host(triangle.T))
        weights = np.zeros((len(plan.sets), rows))
        for number, one in enumerate(plan.sets):
            weights[number, one.train] = 1.0 / len(one.train)
        share = backend.array(weights)
        return cls(values, mean, axes, share, share @ values)

    def restored(self, found: Extracted, backend: Backend) -> Extracted:
        """In the predictors' own units and axes."""
        mean, rotations = found.x_mean, found.rotations
        if self.axes is not None:
            mean = backend.host(self.axes @ backend.array(mean))
            if len(rotations):
                rotations = backend.host(backend.array(rotations) @ self.axes.T)
        return dataclasses.replace(found, x_mean=self.mean + mean, rotations=rotations)


def _covariance(y: Array, x: Array, rows: NDArray[np.int64]) -> Array:
    return rows_of(y, rows).T @ rows_of(x, rows)


class _Job:
    """A portion of the regions on all row sets."""

    def __init__(
        self,
        backend: Backend,
        predictors: _Predictors,
        bold: Floats,
        columns: Sequence[Columns],
        plan: Plan,
        components: int,
    ) -> None:
        self.backend, self.predictors, self.plan, self.components = backend, predictors, plan, components
        self.used = np.unique(np.concatenate(columns))
        self.columns = [np.searchsorted(self.used, chosen) for chosen in columns]
        self.measured = np.asarray(bold[:, self.used], np.float64)
        self.y_mean = self.measured.mean(axis=0)
        self.y = backend.array(self.measured - self.y_mean)
        # Not a method: it would hold the job, and with it all of this, until Python looks for cycles.
        self.covariances = TrainingSums(plan.sets, partial(_covariance, self.y, predictors.values))
        self.y_means = predictors.share @ self.y

    def _sums(self, number: int) -> SetSums:
        mean, y_mean = self.predictors.set_means[number], self.y_means[number]
        covariance = self.covariances.of(number)
        covariance -= float(len(self.plan.sets[number].train)) * (y_mean[:, None] * mean[None, :])
        return SetSums(mean, self.backend.host(y_mean), covariance)

    def run(self, progress: Progress, share: tuple[float, float]) -> Iterator[FamilyFit]:
        """Families are given out as soon as all of their row sets are done."""
        place_of = {number: place for place, one in enumerate(self.plan.families) for number in one.inner}
        outer_of = {one.outer: place for place, one in enumerate(self.plan.families)}
        open_fits: dict[int, list[FamilyFit]] = {}
        order = [number for one in self.plan.families for number in (one.outer, *one.inner)]
        done = 0
        for numbers in self._batches(order):
            progress.report(
                share[0] + share[1] * done / len(order), f"pls: {done + 1} of {len(order)} row sets"
            )
            for number, fits in self._fit(numbers):
                if number in outer_of:
                    place = outer_of[number]
                    open_fits[place] = [FamilyFit(region, place, one) for region, one in enumerate(fits)]
                else:
                    for fit, one in zip(open_fits[place_of[number]], fits, strict=True):
                        fit.inner.append(self._curve(number, fit.region, one))
            done += len(numbers)
            waiting = {place_of[number] for number in order[done:] if number in place_of}
            for place in sorted(set(open_fits) - waiting):
                yield from (self._restored(fit) for fit in open_fits.pop(place))

    def _batches(self, order: Sequence[int]) -> Iterator[list[int]]:
        width = self.predictors.width
        per_task = task_bytes(self.backend, len(self.measured), width, self.components)
        each = sum(per_task + 8 * len(one) ** 2 for one in self.columns)
        each += len(self.used) * width * self.backend.itemsize
        size = max(1, WORKING_BYTES // each)
        for first in range(0, len(order), size):
            yield list(order[first : first + size])

    def _fit(self, numbers: Sequence[int]) -> Iterator[tuple[int, list[Extracted]]]:
        sets = {number: self.plan.sets[number] for number in numbers}
        sums = {number: self._sums(number) for number in numbers}
        tasks = [Task(number, chosen, self.components) for number in numbers for chosen in self.columns]
        engine = Lockstep(self.backend, self.predictors.values, sets, sums, tasks)
        engine.run()
        last = self.plan.families[-1].outer if self.plan.final else -1
        found = [engine.extracted(place, rotations=task.row_set == last) for place, task in enumerate(tasks)]
        for index, number in enumerate(numbers):
            first = index * len(self.columns)
            yield number, found[first : first + len(self.columns)]

    def _curve(self, number: int, region: int, found: Extracted) -> Floats:
        measured = self.measured[np.ix_(self.plan.sets[number].test, self.columns[region])]
        return np.asarray(heldout_r(found.scores, found.y_loadings, measured).mean(axis=1), np.float64)

    def _restored(self, fit: FamilyFit) -> FamilyFit:
        found = self.predictors.restored(fit.model, self.backend)
        y_mean = found.y_mean + self.y_mean[self.columns[fit.region]]
        return dataclasses.replace(fit, model=dataclasses.replace(found, y_mean=y_mean))


def heldout_r(scores: Floats, loadings: Floats, measured: Floats) -> Floats:
    """Pearson's r (K, V) of the predictions by the first 1, 2, ..., K components with ``measured`` (n, V); 0
    where either does not vary.

    From ``scores`` (K, n) and ``loadings`` (K, V) alone: the predictions are sums of the components, so that
    their covariances with the measured responses are cumulative sums too.
    """
    t = scores - scores.mean(axis=1, keepdims=True)
    y = measured - measured.mean(axis=0)
    product = np.cumsum(loadings * (t @ y), axis=0)
    among = t @ t.T
    before = np.tril(among, -1) @ loadings
    power = np.cumsum(loadings * (2 * before + np.diag(among)[:, None] * loadings), axis=0)
    scale = np.sqrt(np.maximum(power, 0.0) * (y**2).sum(axis=0))
    found = np.divide(product, scale, out=np.zeros_like(product), where=scale > 1e-12)
    return np.asarray(found, np.float64)
