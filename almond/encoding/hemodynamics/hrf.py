"""The canonical haemodynamic response function of SPM.

Our own: published analyses used SPM12's numbers, which these equal to 1e-10; nilearn samples and scales the
response otherwise.
"""

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

COUNTS = {"spm": 1, "spm+derivative": 2, "spm+derivatives": 3}
"""Responses in the basis of each kind."""

TIME_SHIFT = 1.0
WIDENING = 0.01


def spm_hrf(
    interval: float, parameters: Sequence[float] = CANONICAL, microtime: int = MICROTIME
) -> NDArray[np.float64]:
    """Sample the response every ``interval`` seconds from 0 on, summing to 1 (SPM12's ``spm_hrf(RT, p)``).

    A difference of two gamma densities, evaluated on a grid of ``interval / microtime`` and then decimated,
    as SPM does; floor(length / interval) + 1 samples.

    :raises InputError: the interval is not positive.
    """
    if not (math.isfinite(interval) and interval > 0):
        raise InputError("interval", f"is {interval} s", "a sampling interval above 0 s")
    delay, undershoot, width, undershoot_width, ratio, onset, length = map(float, parameters)
    # h(u) = g(u; d1 / w1, dt / w1) - g(u; d2 / w2, dt / w2) / ratio, at u = t / dt - onset / dt
    fine = interval / microtime
    grid = np.arange(0, math.ceil(length / fine) + 1, dtype=np.float64) - onset / fine
    response = _gamma_density(grid, delay / width, fine / width)
    response -= _gamma_density(grid, undershoot / undershoot_width, fine / undershoot_width) / ratio
    # length / interval as one division: 32 // .8 would be 39 where 40 samples fit.
    sampled = response[np.arange(0, math.floor(length / interval) + 1) * microtime]
    return np.asarray(sampled / sampled.sum(), np.float64)


def basis(kind: str, interval: float, *, orthogonal: bool = True) -> NDArray[np.float64]:
    """Sample responses (n, K) every ``interval`` seconds: the canonical one, then its derivatives.

    ``spm``: K = 1. ``spm+derivative``: with the derivative in time, the canonical response minus the same one
    second later. ``spm+derivatives``: also that in dispersion, (canonical - response with dispersion 1.01) /
    0.01. These are SPM12's finite differences (``spm_get_bf``); as there, each is made orthogonal to those
    before it unless ``orthogonal`` is false, which leaves the canonical column as it is.

    :raises InputError: an unknown kind, or an interval that is not positive.
    """
    if kind not in COUNTS:
        raise InputError("hrf", f"is {kind!r}", f"one of {', '.join(COUNTS)}")
    canonical = spm_hrf(interval)
    changes = [(5, TIME_SHIFT), (2, WIDENING)][: COUNTS[kind] - 1]
    columns = [canonical]
    for position, step in changes:
        parameters = list(CANONICAL)
        parameters[position] += step
        # dh / dp = (h(p) - h(p + step)) / step
        columns.append((canonical - spm_hrf(interval, parameters)) / step)
    responses = np.stack(columns, axis=1)
    return orthogonalised(responses) if orthogonal else responses


def orthogonalised(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take from each column (n, K) its part in the columns before it; not scaled (``spm_orth``)."""
    orthogonal = columns.copy()
    for index in range(1, columns.shape[1]):
        # x <- x - B (B^+ x), with B the columns before it
        before = orthogonal[:, :index]
        orthogonal[:, index] -= before @ np.linalg.lstsq(before, orthogonal[:, index], rcond=None)[0]
    return orthogonal


def _gamma_density(x: NDArray[np.float64], shape: float, rate: float) -> NDArray[np.float64]:
    """Evaluate the gamma density at x, 0 where x is not positive (``spm_Gpdf``)."""
    density = np.zeros_like(x)
    positive = x > 0
    inside = x[positive]
    # g(x) = rate^shape x^(shape - 1) exp(-rate x) / Gamma(shape), by its logarithm
    log_density = (shape - 1) * np.log(inside) + shape * np.log(rate) - rate * inside - gammaln(shape)
    density[positive] = np.exp(log_density)
    return density
