"""Whether the spread of samples is right: on held-out volumes, for every voxel and volume.

Coverage: how often the measured value lies in the central 50, 80 and 90 per cent of the samples. Spread-skill
ratio: root mean variance of the samples over the root mean squared error of their mean, with the factor
sqrt((n + 1) / n) that n samples cost (Fortin et al. 2014); 1 is right, below 1 too narrow. CRPS: the
continuous ranked probability score, fair for a finite number of samples (Ferro 2014), in units of the data;
lower is better. PIT: ranks of the measured value among the samples as shares of 0.1, flat if calibrated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import ndtr

from almond.typing import Floats

LEVELS = (0.5, 0.8, 0.9)
BINS = 10


def crps_of_samples(samples: Floats, measured: Floats) -> Floats:
    """Return the CRPS (...) of samples (n, ...): E|X - y| - E|X - X'| / 2, without bias for n >= 2
    samples."""
    n = len(samples)
    # sum over i < j of |x_i - x_j| = sum (2 i - n - 1) x_(i); E|X - X'| / 2 is that over n (n - 1).
    ordered = np.sort(samples, axis=0)
    weights = 2 * np.arange(1, n + 1) - n - 1
    differences = np.tensordot(weights, ordered, axes=1) / (n * (n - 1))
    return np.asarray(np.abs(samples - measured).mean(axis=0) - differences, np.float64)


def crps_of_gaussian(mean: Floats, spread: Floats, measured: Floats) -> Floats:
    """Return the CRPS of a normal distribution in closed form (Gneiting & Raftery 2007)."""
    # sd (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi)), z = (y - mean) / sd.
    z = (measured - mean) / spread
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return np.asarray(spread * (z * (2 * ndtr(z) - 1) + 2 * density - 1 / np.sqrt(np.pi)), np.float64)


def calibration(samples: Floats, measured: Floats) -> dict[str, Any]:
    """Return the calibration of samples (n, T, V) for measured responses (T, V), as plain numbers."""
    return calibration_summary([calibration_sums(samples, measured)])


def calibration_sums(samples: Floats, measured: Floats) -> dict[str, Floats]:
    """Return sums that add up over pieces of a recording, so that samples need not be stored."""
    n = len(samples)
    edges = [(1 - level) / 2 for level in LEVELS] + [(1 + level) / 2 for level in LEVELS]
    bounds = np.quantile(samples, edges, axis=0)
    half = len(LEVELS)
    inside = (bounds[:half] <= measured) & (measured <= bounds[half:])
    below = (samples < measured).sum(axis=0)
    # PIT of the measured value: (number of samples below + 1/2) / (n + 1), in BINS bins.
    ranks = np.minimum((below + 0.5) / (n + 1) * BINS, BINS - 1).astype(int)
    return {
        "count": np.array(measured.size, np.float64),
        "samples": np.array(n, np.float64),
        "inside": inside.reshape(half, -1).sum(axis=1).astype(np.float64),
        "variance": np.asarray(samples.var(axis=0, ddof=1).sum(), np.float64),
        "error": np.asarray(((samples.mean(axis=0) - measured) ** 2).sum(), np.float64),
        "crps": np.asarray(crps_of_samples(samples, measured).sum(), np.float64),
        "pit": np.bincount(ranks.ravel(), minlength=BINS).astype(np.float64),
    }


def calibration_summary(pieces: Sequence[dict[str, Floats]]) -> dict[str, Any]:
    """Return coverage, spread-skill ratio, CRPS and PIT over all pieces."""
    total = {name: sum(part[name] for part in pieces) for name in pieces[0] if name != "samples"}
    n, count = float(pieces[0]["samples"]), total["count"]
    # sqrt((n + 1) / n) sqrt(mean variance / mean squared error).
    ratio = np.sqrt((n + 1) / n) * np.sqrt(total["variance"] / total["error"])
    return {
        "coverage": {
            f"{100 * level:.0f}": float(share)
            for level, share in zip(LEVELS, np.atleast_1d(total["inside"] / count), strict=True)
        },
        "spread_skill": float(ratio),
        "crps": float(total["crps"] / count),
        "pit": [round(float(share), 4) for share in np.atleast_1d(total["pit"] / count)],
        "samples": int(n),
    }
