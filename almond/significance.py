"""Compute p values of random permutations: one formula and one rule for ties, wherever labels are shuffled.

p = (1 + b) / (1 + B), b of B permutations reaching the observed statistic: Phipson & Smyth (2010), Stat.
Appl. Genet. Mol. Biol. 9(1), 39. A permutation may give the observed statistic again, as the same labels or
equal counts do, with its sum taken in another order: a tolerance keeps rounding from deciding such ties.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from almond.typing import Floats

TIE = 1e-9
"""Difference below which two statistics are tied; a share of the observed one where that is above 1."""


def reaches(statistic: Floats, observed: float | Floats) -> NDArray[np.bool_]:
    """Compare permuted statistics with ``observed`` (broadcast): larger or tied; NaN is neither."""
    return np.asarray(statistic >= _threshold(observed), np.bool_)


def permutation_p(null: Floats, observed: float) -> float:
    """Return (1 + b) / (1 + B) of one observed statistic against its null distribution.

    :param null: (B,) statistics of the permutations; absolute values for a two-sided test.
    :param observed: the statistic of the data as they are, absolute likewise.
    """
    return float(p_of_count(np.count_nonzero(reaches(null, observed)), len(null)))


def max_statistic_p(largest: Floats, observed: Floats) -> Floats:
    """Return family-wise p values of many statistics from the largest of each permutation.

    :param largest: (B,) the largest statistic of each permutation over all tests; none is NaN.
    :param observed: any shape, which is that of the p values.
    """
    ordered = np.sort(largest)
    below = np.searchsorted(ordered, _threshold(observed), side="left")
    return p_of_count(len(ordered) - below, len(ordered))


def p_of_count(reached: ArrayLike, permutations: int) -> Floats:
    """Return (1 + b) / (1 + B) for counts b, of any shape, of B ``permutations`` that reach it."""
    return np.asarray((1 + np.asarray(reached)) / (1 + permutations), np.float64)


def _threshold(observed: float | Floats) -> Floats:
    # observed - TIE max(1, |observed|): the smallest statistic that counts as reaching it.
    return np.asarray(observed - TIE * np.maximum(1.0, np.abs(observed)), np.float64)
