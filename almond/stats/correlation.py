"""Standardise values, correlate them, and transform correlations by Fisher's z."""

from __future__ import annotations

import numpy as np

from almond.stats.ttest import FLAT
from almond.typing import Floats


def zscore(values: Floats, axis: int = -1) -> Floats:
    """Scale to mean 0 and standard deviation 1 (ddof 1) along ``axis``; what does not vary becomes 0."""
    centred = values - values.mean(axis=axis, keepdims=True)
    spread = values.std(axis=axis, ddof=1, keepdims=True)
    flat = spread <= FLAT * np.abs(values).max(axis=axis, keepdims=True)
    scores: Floats = np.where(flat, 0.0, centred / np.where(flat, 1.0, spread))
    return scores


def correlations(first: Floats, second: Floats) -> Floats:
    """Compute Pearson's r along the last axis, broadcast; 0 where either does not vary."""
    return np.asarray((zscore(first) * zscore(second)).sum(axis=-1) / (first.shape[-1] - 1), np.float64)


def fisher_z(r: Floats) -> Floats:
    """Compute ``atanh(r)``, a correlation of exactly one as the nearest number below; NaN stays."""
    edge = 1.0 - np.finfo(np.float64).epsneg
    return np.asarray(np.arctanh(np.clip(r, -edge, edge)), np.float64)
