"""The p value of permutations and its rule for ties."""

import numpy as np
import pytest
from scipy import stats

from almond.rng import generator
from almond.significance import TIE, max_statistic_p, p_of_count, permutation_p, reaches


def test_p_is_never_zero_and_counts_what_reaches_the_observed():
    assert permutation_p(np.zeros(99), 1.0) == pytest.approx(0.01)
    assert permutation_p(np.arange(10.0), 7.0) == pytest.approx(4 / 11)
    assert permutation_p(np.array([2.0, np.nan]), 1.0) == pytest.approx(2 / 3)
    np.testing.assert_allclose(p_of_count([0, 9, 19], 19), [0.05, 0.5, 1.0])


def test_rounding_does_not_decide_a_tie():
    observed = 0.1 + 0.2
    assert observed > 0.3
    assert permutation_p(np.full(9, 0.3), observed) == 1.0
    # Beyond the tolerance, which grows with the statistic, there is none.
    assert not reaches(np.array([0.3 - 2 * TIE]), 0.3)[0]
    assert reaches(np.array([1e6 - 5e-4]), 1e6)[0]
    assert not reaches(np.array([1e6 - 5e-3]), 1e6)[0]


def test_family_wise_p_is_that_of_each_statistic_against_the_largest():
    rng = generator(1, "largest")
    null, observed = np.abs(rng.normal(size=(200, 3, 2))), np.abs(rng.normal(size=(3, 2))) * 2
    largest = null.max(axis=(1, 2))
    observed[0, 0] = largest[5]  # a tie
    expected = [[permutation_p(largest, value) for value in row] for row in observed]
    np.testing.assert_array_equal(max_statistic_p(largest, observed), expected)


def test_it_is_scipys_permutation_p():
    rng = generator(2, "scipy")
    first, second = rng.normal(0.3, 1.0, 20), rng.normal(size=20)
    test = stats.permutation_test(
        (first, second),
        lambda a, b: a.mean() - b.mean(),
        alternative="greater",
        n_resamples=500,
        rng=np.random.default_rng(3),
    )
    assert permutation_p(test.null_distribution, test.statistic) == pytest.approx(test.pvalue)
