"""The canonical haemodynamic response function of SPM."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from almond.errors import InputError

CANONICAL = (6.0, 16.0, 1.0, 1.0, 6.0, 0.0, 32.0)
"""Delay of response and undershoot, their dispersions, their ratio, onset, length; seconds but for the
ratio."""

MICROTIME = 16


def spm_hrf(
    interval: float, parameters: Sequence[float] = CANONICAL, microtime: int = MICROTIME
) -> NDArray[np.float64]:
    """The response sampled every ``interval`` seconds from 0 on, summing to 1 (SPM12's ``spm_hrf(RT, p)``).

    A difference of two gamma densities, evaluated on a grid of ``interval / microtime`` and then decimated,
    as SPM does; floor(length / interval) + 1 samples.

    :raises InputError: the interval is not positive.
    """
    if not (math.isfinite(interval) and interval > 0):
        raise InputError("interval", f"is {interval} s", "a sampling interval above 0 s")
    delay, undershoot, width, undershoot_width, ratio, onset, length = map(float, parameters)
    fine = interval / microtime
    grid = np.arange(0, math.ceil(length / fine) + 1, dtype=np.float64) - onset / fine
    response = _gamma_density(grid, delay / width, fine / width)
    response -= _gamma_density(grid, undershoot / undershoot_width, fine / undershoot_width) / ratio
    # length / interval as one division: 32 // .8 would be 39 where 40 samples fit.
    sampled = response[np.arange(0, math.floor(length / interval) + 1) * microtime]
    return np.asarray(sampled / sampled.sum(), np.float64)


def _gamma_density(x: NDArray[np.float64], shape: float, rate: float) -> NDArray[np.float64]:
    """Gamma density of ``shape`` and ``rate`` at x, 0 where x is not positive (``spm_Gpdf``)."""
    density = np.zeros_like(x)
    positive = x > 0
    inside = x[positive]
    log_density = (shape - 1) * np.log(inside) + shape * np.log(rate) - rate * inside - gammaln(shape)
    density[positive] = np.exp(log_density)
    return density
