"""Analyse the variance of repeated measures over one factor, with post hoc comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy import stats

from almond.stats.multiple import holm, tukey_p
from almond.stats.ttest import FLAT, TTest, one_sample
from almond.typing import Floats


@dataclass(frozen=True)
class RepeatedMeasures:
    """F over ``df`` and ``df_error``; ``p_gg`` and ``p_hf`` with degrees of freedom times epsilon.

    ``epsilon_gg`` is Greenhouse & Geisser's (1959), ``epsilon_hf`` Huynh & Feldt's (1976), at most 1.
    ``eta_squared`` is the partial one. F and p are None where nothing is left over to test against.
    """

    f: float | None
    df: float
    df_error: float
    p: float | None
    epsilon_gg: float
    p_gg: float | None
    epsilon_hf: float
    p_hf: float | None
    eta_squared: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Pair:
    """A post hoc comparison: first minus second, over subjects.

    ``p_tukey`` refers the pair's own t to the studentised range, as MATLAB's ``multcompare`` does for
    repeated measures.
    """

    first: str
    second: str
    test: TTest
    p_holm: float | None = None
    p_tukey: float | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def repeated_measures(values: Floats) -> RepeatedMeasures:
    """Analyse the variance of ``values`` (S, k): S >= 2 subjects, k >= 2 levels."""
    subjects, levels = values.shape
    grand = values.mean()
    by_level = values.mean(axis=0)
    effect = subjects * float(((by_level - grand) ** 2).sum())
    residual = values - by_level - values.mean(axis=1, keepdims=True) + grand
    error = float((residual**2).sum())
    df, df_error = levels - 1, (levels - 1) * (subjects - 1)
    f = None
    if error > FLAT**2 * float((values**2).sum()):
        f = (effect / df) / (error / df_error)
    gg = greenhouse_geisser(values)
    hf = huynh_feldt(gg, subjects, levels)

    def p_of(epsilon: float) -> float | None:
        return None if f is None else float(stats.f.sf(f, df * epsilon, df_error * epsilon))

    share = effect / (effect + error) if effect + error > 0 else 0.0
    return RepeatedMeasures(f, df, df_error, p_of(1.0), gg, p_of(gg), hf, p_of(hf), share)


def greenhouse_geisser(values: Floats) -> float:
    """Estimate epsilon from the doubly centred covariance of the levels: between 1 / (k - 1) and 1."""
    levels = values.shape[1]
    covariance = np.cov(values, rowvar=False)
    centred = (
        covariance - covariance.mean(axis=0) - covariance.mean(axis=1, keepdims=True) + covariance.mean()
    )
    squares = float((centred**2).sum())
    if squares <= 0:
        return 1.0
    return float(np.trace(centred) ** 2 / ((levels - 1) * squares))


def huynh_feldt(epsilon: float, subjects: int, levels: int) -> float:
    """Compute Huynh & Feldt's epsilon from Greenhouse & Geisser's, at most 1."""
    below = (levels - 1) * (subjects - 1 - (levels - 1) * epsilon)
    if below <= 0:
        return 1.0
    return float(min((subjects * (levels - 1) * epsilon - 2) / below, 1.0))


def post_hoc(values: Floats, names: Sequence[str]) -> list[Pair]:
    """Compare every pair of levels of ``values`` (S, k): paired t, with Holm's and Tukey's correction."""
    subjects, levels = values.shape
    pairs = [
        Pair(names[a], names[b], one_sample(values[:, a] - values[:, b]))
        for a, b in combinations(range(levels), 2)
    ]
    corrected = holm([1.0 if pair.test.p is None else pair.test.p for pair in pairs])
    tukey = [None if pair.test.t is None else tukey_p(pair.test.t, levels, subjects - 1) for pair in pairs]
    return [
        Pair(pair.first, pair.second, pair.test, p_holm, p_tukey)
        for pair, p_holm, p_tukey in zip(pairs, corrected, tukey, strict=True)
    ]
