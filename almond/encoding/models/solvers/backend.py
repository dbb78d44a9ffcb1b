"""What computes: numpy, or torch on a processor or a graphics card, in double or single precision.

The algorithms are written once, with the operators that numpy arrays and torch tensors share; this module
holds what the two spell differently. The small symmetric eigenproblems of PLS (voxels by voxels) are always
solved by numpy and scipy in float64, so that both backends choose the same directions.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from almond.typing import Floats

Array = Any
"""A numpy array or a torch tensor: whichever the backend makes."""


class Backend(Protocol):
    """Where arrays live and what factorises them."""

    @property
    def name(self) -> str: ...

    @property
    def precision(self) -> str:
        """``float64`` or ``float32``."""

    @property
    def himalaya(self) -> str:
        """What himalaya calls this backend."""

    @property
    def epsilon(self) -> float:
        """The spacing of numbers at 1: 2.2e-16 or 1.2e-7."""

    @property
    def itemsize(self) -> int:
        """Bytes of a number: 8 or 4."""

    def array(self, values: NDArray[Any]) -> Array:
        """A copy in the backend's precision, or the array itself where it is one already."""

    def zeros(self, *shape: int) -> Array: ...

    def host(self, values: Array) -> Floats:
        """As a numpy array in float64."""

    def cholesky(self, matrix: Array) -> Array:
        """What ``solve`` needs of a positive definite matrix (m, m), which is overwritten.

        :raises numpy.linalg.LinAlgError: it is not positive definite.
        """

    def solve(self, factor: Array, right: Array) -> Array:
        """A^-1 ``right`` (m, V) for the factor of A."""

    def eigh(self, matrix: Array) -> tuple[Array, Array]:
        """Eigenvalues (m,), rising, and eigenvectors (m, m) of a symmetric matrix, which may be
        overwritten."""

    def orthonormal(self, matrix: Array) -> tuple[Array, Array]:
        """Q (m, n) with orthonormal columns and R (n, n) with ``matrix`` (m, n) = Q R, for m >= n."""


class NumpyBackend:
    """numpy and scipy on the processor."""

    name = "numpy"
    himalaya = "numpy"

    def __init__(self, precision: str) -> None:
        self.precision = precision
        self.dtype = np.dtype(precision)
        self.epsilon = float(np.finfo(self.dtype).eps)
        self.itemsize = self.dtype.itemsize

    def array(self, values: NDArray[Any]) -> Array:
        return np.ascontiguousarray(values, self.dtype)

    def zeros(self, *shape: int) -> Array:
        return np.zeros(shape, self.dtype)

    def host(self, values: Array) -> Floats:
        return np.asarray(values, np.float64)

    def cholesky(self, matrix: Array) -> Array:
        # The transpose of a symmetric matrix in rows is the matrix in columns, which LAPACK takes uncopied.
        return scipy.linalg.cho_factor(matrix.T, lower=True, overwrite_a=True, check_finite=False)

    def solve(self, factor: Array, right: Array) -> Array:
        return scipy.linalg.cho_solve(factor, right, check_finite=False)

    def eigh(self, matrix: Array) -> tuple[Array, Array]:
        values, vectors = scipy.linalg.eigh(matrix.T, overwrite_a=True, check_finite=False, driver="evd")
        return values, vectors

    def orthonormal(self, matrix: Array) -> tuple[Array, Array]:
        q, r = scipy.linalg.qr(matrix, mode="economic", check_finite=False)
        return q, r
