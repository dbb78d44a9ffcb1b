"""The deflated X'Y of one SIMPLS fit, seen through the smaller of its two Gram matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from almond.encoding.models.solvers.backend import Array, Backend
from almond.encoding.models.solvers.eigen import lanczos, leading_eigenvector
from almond.typing import Floats

NOTHING_LEFT = 1e-12
"""Stop when the remaining covariance is this small against the first, or no larger than what rounding leaves:
no direction is left to extract."""
REFRESH = 1e-3
"""A Gram matrix whose trace fell to this share since it was computed is computed afresh: what rank-one terms
left of it has lost three of sixteen digits."""
LARGEST = 2500
"""Voxels, or features, up to which a Gram matrix is held; above, X'Y is multiplied each time."""


@dataclass(frozen=True)
class SimplsCovariance:
    """The covariance of one SIMPLS fit: the ``full`` Y0'X0 (V_all, D) of a training set, the fit's columns of
    V_all, and its basis (K, D), whose rows are filled by the caller."""

    backend: Backend
    full: Array
    columns: NDArray[np.int64]
    basis: Array

    @property
    def own(self) -> Array:
        """The fit's rows of Y0'X0 (V, D)."""
        whole = len(self.columns) == int(self.full.shape[0])
        return self.full if whole and (np.diff(self.columns) == 1).all() else self.full[self.columns]

    def deflated(self, step: int) -> Array:
        """(V, D) less what the first ``step`` rows of the basis span; twice against rounding."""
        deflated = self.own
        for _ in range(2 if step else 0):
            # S' <- S' - (S'B') B with the rows of B orthonormal.
            deflated = deflated - (deflated @ self.basis[:step].T) @ self.basis[:step]
        return deflated

    @property
    def nothing(self) -> float:
        """The share of the first sum of squares at which nothing is left."""
        return max(NOTHING_LEFT, 4 * self.backend.epsilon) ** 2

    def product(self, matrix: Array) -> Floats:
        """``matrix`` times its transpose, summed in the backend's precision."""
        return self.backend.host(matrix @ matrix.T)


class Deflated(Protocol):
    """After ``step`` components."""

    def lead(self, step: int) -> tuple[float, Floats] | None:
        """The largest eigenvalue of the deflated Gram matrix, and the weights (V,) of the voxels in the next
        direction; None when nothing is left."""

    def deflate(self, removed: Floats, basis: Array) -> None:
        """Take out the basis vector (D,) that was appended; ``removed`` (V,) is Y0'X0 times it."""


def shared_gram(backend: Backend, covariance: Array, columns: Sequence[NDArray[np.int64]]) -> Floats | None:
    """Return the Gram matrix of all voxels of a training set where its fits overlap so much that it saves
    work."""
    every = int(covariance.shape[0])
    if every > LARGEST or sum(len(own) ** 2 for own in columns) < every**2:
        return None
    return backend.host(covariance @ covariance.T)


def make_deflated(covariance: SimplsCovariance, shared: Floats | None) -> Deflated:
    """Return the cheapest kind for a fit's shape; ``shared``: see :func:`shared_gram`."""
    voxels, features = len(covariance.columns), int(covariance.full.shape[1])
    if min(voxels, features) > LARGEST:
        return CovarianceOperator(covariance)
    if voxels > features:
        return FeatureGram(covariance)
    return VoxelGram(
        covariance, None if shared is None else shared[np.ix_(covariance.columns, covariance.columns)]
    )


class VoxelGram:
    """Through S'S (V, V) of the deflated S = X'Y."""

    def __init__(self, covariance: SimplsCovariance, gram: Floats | None) -> None:
        self.covariance = covariance
        self.gram = covariance.product(covariance.own) if gram is None else gram
        self.whole = self.reference = float(np.trace(self.gram))

    def lead(self, step: int) -> tuple[float, Floats] | None:
        left = float(np.trace(self.gram))
        if left <= REFRESH * self.reference:
            self.gram = self.covariance.product(self.covariance.deflated(step))
            left = self.reference = float(np.trace(self.gram))
        if left <= self.covariance.nothing * self.whole:
            return None
        return leading_eigenvector(self.gram)

    def deflate(self, removed: Floats, basis: Array) -> None:
        # S'(I - bb')S = S'S - (S'b)(S'b)'.
        self.gram -= np.outer(removed, removed)


class FeatureGram:
    """Through SS' (D, D), for more voxels than features."""

    def __init__(self, covariance: SimplsCovariance) -> None:
        self.covariance = covariance
        self.gram = self._fresh(0)
        self.whole = self.reference = float(np.trace(self.gram))

    def _fresh(self, step: int) -> Floats:
        return self.covariance.product(self.covariance.deflated(step).T)

    def lead(self, step: int) -> tuple[float, Floats] | None:
        left = float(np.trace(self.gram))
        if left <= REFRESH * self.reference:
            self.gram = self._fresh(step)
            left = self.reference = float(np.trace(self.gram))
        if left <= self.covariance.nothing * self.whole:
            return None
        value, direction = leading_eigenvector(self.gram)
        known = self.covariance.backend.host(self.covariance.basis[:step])
        # The direction made orthogonal to B, and the voxels' weights w = S'r / |S'r|.
        for _ in range(2):
            direction = direction - (known @ direction) @ known
        weights = self.covariance.backend.host(self.covariance.own @ self.covariance.backend.array(direction))
        return value, weights / (np.linalg.norm(weights) or 1.0)

    def deflate(self, removed: Floats, basis: Array) -> None:
        vector = self.covariance.backend.host(basis)
        # (I - bb')G(I - bb') = G - b u' - u b' with u = G b - (b'G b / 2) b.
        image = self.gram @ vector
        image -= 0.5 * float(vector @ image) * vector
        self.gram -= np.outer(vector, image) + np.outer(image, vector)


class CovarianceOperator:
    """Through products with S alone, where both Gram matrices are large."""

    def __init__(self, covariance: SimplsCovariance) -> None:
        self.covariance = covariance
        own = covariance.own
        self.whole = float((own**2).sum())
        self.removed = 0.0

    def lead(self, step: int) -> tuple[float, Floats] | None:
        own, backend, basis = self.covariance.own, self.covariance.backend, self.covariance.basis[:step]
        if self.whole - self.removed <= REFRESH * self.whole:
            left = float((self.covariance.deflated(step) ** 2).sum())
            if left <= self.covariance.nothing * self.whole:
                return None

        def multiply(vector: Floats) -> Floats:
            # v -> S'(I - B'B)S v without either Gram matrix.
            image = backend.array(vector) @ own
            for _ in range(2 if step else 0):
                image = image - (basis @ image) @ basis
            return backend.host(own @ image)

        return lanczos(multiply, len(self.covariance.columns))

    def deflate(self, removed: Floats, basis: Array) -> None:
        # |(I - bb')S|^2 = |S|^2 - |S'b|^2.
        self.removed += float(removed @ removed)
