"""The equations of ridge regression on one training set, in features or in rows, whichever are fewer, and
their solutions for many penalties.

Our own because himalaya factorises every fold anew; here folds share one Gram matrix, and the cheaper of
Cholesky and eigendecomposition is taken, an eighth of its time (docs/speed.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from almond.encoding.models.solvers.backend import Array, Backend
from almond.encoding.models.solvers.gram import TrainingSums, select_rows
from almond.encoding.models.solvers.training_sets import TrainingSet
from almond.errors import InputError
from almond.typing import Columns

Request = tuple[float, Columns]
"""A penalty, and the targets that are wanted with it."""

EIGEN_COST = 4.6
"""Of an eigendecomposition over m^3, in operations at the speed of a Cholesky factorisation, which takes a
third (measured at m = 2048 and 4096; the product of test rows with the vectors included)."""
PRODUCT_COST = 0.55
"""Of an operation of matrix products and triangular solutions, in the same unit."""


class Factors(Protocol):
    """Solutions of (A + penalty I) W = right, for right (m, V)."""

    def coefficients(self, right: Array, requests: Sequence[Request]) -> Iterator[Array]:
        """W (m, v) of each request's targets."""

    def predictions(self, test: Array, right: Array, penalties: Sequence[float]) -> Iterator[Array]:
        """``test`` (n, m) times W (m, V) for each penalty."""


class Direct:
    """A Cholesky factorisation per penalty: for few targets."""

    def __init__(self, backend: Backend, matrix: Array) -> None:
        self.backend, self.matrix = backend, matrix

    def coefficients(self, right: Array, requests: Sequence[Request]) -> Iterator[Array]:
        for penalty, targets in requests:
            # A + a I = L L'; W = (L L')^-1 right.
            shifted = self.matrix + 0.0
            diagonal = np.arange(len(shifted))
            shifted[diagonal, diagonal] += penalty
            try:
                factor = self.backend.cholesky(shifted)
            except np.linalg.LinAlgError as error:
                raise InputError(
                    "penalties", f"{penalty:g} is too small to solve with in this precision", "a larger one"
                ) from error
            yield self.backend.solve(factor, right[:, targets])

    def predictions(self, test: Array, right: Array, penalties: Sequence[float]) -> Iterator[Array]:
        everything = np.arange(int(right.shape[1]))
        for solution in self.coefficients(right, [(penalty, everything) for penalty in penalties]):
            yield test @ solution


class Spectral:
    """One eigendecomposition for all penalties: for many targets. Its vectors replace the matrix."""

    def __init__(self, backend: Backend, matrix: Array) -> None:
        self.values, self.vectors = backend.eigh(matrix)
        self.values = self.values * (self.values > 0)

    def coefficients(self, right: Array, requests: Sequence[Request]) -> Iterator[Array]:
        # A = U diag(l) U': W = U diag(1 / (l + a)) U'right.
        turned = self.vectors.T @ right
        for penalty, targets in requests:
            yield self.vectors @ (turned[:, targets] / (self.values + penalty)[:, None])

    def predictions(self, test: Array, right: Array, penalties: Sequence[float]) -> Iterator[Array]:
        # X_test W = (X_test U / (l + a)) (U'right): U'right and X_test U serve all penalties.
        turned, seen = self.vectors.T @ right, test @ self.vectors
        for penalty in penalties:
            yield (seen / (self.values + penalty)[None, :]) @ turned


def factors_for(backend: Backend, matrix: Array, penalties: int, targets: int) -> Factors:
    """Return the cheaper kind for so many penalties and targets."""
    size = float(matrix.shape[0])
    # Operations / m^2: p (m / 3 + 2 c V) for Cholesky, 4.6 m + 2 c V for the eigendecomposition.
    direct = penalties * (size / 3 + PRODUCT_COST * 2 * targets)
    spectral = EIGEN_COST * size + PRODUCT_COST * 2 * targets
    return Direct(backend, matrix) if direct <= spectral else Spectral(backend, matrix)


@dataclass(frozen=True)
class System:
    """Ridge on one training set: (``matrix`` + penalty I) W = ``right(targets)``.

    W are the weights themselves, or, in rows, what ``weights`` turns into them; ``test`` times W are the
    held-out predictions of centred responses. ``mean`` (D,) of the training rows' centred predictors;
    ``scale``: the mean over the features of the eigenvalues of X0'X0.
    """

    matrix: Array
    test: Array
    mean: Array
    scale: float
    right: Callable[[Array], Array]
    weights: Callable[[Array], Array]


class Systems(Protocol):
    """The systems of all training sets over centred predictors (n, D) of the backend."""

    @property
    def means(self) -> Array:
        """Means of the predictors over the training rows of every set (sets, D)."""

    def y_mean(self, number: int, y: Array) -> Array:
        """Means (V,) of centred responses (n, V) over the training rows of a set."""

    def of(self, number: int) -> System: ...

    def forget(self, number: int) -> None:
        """Free what is stored of this set, of which and within which nothing more is needed."""


def make_systems(backend: Backend, x: Array, sets: Sequence[TrainingSet]) -> Systems:
    """Return the systems in features, or in rows where there are more features than rows."""
    wide = int(x.shape[1]) > int(x.shape[0])
    return RowSystems(backend, x, sets) if wide else FeatureSystems(backend, x, sets)


class _Masked:
    """Which rows train, and the means over them."""

    def __init__(self, backend: Backend, x: Array, sets: Sequence[TrainingSet]) -> None:
        self.backend, self.x, self.sets = backend, x, sets
        self.masks = np.zeros((len(sets), int(x.shape[0])))
        for number, training_set in enumerate(sets):
            self.masks[number, training_set.train] = 1.0
        self.means = backend.array(self.masks / self.masks.sum(axis=1, keepdims=True)) @ x

    def y_mean(self, number: int, y: Array) -> Array:
        share = self.masks[number] / self.masks[number].sum()
        return self.backend.array(share) @ y


def _gram(x: Array, rows: NDArray[np.int64]) -> Array:
    part = select_rows(x, rows)
    return part.T @ part


class FeatureSystems(_Masked):
    """X0'X0 of each set (D, D): that of its parent less that of the rows left out."""

    def __init__(self, backend: Backend, x: Array, sets: Sequence[TrainingSet]) -> None:
        super().__init__(backend, x, sets)
        # Not a method: it would hold these systems until Python looks for cycles.
        self.sums = TrainingSums(sets, partial(_gram, x))

    def forget(self, number: int) -> None:
        if self.sets[number].parent is not None:
            self.sums.forget(number)

    def of(self, number: int) -> System:
        training_set, mean = self.sets[number], self.means[number]
        matrix = self.sums.of(number)
        # X0'X0 = X'X - n_train mean mean'.
        matrix -= float(len(training_set.train)) * (mean[:, None] * mean[None, :])
        mask = self.backend.array(self.masks[number][:, None])

        def right(y: Array) -> Array:
            # X0'Y0 = X'Y0 - mean (1'Y0), rows outside the training set masked.
            inside = (y - self.y_mean(number, y)) * mask
            return (inside.T @ self.x).T - mean[:, None] * inside.sum(axis=0)[None, :]

        scale = float(self.backend.host(matrix.diagonal()).mean())
        test = select_rows(self.x, training_set.test) - mean
        return System(matrix, test, mean, scale, right, lambda solution: solution)


class RowSystems(_Masked):
    """X0X0' of each set (n, n): the rows and columns of the one of all rows, centred."""

    def __init__(self, backend: Backend, x: Array, sets: Sequence[TrainingSet]) -> None:
        super().__init__(backend, x, sets)
        self.kernel = x @ x.T

    def forget(self, number: int) -> None:
        return None

    def of(self, number: int) -> System:
        training_set, mean, size = self.sets[number], self.means[number], len(self.sets[number].train)
        rows = self.kernel[training_set.train]
        matrix = rows[:, training_set.train]
        # Double centring: (X - 1 m')(X - 1 m')' = K - 1 k' - k 1' + mean(k), k = column means of K.
        column = matrix.sum(axis=0) / size
        middle = column.sum() / size
        test = self.kernel[training_set.test][:, training_set.train]
        test = test - (test.sum(axis=1) / size)[:, None] - column[None, :] + middle
        matrix = matrix - column[:, None] - column[None, :] + middle

        def right(y: Array) -> Array:
            return y[training_set.train] - self.y_mean(number, y)

        def weights(solution: Array) -> Array:
            # B = X0'W.
            return self.x[training_set.train].T @ solution - mean[:, None] * solution.sum(axis=0)[None, :]

        # trace(X0X0') / D, the mean eigenvalue of X0'X0.
        scale = float(self.backend.host(matrix.diagonal()).sum()) / int(self.x.shape[1])
        return System(matrix, test, mean, scale, right, weights)
