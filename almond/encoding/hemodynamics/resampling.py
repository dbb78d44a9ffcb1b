"""Features of a stimulus read off at chosen times: resampling with an explicit start."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly
from scipy.sparse import csr_array

KAISER_BETA = 5.0
ZEROS = 10
"""Zero crossings of the low-pass filter to each side: the length that MATLAB's ``resample`` takes."""

COLUMN_BLOCK = 256
"""Columns that are worked on at a time, so that long films of many features need no second copy."""


def by_columns(features: NDArray[np.floating[Any]], rows: int, work: Any) -> NDArray[np.float64]:
    """Apply ``work`` to blocks of the columns of (n, D) and gather (rows, D)."""
    gathered = np.empty((rows, features.shape[1]))
    for first in range(0, features.shape[1], COLUMN_BLOCK):
        block = np.asarray(features[:, first : first + COLUMN_BLOCK], np.float64)
        gathered[:, first : first + COLUMN_BLOCK] = work(block)
    return gathered


def resample(features: NDArray[np.floating[Any]], up: int, down: int) -> NDArray[np.float64]:
    """Resample (n, D) by up/down along time, antialiased, polyphase: ceil(n * up / down) rows.

    Kaiser window of beta 5, order 20 * max(up, down), zeros outside: equal to MATLAB's ``resample``.
    """
    rows = -(-len(features) * up // down)
    return by_columns(features, rows, lambda block: resample_poly(block, up, down, axis=0))


def read_at(
    features: NDArray[np.floating[Any]], *, interval: float, step: float, first: float, count: int
) -> NDArray[np.float64]:
    """Read features (n, D) at ``0, interval, ...`` seconds off at ``first + k * step``: (count, D).

    The low-pass filter of ``resample`` (windowed sinc, Kaiser beta 5, cut-off at half the slower rate) taken
    at the exact distances in time, so that no ratio need be rational; zeros outside the features. Where the
    times lie on the grid of ``resample`` the result is the same.
    """
    # y(t_j) = sum_i w((u_j - i) / s) f_i / (s G), u_j = t_j / interval, s = max(1, step / interval)
    slower = max(1.0, step / interval)
    half = ZEROS * slower
    positions = (first + np.arange(count) * step) / interval
    taps = math.floor(half) * 2 + 2
    columns = np.floor(positions)[:, None].astype(np.int64) + np.arange(-taps // 2 + 1, taps // 2 + 1)
    distance = (positions[:, None] - columns) / slower
    inside = (np.abs(distance) <= ZEROS) & (columns >= 0) & (columns < len(features))
    # w(x) = sinc(x) I0(beta sqrt(1 - (x / 10)^2)) / I0(beta)
    window = np.i0(KAISER_BETA * np.sqrt(np.clip(1 - (distance / ZEROS) ** 2, 0, None))) / np.i0(KAISER_BETA)
    weights = np.where(inside, np.sinc(distance) * window, 0.0) / (slower * _gain())
    rows = np.repeat(np.arange(count), columns.shape[1]).reshape(columns.shape)
    matrix = csr_array((weights[inside], (rows[inside], columns[inside])), shape=(count, len(features)))
    return by_columns(features, count, lambda block: matrix @ block)


def _gain() -> float:
    """Integrate the windowed sinc: what a constant is multiplied by."""
    grid = np.linspace(-ZEROS, ZEROS, 20001)
    window = np.i0(KAISER_BETA * np.sqrt(np.clip(1 - (grid / ZEROS) ** 2, 0, None))) / np.i0(KAISER_BETA)
    return float(np.trapezoid(np.sinc(grid) * window, grid))
