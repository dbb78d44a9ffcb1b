"""Test means and other estimates against zero by Student's t, two-sided, with their intervals."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from almond.errors import InputError
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


def two_sided_p(t: float, df: float) -> float:
    """Return the probability of a t at least as far from zero with ``df`` degrees of freedom."""
    return float(2.0 * special.stdtr(df, -abs(t)))


def half_width(se: float, df: float, level: float = 0.95) -> float:
    """Return what an interval that holds the estimate with probability ``level`` extends to either side."""
    return float(special.stdtrit(df, 0.5 + level / 2.0)) * se


def t_test(estimate: float, se: float, df: float) -> TTest:
    """Test an estimate with a standard error and degrees of freedom."""
    if not se > 0:
        return TTest(estimate, 0.0, None, df, None, estimate, estimate)
    t, reach = estimate / se, half_width(se, df)
    return TTest(estimate, se, t, df, two_sided_p(t, df), estimate - reach, estimate + reach)


def one_sample(values: Floats) -> TTest:
    """Test the mean of ``values`` (S,), two or more, against zero."""
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    if spread <= FLAT * float(np.abs(values).max(initial=0.0)):
        spread = 0.0
    return t_test(mean, spread / np.sqrt(len(values)), len(values) - 1)


@dataclass(frozen=True)
class EquivalenceTest:
    """Two one-sided t tests of an estimate against ``-smallest`` and ``smallest`` (TOST).

    ``p`` is the larger of the two; it is at most alpha exactly where the interval of 1 - 2 alpha, from
    ``low`` to ``high``, lies between the bounds.
    """

    smallest: float
    p_lower: float
    p_upper: float
    p: float
    low: float
    high: float


def equivalence_test(
    estimate: float, se: float, df: float, smallest: float, *, alpha: float = 0.05
) -> EquivalenceTest:
    """Test whether an estimate is nearer to zero than ``smallest`` in either direction.

    Schuirmann (1987), J. Pharmacokinet. Biopharm. 15, 657; Lakens (2017), Soc. Psychol. Personal. Sci. 8,
    355.

    :param se: standard error, above 0. :param smallest: above 0, in the unit of the estimate.
    :raises InputError: a standard error or a smallest effect that is not above 0.
    """
    if not (se > 0 and smallest > 0):
        problem = f"standard error {se:g}, smallest effect {smallest:g}"
        raise InputError("equivalence test", problem, "both above 0")
    lower = float(special.stdtr(df, -(estimate + smallest) / se))
    upper = float(special.stdtr(df, (estimate - smallest) / se))
    reach = half_width(se, df, 1.0 - 2.0 * alpha)
    return EquivalenceTest(smallest, lower, upper, max(lower, upper), estimate - reach, estimate + reach)


class ColumnTests(NamedTuple):
    """One-sample t tests of V columns, each (V,): subjects ``n``, ``mean``, ``t``, two-sided ``p``."""

    n: Floats
    mean: Floats
    t: Floats
    p: Floats


def one_sample_columns(values: Floats, *, least: int = 2) -> ColumnTests:
    """Test the mean of every column against zero, over the rows that have a value there.

    :param values: (S, V), NaN where a row lacks the column.
    :param least: rows that a column needs; columns with fewer, or without variance, have NaN for t and p.
    """
    present = np.isfinite(values)
    n = present.sum(axis=0).astype(np.float64)
    filled = np.where(present, values, 0.0)
    mean = filled.sum(axis=0) / np.maximum(n, 1.0)
    squares = np.where(present, (filled - mean) ** 2, 0.0).sum(axis=0)
    se = np.sqrt(squares / np.maximum(n - 1.0, 1.0) / np.maximum(n, 1.0))
    tested = (n >= least) & (se > 0)
    t = np.where(tested, mean / np.where(tested, se, 1.0), np.nan)
    p = np.where(tested, 2.0 * special.stdtr(np.maximum(n - 1.0, 1.0), -np.abs(t)), np.nan)
    return ColumnTests(n, mean, t, p)
