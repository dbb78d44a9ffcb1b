"""The leading eigenvector of a matrix that is deflated again and again: the step that SIMPLS repeats."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import eigh, eigh_tridiagonal

from almond.typing import Floats

DENSE = 160
"""Up to this size LAPACK's solver for one eigenvector is faster than iterating (measured)."""
CHECK_EVERY = 5


def leading_eigenvector(symmetric: Floats) -> tuple[float, Floats]:
    """Return the largest eigenvalue of a positive semidefinite matrix (m, m), and its eigenvector of length
    1."""
    last = len(symmetric) - 1
    if last + 1 > DENSE:
        return lanczos(lambda vector: symmetric @ vector, last + 1)
    values, vectors = eigh(symmetric, subset_by_index=[last, last], check_finite=False)
    return float(values[0]), np.asarray(vectors[:, 0], np.float64)


def lanczos(multiply: Callable[[Floats], Floats], size: int) -> tuple[float, Floats]:
    """Do the same for a matrix that is only multiplied by vectors (Lanczos 1950, fully orthogonalised).

    Stops when the residual is at the level of rounding, or when the space is exhausted. The start is fixed.
    """
    start = 1.0 + 0.5 * np.cos(np.arange(size, dtype=np.float64) ** 1.5)
    basis = np.empty((min(size, 64), size))
    basis[0] = start / np.linalg.norm(start)
    diagonal: list[float] = []
    beside: list[float] = []
    while True:
        count = len(diagonal) + 1
        # a_j = v_j'A v_j; u = A v_j less its parts along v_1 ... v_j; b_j = |u|, v_{j+1} = u / b_j.
        image = multiply(basis[count - 1])
        diagonal.append(float(basis[count - 1] @ image))
        for _ in range(2):
            image = image - basis[:count].T @ (basis[:count] @ image)
        length = float(np.linalg.norm(image))
        scale = max(diagonal) or 1.0
        over = count == size or length <= 1e-15 * scale
        if over or count % CHECK_EVERY == 0:
            # Ritz pair (value, V s) of the tridiagonal matrix of a and b; its residual is b_j |s_j|.
            value, weights = _ritz(diagonal, beside)
            if over or length * abs(weights[-1]) <= 4e-16 * value:
                vector = weights @ basis[:count]
                return value, np.asarray(vector / np.linalg.norm(vector), np.float64)
        if count == len(basis):
            basis = np.concatenate([basis, np.empty((min(len(basis), size - count), size))])
        beside.append(length)
        basis[count] = image / length


def _ritz(diagonal: list[float], beside: list[float]) -> tuple[float, Floats]:
    if len(diagonal) == 1:
        return diagonal[0], np.ones(1)
    last = len(diagonal) - 1
    values, vectors = eigh_tridiagonal(diagonal, beside, select="i", select_range=(last, last))
    return float(values[0]), np.asarray(vectors[:, 0], np.float64)
