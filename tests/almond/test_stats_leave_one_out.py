"""Rows held out by group, and means over all other subjects."""

import numpy as np

from almond.rng import generator
from almond.stats.leave_one_out import held_out_rows, means_of_others


def test_every_group_is_held_out_once():
    groups = np.array(["b", "a", "b", "c", "a"])
    rows = list(held_out_rows(groups))
    assert [groups[test].tolist() for test in rows] == [["a", "a"], ["b", "b"], ["c"]]
    np.testing.assert_array_equal(np.sum(rows, axis=0), np.ones(5))


def test_means_of_others_leave_the_own_values_out():
    values = generator(1, "others").normal(size=(4, 3, 2))
    expected = [np.delete(values, subject, axis=0).mean(axis=0) for subject in range(4)]
    np.testing.assert_allclose(means_of_others(values), expected)
