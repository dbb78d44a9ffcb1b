"""From features at their own times to predictors at the times of the volumes, one run at a time.

Features lie on a regular grid of ``interval`` seconds from the start of the run; volume k is at k * TR.
Neither function ever sees two runs: a response never runs over into the next run.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve, resample_poly

from almond.encoding.hrf import spm_hrf
from almond.errors import InputError

LARGEST_FACTOR = 4096
"""Of up- and downsampling: intervals and TRs whose ratio is no fraction of smaller numbers are refused."""

RATIO_TOLERANCE = 1e-6


def resample(features: NDArray[np.floating[Any]], up: int, down: int) -> NDArray[np.float64]:
    """Antialiased polyphase resampling of (n, D) by up/down along time: ceil(n * up / down) rows.

    Kaiser window of beta 5, order 20 * max(up, down), zeros outside: equal to MATLAB's ``resample``.
    """
    return np.asarray(resample_poly(np.asarray(features, np.float64), up, down, axis=0), np.float64)


def convolve(features: NDArray[np.floating[Any]], response: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each column of (n, D) convolved with the response, the first n rows: causal, zeros before the run."""
    values = np.asarray(features, np.float64)
    if len(values) <= 2 * len(response):
        return _convolve_directly(values, response)
    return np.asarray(fftconvolve(values, response[:, None], axes=0)[: len(values)], np.float64)


def _convolve_directly(values: NDArray[np.float64], response: NDArray[np.float64]) -> NDArray[np.float64]:
    found = np.zeros_like(values)
    for lag, weight in enumerate(response[: len(values)]):
        found[lag:] += weight * values[: len(values) - lag]
    return found


def rational(interval: float, tr: float) -> tuple[int, int]:
    """(up, down) with interval / TR = up / down; ``InputError`` when no small fraction is near enough."""
    exact = interval / tr
    ratio = Fraction(exact).limit_denominator(LARGEST_FACTOR)
    if ratio == 0 or ratio.numerator > LARGEST_FACTOR or abs(float(ratio) / exact - 1) > RATIO_TOLERANCE:
        raise InputError(
            "features.interval", f"{interval} s is in no simple ratio to the TR of {tr} s", "such as TR / 10"
        )
    return ratio.numerator, ratio.denominator


def align(
    features: NDArray[np.floating[Any]],
    *,
    interval: float,
    n_volumes: int,
    tr: float,
    hrf: bool = True,
    source: object = "features",
) -> NDArray[np.float64]:
    """Predictors (n_volumes, D) of one run: features (n, D) resampled to the TR, then convolved with the HRF.

    The features must cover the run: between n_volumes * TR - TR and n_volumes * TR + TR seconds of them.

    :raises InputError: too few or too many rows, naming ``source``.
    """
    expected = n_volumes * tr / interval
    slack = max(1.0, tr / interval)
    if abs(len(features) - expected) > slack:
        raise InputError(
            source,
            f"has {len(features)} rows of features for a run of {n_volumes} volumes",
            f"about {round(expected)} rows ({n_volumes} x {tr:g} s at one row per {interval:g} s)",
        )
    up, down = rational(interval, tr)
    at_volumes = np.asarray(features, np.float64) if up == down else resample(features, up, down)
    at_volumes = _exactly(at_volumes, n_volumes)
    return convolve(at_volumes, spm_hrf(tr)) if hrf else at_volumes


def _exactly(rows: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Cut, or repeat the last row: ``align`` has made sure that it is at most about one row."""
    if len(rows) >= count:
        return rows[:count]
    return np.concatenate([rows, np.repeat(rows[-1:], count - len(rows), axis=0)])


def hold(
    onsets: NDArray[np.float64],
    durations: NDArray[np.float64],
    values: NDArray[np.floating[Any]],
    *,
    interval: float,
    seconds: float,
) -> NDArray[np.float64]:
    """Features of events on a regular grid: round(seconds / interval) rows, 0 where nothing is shown.

    Row k stands for [k, k + 1) * interval and holds the values (n, D) weighted by how much of it each event
    fills, so that onsets between grid points keep their time. Events outside the run are cut.
    """
    rows = max(1, round(seconds / interval))
    filled = np.zeros((rows, values.shape[1]))
    for onset, duration, value in zip(onsets, durations, values, strict=True):
        start, stop = max(0.0, onset / interval), min(float(rows), (onset + duration) / interval)
        first, last = math.floor(start), math.ceil(stop)
        if last <= first or stop <= start:
            continue
        edges = np.arange(first, last)
        share = np.minimum(edges + 1, stop) - np.maximum(edges, start)
        filled[first:last] += share[:, None] * value
    return filled
