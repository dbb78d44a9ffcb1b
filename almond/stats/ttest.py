"""Tests over subjects: one-sample t, correlations, Fisher z, z-scores."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from almond.typing import Floats

FLAT = 1e-12
"""A standard deviation below this share of the largest value counts as none."""


@dataclass(frozen=True)
class TTest:
    """A two-sided t test of an estimate against zero with its 95 % interval.

    ``t`` and ``p`` are None where the estimate has no standard error.
    """

    estimate: float
    se: float
    t: float | None
    df: float
    p: float | None
    low: float
    high: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def t_test(estimate: float, se: float, df: float) -> TTest:
    """The test of an estimate with a standard error and degrees of freedom."""
    if not se > 0:
        return TTest(estimate, 0.0, None, df, None, estimate, estimate)
    t = estimate / se
    reach = float(stats.t.ppf(0.975, df)) * se
    return TTest(estimate, se, t, df, float(2.0 * stats.t.sf(abs(t), df)), estimate - reach, estimate + reach)


def one_sample(values: Floats) -> TTest:
    """One-sample t test over subjects; ``values`` (S,), two or more."""
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    if spread <= FLAT * float(np.abs(values).max(initial=0.0)):
        spread = 0.0
    return t_test(mean, spread / np.sqrt(len(values)), len(values) - 1)


def zscore(values: Floats) -> Floats:
    """Mean 0 and standard deviation 1 (ddof 1) along the last axis; what does not vary becomes 0."""
    centred = values - values.mean(axis=-1, keepdims=True)
    spread = values.std(axis=-1, ddof=1, keepdims=True)
    flat = spread <= FLAT * np.abs(values).max(axis=-1, keepdims=True)
    found: Floats = np.where(flat, 0.0, centred / np.where(flat, 1.0, spread))
    return found


def correlations(first: Floats, second: Floats) -> Floats:
    """Pearson's r along the last axis, broadcast; 0 where either does not vary."""
    return np.asarray((zscore(first) * zscore(second)).sum(axis=-1) / (first.shape[-1] - 1), np.float64)


def fisher(r: Floats) -> Floats:
    """atanh, with correlations of exactly one pulled in by the smallest step that floats have."""
    edge = 1.0 - np.finfo(np.float64).epsneg
    return np.asarray(np.arctanh(np.clip(r, -edge, edge)), np.float64)
