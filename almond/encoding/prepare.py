"""Preprocessing of one run's time courses, and of its predictors alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import detrend

Matrix = NDArray[np.float64]


def constant_voxels(bold: Matrix) -> NDArray[np.bool_]:
    """Which columns of (n, V) never change."""
    return np.asarray((bold == bold[:1]).all(axis=0), np.bool_)


def without_trend(courses: Matrix, kind: str) -> Matrix:
    """Columns of (n, D) without their mean and linear trend (``linear``), or as they are (``none``).

    A trend is taken from BOLD and predictors of each run alike: that is the same as having it as a nuisance
    regressor beside the predictors (Frisch, Waugh, Lovell), and leaves the weights in units of the features.
    """
    if kind == "none":
        return courses
    if len(courses) < 3:
        return np.asarray(courses - courses.mean(axis=0), np.float64)
    return np.asarray(detrend(courses, axis=0, type="linear"), np.float64)


def standardised(courses: Matrix) -> Matrix:
    """Columns with mean 0 and standard deviation 1 within the run; a column that is all zeros stays so."""
    centred = courses - courses.mean(axis=0)
    spread = centred.std(axis=0)
    return np.asarray(centred / np.where(spread > 0, spread, 1.0), np.float64)
