"""Two one-sided tests against statsmodels, and Bayes factors against pingouin and R's BayesFactor."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.weightstats import DescrStatsW, ttost_paired

from almond.errors import InputError
from almond.stats.bayes import jzs_bayes_factor
from almond.stats.ttest import equivalence_test


@pytest.mark.parametrize(("seed", "size"), [(0, 8), (1, 20), (2, 50)])
def test_two_one_sided_tests_are_those_of_statsmodels(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.normal(0.1, 1, size), rng.normal(0, 1, size)
    values = first - second
    test = equivalence_test(values.mean(), values.std(ddof=1) / np.sqrt(size), size - 1, 0.4)
    p, lower, upper = ttost_paired(first, second, -0.4, 0.4)
    assert (test.p, test.p_lower, test.p_upper) == pytest.approx((p, lower[1], upper[1]))
    p, *_ = DescrStatsW(values).ttost_mean(-0.4, 0.4)
    assert test.p == pytest.approx(p)
    # The interval of 1 - 2 alpha is inside exactly where p is at most alpha.
    assert (test.low, test.high) == pytest.approx(DescrStatsW(values).tconfint_mean(alpha=0.1))
    at = equivalence_test(values.mean(), values.std(ddof=1) / np.sqrt(size), size - 1, 0.4, alpha=test.p)
    assert max(abs(at.low), abs(at.high)) == pytest.approx(0.4) or test.p > 0.5


def test_a_test_of_no_spread_or_no_bound_is_refused() -> None:
    with pytest.raises(InputError, match="both above 0"):
        equivalence_test(0.1, 0.0, 9, 0.4)
    with pytest.raises(InputError, match="both above 0"):
        equivalence_test(0.1, 0.2, 9, 0.0)


@pytest.mark.parametrize(
    ("t", "units", "expected"),
    [
        # R: exp(BayesFactor::ttest.tstat(t, n1, rscale = sqrt(2) / 2)$bf)
        (2.3, 12, 1.89450631086),
        (0.4, 20, 0.249707692685),
        (-3.1, 8, 4.25537711067),
        (0.0, 40, 0.170577718319),
        (6.0, 12, 318.298895197),
    ],
)
def test_bayes_factors_are_those_of_bayesfactor_and_pingouin(t: float, units: int, expected: float) -> None:
    import pingouin  # here, since it loads xarray, which takes as long as all tests of this file

    assert jzs_bayes_factor(t, units - 1) == pytest.approx(expected, rel=1e-6)
    for scale in (0.5, 1.0):
        theirs = float(pingouin.bayesfactor_ttest(t, units, r=scale))
        assert jzs_bayes_factor(t, units - 1, scale=scale) == pytest.approx(theirs, rel=1e-6)


def test_bayes_factors_are_smooth_in_the_units_and_stay_finite() -> None:
    values = [jzs_bayes_factor(2.0, df) for df in (10.0, 10.5, 11.0)]
    assert min(values[0], values[2]) < values[1] < max(values[0], values[2])
    assert np.isfinite(jzs_bayes_factor(40.0, 199))
    assert jzs_bayes_factor(0.0, 1e5) < 0.01
    with pytest.raises(InputError, match="df and r above 0"):
        jzs_bayes_factor(1.0, 0.0)
