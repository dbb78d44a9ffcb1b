"""A control that knows nothing of the stimuli: noise in place of the features.

A model with many features and smooth data predicts held-out volumes that lie next to its training volumes,
whatever the features are. How much of a held-out correlation that explains is measured, not assumed: noise as
slow and as large as the features goes through the same response, the same nuisance regressors and the same
folds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from almond.encoding.features.card import FeatureSpaceCard
from almond.encoding.features.run_features import Predictors, RunFeatures
from almond.typing import Floats

KIND = "AR(1) noise"
MOST_COLUMNS = 64
"""Features that are looked at, evenly spread over all, to learn how slow they are."""

SLOWEST = 0.25
"""Longest time constant that noise gets, as a share of the rows."""


def time_constant(parts: Sequence[NDArray[np.floating[Any]]]) -> float:
    """Return the rows after which the autocorrelation of columns falls to 1/e; interpolated between rows, at
    least 0.

    ``parts`` (n, D) share their columns; each is centred by itself, and their autocovariances are summed, so
    that columns count by their variance. For AR(1) with coefficient c it is -1 / ln c.
    """
    longest = max(len(part) for part in parts)
    total = np.zeros(longest)
    for part in parts:
        total[: len(part)] += _autocovariance(np.asarray(part, np.float64))
    if total[0] <= 0:
        return 0.0
    course = total / total[0]
    below = np.flatnonzero(course < np.exp(-1))
    if len(below) == 0:
        return SLOWEST * longest
    last = int(below[0])
    before, after = course[last - 1], course[last]
    # Linear interpolation between the last row above 1/e and the first below.
    crossing = last - 1 + (before - np.exp(-1)) / (before - after)
    return float(min(crossing, SLOWEST * longest))


def _autocovariance(values: Floats) -> Floats:
    """Return the sum over columns of (n, D) of the autocovariance at lags 0 ... n - 1, corrected for the
    fewer pairs."""
    n = len(values)
    centred = values - values.mean(axis=0)
    size = 1 << (2 * n - 1).bit_length()
    # Autocovariance as the inverse transform of the power spectrum, padded so that it does not wrap.
    power = np.zeros(size // 2 + 1)
    for column in centred.T:
        power += np.abs(np.fft.rfft(column, size)) ** 2
    return np.asarray(np.fft.irfft(power, size)[:n] * (n / np.arange(n, 0, -1)), np.float64)


def ar1_noise(rng: np.random.Generator, rows: int, columns: int, constant: float) -> Floats:
    """Draw AR(1) noise (rows, columns) of unit variance, stationary from its first row on.

    :param constant: rows after which the autocorrelation is 1/e; 0 for white noise.
    """
    # e_t = c e_{t-1} + sqrt(1 - c^2) z_t with c = exp(-1 / constant): the autocorrelation is c^lag.
    keep = float(np.exp(-1 / constant)) if constant > 0 else 0.0
    drive = rng.standard_normal((rows, columns))
    drive[1:] *= np.sqrt(1 - keep**2)
    return np.asarray(lfilter([1.0], [1.0, -keep], drive, axis=0), np.float64)


def null_predictors(
    predictors: Mapping[str, Predictors], count: int, rng: np.random.Generator
) -> tuple[dict[str, Predictors], float]:
    """Make noise in place of every feature space, on the same grids, and the mean time constant in seconds.

    ``count`` columns are shared out among the spaces, at least one each. Every column has the mean and the
    standard deviation of one of the features it stands for.
    """
    share = [len(part) for part in np.array_split(np.arange(max(count, len(predictors))), len(predictors))]
    noise, constants = {}, []
    for (name, space), columns in zip(predictors.items(), share, strict=True):
        of_space, constant = _like(space, columns, rng)
        noise[name] = of_space
        constants.append(constant)
    return noise, float(np.mean(constants))


def _like(space: Predictors, columns: int, rng: np.random.Generator) -> tuple[Predictors, float]:
    parts = list(space.runs) or [space.whole()]
    samples = [_some_columns(part) for part in parts]
    constant = time_constant(samples)
    together = np.concatenate(samples)
    which = rng.integers(together.shape[1], size=columns)
    mean, spread = together.mean(axis=0)[which], together.std(axis=0)[which]
    spread = np.where(spread > 0, spread, spread.max() or 1.0)
    made = tuple(
        replace(part, values=mean + spread * ar1_noise(rng, len(part.values), columns, constant), mixing=None)
        for part in parts
    )
    card = FeatureSpaceCard("noise", "", columns)
    replaced = Predictors(card, made) if space.runs else Predictors(card, (), film=made[0])
    return replaced, constant * parts[0].interval


def _some_columns(part: RunFeatures) -> Floats:
    """Up to MOST_COLUMNS features (n, C) of a run, evenly spread over all."""
    columns = np.unique(np.linspace(0, part.dimension - 1, MOST_COLUMNS).round().astype(np.int64))
    if part.mixing is not None:
        return np.asarray(part.values @ part.mixing[:, columns], np.float64)
    return np.asarray(part.values[:, columns], np.float64)
