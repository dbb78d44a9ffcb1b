"""From features at their own times to predictors at the times of the volumes.

Features lie on a regular grid: row k at ``start + k * interval`` seconds after the start of a run; volume j
stands for j * TR, or for j * TR + StartTime after slice timing correction. ``align`` never sees two runs: a
response never runs over into the next run. ``align_film`` stretches one film onto all volumes of a subject as
one, as published analyses do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from almond.encoding.config.preparation import ORDERS, RESPONSES
from almond.encoding.config.section import DEFAULT
from almond.encoding.hemodynamics.hrf import basis, spm_hrf
from almond.encoding.hemodynamics.resampling import by_columns, read_at, resample
from almond.errors import InputError

LARGEST_FACTOR = 4096
"""Of up- and downsampling: intervals and TRs whose ratio is no fraction of smaller numbers are refused."""

IMPULSE = 1.0
"""Seconds: the area of an event without duration, as that of an event of one second."""

RATIO_TOLERANCE = 1e-6
WHOLE = 1e-6
"""Seconds: delays and starts nearer to a whole number of TRs count as one."""


def convolve(features: NDArray[np.floating[Any]], response: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convolve each column of (n, D) with the response, the first n rows: causal, zeros before the run."""
    return by_columns(features, len(features), lambda block: lfilter(response, [1.0], block, axis=0))


def rational(interval: float, tr: float) -> tuple[int, int]:
    """Find (up, down) with interval / TR = up / down.

    :raises InputError: no small fraction is near enough.
    """
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
    hrf: str | bool = "spm",
    delays: Sequence[float] = (),
    order: str = DEFAULT,
    start: float = 0.0,
    reference: float = 0.0,
    source: object = "features",
) -> NDArray[np.float64]:
    """Make predictors (n_volumes, K * D) of one run from its features; column k * D + d.

    :param features: (n, D), one row per ``interval`` seconds; 0 outside of them.
    :param n_volumes: of the run, one per ``tr`` seconds.
    :param hrf: ``spm``; with one or two derivatives (K = 2, 3; see ``hrf.basis``); ``fir``, the features at
        each of ``delays`` seconds before the volume (K delays, any number of seconds); ``none`` (K = 1). True
        and False stand for ``spm`` and ``none``.
    :param order: ``default``: antialiased resampling to the TR, then convolution with the response at the
        true sampling interval. The published orders stretch features onto volumes (see ``align_film``).
    :param start: seconds from the start of the run to the first row of features; below 0 when the stimulus
        began before: what was shown before the first volume then still has its response. At 0, and at
        ``reference``, the features must cover the run, to within one row or one TR.
    :param reference: seconds from the start of the run to the time that the first volume stands for
        (StartTime): volume j stands for j * TR + ``reference``.
    :raises InputError: too few or too many rows, naming ``source``; delays without ``fir`` or the reverse.
    """
    kind = {True: "spm", False: "none"}[hrf] if isinstance(hrf, bool) else hrf
    _check(kind, delays, order)
    if order != DEFAULT:
        if kind != "spm" or start or reference:
            raise InputError(
                "order", f"{order} is made with the canonical response from time 0", "order: default"
            )
        return align_film(features, n_volumes=n_volumes, tr=tr, order=order)
    covers = start in (0, reference)
    if covers:
        _check_length(len(features), interval, n_volumes, tr, source)
    if covers and reference:
        features = _exactly(features, max(len(features), round(n_volumes * tr / interval)))
    # From here on seconds count from the time that the first volume stands for.
    start -= reference

    def read(count: int, first: float) -> NDArray[np.float64]:
        return _at_volumes(features, interval, tr, count, start=first, covers=covers)

    if kind == "fir":
        # X[j, k D + d] = f_d(t_j - delay_k)
        return np.concatenate([read(n_volumes, start + delay) for delay in delays], axis=1)
    if kind == "none":
        return read(n_volumes, start)
    # Volumes that were never measured, before the first: for the response to what came before it.
    lead = max(0, math.ceil(-start / tr - WHOLE))
    rows = read(n_volumes + lead, start + lead * tr)
    # X[j, k D + d] = sum_i h_k(i TR) f_d(t_j - i TR)
    parts = [convolve(rows, column)[lead:] for column in basis(kind, tr).T]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def _check(kind: str, delays: Sequence[float], order: str) -> None:
    if kind not in RESPONSES:
        raise InputError("hrf", f"is {kind!r}", f"one of {', '.join(RESPONSES)}")
    if order not in ORDERS:
        raise InputError("order", f"is {order!r}", f"one of {', '.join(ORDERS)}")
    if (kind == "fir") != bool(len(delays)):
        problem = "has no delays" if kind == "fir" else f"is {kind}, which has no delays"
        raise InputError("hrf", problem, "hrf: fir together with delays in seconds")


def _check_length(rows: int, interval: float, n_volumes: int, tr: float, source: object) -> None:
    expected = n_volumes * tr / interval
    if abs(rows - expected) > max(1.0, tr / interval):
        raise InputError(
            source,
            f"has {rows} rows of features for a run of {n_volumes} volumes",
            f"about {round(expected)} rows ({n_volumes} x {tr:g} s at one row per {interval:g} s)",
        )


def _at_volumes(
    features: NDArray[np.floating[Any]],
    interval: float,
    tr: float,
    n_volumes: int,
    *,
    start: float,
    covers: bool,
) -> NDArray[np.float64]:
    """Read features (n_volumes, D) at the times of the volumes, the first row ``start`` s after the first.

    :param covers: they last as long as the run, so that a row that lacks is the last one again.
    """
    shift = round(start / tr)
    if abs(start - shift * tr) > WHOLE:
        return read_at(features, interval=interval, step=tr, first=-start, count=n_volumes)
    # One row per TR: resampled by up / down = interval / TR, then shifted by whole volumes.
    up, down = rational(interval, tr)
    rows = np.asarray(features, np.float64) if up == down else resample(features, up, down)
    if covers:
        rows = _exactly(rows, n_volumes)
    at_volumes = np.zeros((n_volumes, features.shape[1]))
    taken = rows[max(0, -shift) : max(0, n_volumes - shift)]
    at_volumes[max(0, shift) : max(0, shift) + len(taken)] = taken
    return at_volumes


def _exactly(rows: NDArray[Any], count: int) -> NDArray[Any]:
    """Cut, or repeat the last row: ``align`` has made sure that it is at most about one row."""
    if len(rows) >= count:
        return rows[:count]
    return np.concatenate([rows, np.repeat(rows[-1:], count - len(rows), axis=0)])


def align_film(
    features: NDArray[np.floating[Any]], *, n_volumes: int, tr: float, order: str
) -> NDArray[np.float64]:
    """Make predictors (n_volumes, D) of one film over all runs of a subject, as published analyses do.

    The n frames are stretched onto the volumes: resampled by p/q = n_volumes / n, reduced, whatever the frame
    rate was. ``paper-amygdala`` resamples first and convolves with ``spm_hrf(tr)`` then. ``paper-subregions``
    convolves first, with the response *sampled at the TR* laid along *frames*, so that with 4.8 frames per
    second it peaks after 1 s instead of 5, and resamples then; ``default`` is not an order of stretching.

    :raises InputError: another order, or no frames.
    """
    if order not in ORDERS[1:]:
        raise InputError("order", f"is {order!r}", f"one of {', '.join(ORDERS[1:])}")
    if len(features) == 0 or n_volumes < 1:
        raise InputError("features", f"has {len(features)} frames for {n_volumes} volumes", "both above 0")
    # p / q = volumes / frames, reduced, whatever the frame rate.
    ratio = Fraction(n_volumes, len(features))
    up, down = ratio.numerator, ratio.denominator
    response = spm_hrf(tr)
    if order == "paper-amygdala":
        return convolve(_stretched(features, up, down), response)
    return by_columns(features, n_volumes, lambda block: _stretched(convolve(block, response), up, down))


def _stretched(features: NDArray[np.floating[Any]], up: int, down: int) -> NDArray[np.float64]:
    return np.asarray(features, np.float64) if up == down else resample(features, up, down)


def hold(
    onsets: NDArray[np.float64],
    durations: NDArray[np.float64],
    values: NDArray[np.floating[Any]],
    *,
    interval: float,
    seconds: float,
) -> NDArray[np.float64]:
    """Lay features of events on a regular grid: round(seconds / interval) rows, 0 where nothing is shown.

    Row k stands for [k, k + 1) * interval and holds the values weighted by how much of it each event fills,
    so that onsets between grid points keep their time. An event of duration 0 is an impulse: all of it lies
    in the row of its onset, with the area of an event of one second (SPM's delta of 1 / dt, ``spm_get_ons``).
    Events outside the run are cut.

    :param onsets: (n,) seconds; ``durations`` (n,) seconds.
    :param values: (n, D) of each event.
    """
    rows = max(1, round(seconds / interval))
    filled = np.zeros((rows, values.shape[1]))
    for onset, duration, value in zip(onsets, durations, values, strict=True):
        if duration == 0:
            row = math.floor(onset / interval)
            if 0 <= row < rows:
                filled[row] += value * (IMPULSE / interval)
            continue
        start, stop = max(0.0, onset / interval), min(float(rows), (onset + duration) / interval)
        first, last = math.floor(start), math.ceil(stop)
        if last <= first or stop <= start:
            continue
        # share_k = |[k, k + 1) and [start, stop)|, in rows; x[k] += share_k v
        edges = np.arange(first, last)
        share = np.minimum(edges + 1, stop) - np.maximum(edges, start)
        filled[first:last] += share[:, None] * value
    return filled
