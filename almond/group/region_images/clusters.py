"""Cluster the classes of a confusion matrix, and test the accuracy of merged classes by permutations.

Ward's tree on 1 - the mean of the two rates of confusion; at every number of clusters each cluster is tested
against its most confused rival (two-sided binomial, uncorrected); the largest number whose clusters are all
separable is the solution (Jang & Kragel 2025; CANlab's ``cluster_confusion_matrix`` with ``pairwise``).
Merging after looking raises accuracy, so that it must not be held against 1/k: :func:`clustered_null` repeats
the classification and the clustering in every permutation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from scipy.special import bdtr, bdtrc

from almond.errors import InputError
from almond.group.region_images.plsda import Reclassifier
from almond.progress import Progress
from almond.significance import permutation_p
from almond.stats.classification import Counts, confusion_matrix
from almond.stats.permutation import shuffle_within
from almond.typing import Floats, Ints

ALPHA = 0.05


@dataclass(frozen=True)
class Level:
    """The classes merged into ``number`` clusters: ``members`` (C,) cluster of each class, from 0.

    ``p`` (k,) of each cluster against its most confused rival, ``separable`` (k,) whether it is separable
    (p < .05 and more often itself than expected), ``accuracy`` of the merged classes.
    """

    number: int
    members: tuple[int, ...]
    p: tuple[float, ...]
    separable: tuple[bool, ...]
    accuracy: float
    confusion: Counts


@dataclass(frozen=True)
class ConfusionClusters:
    """``levels`` from 2 clusters to one per class; ``number`` is the solution's, None where none is."""

    levels: tuple[Level, ...]
    number: int | None
    accuracy: float
    tree: Floats

    @property
    def solution(self) -> Level | None:
        """Return the level of ``number`` clusters."""
        return None if self.number is None else self.levels[self.number - 2]


def cluster_confusion(
    predicted: Ints, true: Ints, classes: int, *, against: str = "rival"
) -> ConfusionClusters:
    """Cluster ``classes`` by how ``predicted`` (n,) confuses ``true`` (n,), both in 0..C-1.

    ``against`` the most confused ``rival`` the solution is the largest number of clusters that are all
    separable. Against ``all`` others together (the default of CANlab's function) it is the number with the
    largest share of such clusters, the largest of equals.

    :raises InputError: fewer than two classes, or a class without rows.
    """
    counts = confusion_matrix(predicted, true, classes)
    totals = counts.sum(axis=1)
    if classes < 2 or (totals == 0).any():
        raise InputError(
            "confusion matrix", f"{classes} classes with {totals.tolist()} rows", "two or more, each seen"
        )
    rates = counts / totals[:, None]
    distance = 1.0 - (rates + rates.T) / 2.0
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), "ward")
    test = {"rival": _against_rival, "all": _against_all}[against]
    levels = tuple(_level(counts, tree, number, test) for number in range(2, classes + 1))
    accuracy = float(np.trace(counts) / counts.sum())
    return ConfusionClusters(levels, _solution(levels, against), accuracy, tree)


def _solution(levels: Sequence[Level], against: str) -> int | None:
    if against == "all":
        return max(levels, key=lambda level: (sum(level.separable) / level.number, level.number)).number
    whole = [level.number for level in levels if all(level.separable)]
    return max(whole) if whole else None


def _level(
    counts: Counts, tree: Floats, number: int, test: Callable[[Counts, int], tuple[float, bool]]
) -> Level:
    members = fcluster(tree, number, "maxclust") - 1
    hot = np.eye(int(members.max()) + 1)[members]
    merged = (hot.T @ counts @ hot).round().astype(np.int64)
    tests = [test(merged, index) for index in range(len(merged))]
    return Level(
        number,
        tuple(int(cluster) for cluster in members),
        tuple(p for p, _ in tests),
        tuple(separable for _, separable in tests) if len(merged) == number else (False,) * len(tests),
        float(np.trace(merged) / merged.sum()),
        merged,
    )


def _against_rival(counts: Counts, own: int) -> tuple[float, bool]:
    """Test a cluster's hits among its hits and confusions with the worst rival; expected by their sizes."""
    row = counts[own].astype(np.float64)
    row[own] = -1.0
    rival = int(row.argmax())
    hits, confused = int(counts[own, own]), int(counts[own, rival])
    trials = hits + confused
    if trials == 0:
        return 1.0, False
    sizes = counts.sum(axis=1)
    return _binomial(hits, trials, float(sizes[own] / (sizes[own] + sizes[rival])))


def _against_all(counts: Counts, own: int) -> tuple[float, bool]:
    """Test a cluster's hits among all of its rows; expected by its share of all rows."""
    trials = int(counts[own].sum())
    return _binomial(int(counts[own, own]), trials, trials / float(counts.sum()))


def _binomial(hits: int, trials: int, expected: float) -> tuple[float, bool]:
    # bdtr and bdtrc are the binomial's lower and upper tails without the cost of scipy's distributions.
    lower, upper = bdtr(hits, trials, expected), bdtrc(hits - 1, trials, expected) if hits else 1.0
    p = float(min(1.0, 2.0 * min(lower, upper)))
    return p, p < ALPHA and hits / trials > expected


@dataclass(frozen=True)
class ClusteredNull:
    """The null distribution: ``accuracy`` (B,) of all classes; ``merged`` (B,) of as many clusters as
    observed, re-derived in every permutation; ``numbers`` (B,) of separable clusters, 0 for none.

    ``p`` of the observed accuracy, ``p_merged`` of that after merging, ``p_number`` of as many clusters;
    (1 + b) / (1 + B).
    """

    accuracy: Floats
    merged: Floats
    numbers: Ints
    p: float
    p_merged: float | None
    p_number: float | None


def clustered_null(
    x: Floats,
    labels: Ints,
    subjects: Sequence[Any],
    components: int,
    observed: ConfusionClusters,
    *,
    permutations: int,
    rng: np.random.Generator,
    progress: Progress,
) -> ClusteredNull:
    """Shuffle labels within subjects, and classify, cluster and merge again every time.

    :param x: (n, P) predictors. :param labels: (n,) in 0..C-1. :param subjects: (n,) held out in turn.
    :param components: of the discriminant analysis. :param observed: the clusters of the labels as they are.
    """
    classes = len(observed.levels) + 1
    again = Reclassifier(x, subjects, components)
    number = observed.number or classes
    accuracy, merged, numbers = (
        np.empty(permutations),
        np.empty(permutations),
        np.zeros(permutations, np.intp),
    )
    for index in range(permutations):
        if index % 50 == 0:
            progress.report(index / permutations, f"{index} of {permutations} permutations")
        shuffled = shuffle_within(labels, subjects, 1, rng)[0]
        clustered = cluster_confusion(again.predict(shuffled, classes), shuffled, classes)
        accuracy[index], merged[index] = clustered.accuracy, clustered.levels[number - 2].accuracy
        numbers[index] = clustered.number or 0

    solution = observed.solution
    return ClusteredNull(
        accuracy,
        merged,
        numbers,
        permutation_p(accuracy, observed.accuracy),
        None if solution is None else permutation_p(merged, solution.accuracy),
        None if solution is None else permutation_p(numbers.astype(np.float64), float(solution.number)),
    )


def published_null(rows: int, classes: int, *, iterations: int, rng: np.random.Generator) -> Floats:
    """Draw accuracies (B,) of merged classes in noise as AMOD's ``permutation_test_multiway_clusters`` does.

    True labels are uniform over the classes, predictions are the same labels shuffled, clusters are tested
    ``against`` all. It knows neither the design nor the classifier: :func:`clustered_null` does.
    """
    accuracies = np.empty(iterations)
    for index in range(iterations):
        true = rng.integers(0, classes, rows).astype(np.intp)
        while len(np.unique(true)) < classes:
            true = rng.integers(0, classes, rows).astype(np.intp)
        solution = cluster_confusion(rng.permutation(true), true, classes, against="all").solution
        accuracies[index] = solution.accuracy if solution is not None else np.nan
    return accuracies
