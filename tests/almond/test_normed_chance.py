"""The chance level of 22 % in docs/amod.md: what merging after looking makes of labels that mean nothing."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.stats import binomtest


@lru_cache
def told(right: int, shown: int, chance: float) -> bool:
    return binomtest(right, shown, chance).pvalue < 0.05 and right / shown > chance


def merged_accuracy(true: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> float:
    """Accuracy after merging into the clusters most of which beat their own frequency; most clusters win."""
    counts = np.zeros((classes, classes))
    np.add.at(counts, (true, predicted), 1)
    rates = counts / counts.sum(axis=1, keepdims=True)
    upper = np.triu_indices(classes, 1)
    tree = linkage(1 - (rates[upper] + rates.T[upper]) / 2, "ward")
    best = (-1.0, 0.0)
    for number in range(2, classes + 1):
        cluster = fcluster(tree, number, "maxclust") - 1
        hit = cluster[predicted] == cluster[true]
        own = [cluster[true] == one for one in range(number)]
        share = np.mean([told(int(hit[one].sum()), int(one.sum()), float(one.mean())) for one in own])
        if share >= best[0]:
            best = (float(share), float(hit.mean()))
    return best[1]


def test_the_published_chance_level_is_that_of_the_published_function() -> None:
    """``permutation_test_multiway_clusters``: random labels, predictions a permutation of them."""
    rng = np.random.default_rng(22)
    found = []
    for _ in range(300):
        true = rng.integers(0, 7, 560)
        found.append(merged_accuracy(true, rng.permutation(true), 7))
    assert 0.19 < np.mean(found) < 0.25
    assert np.std(found) > 0.1  # most draws stay near 1/7, a fifth merge into two or three clusters
