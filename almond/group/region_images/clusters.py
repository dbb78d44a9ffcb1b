"""Which classes can be told apart? Clusters of a confusion matrix, and what chance makes of them.

Ward's tree on 1 - the mean of the two rates of confusion; at every number of clusters each cluster is tested
against its most confused rival (two-sided binomial, uncorrected); the largest number whose clusters are all
told apart is the solution (Jang & Kragel 2025; CANlab's ``cluster_confusion_matrix`` with ``pairwise``).
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
from almond.group.region_images.plsda import Reclassifier, confusion_of, within_subjects
from almond.progress import Progress
from almond.typing import Floats, Ints

Counts = np.ndarray[Any, np.dtype[np.int64]]
ALPHA = 0.05


@dataclass(frozen=True)
class Level:
    """The classes merged into ``number`` clusters: ``members`` (C,) cluster of each class, from 0.

    ``p`` (k,) of each cluster against its most confused rival, ``separable`` (k,) whether it is told apart
    (p < .05 and more often itself than expected), ``accuracy`` of the merged classes.
    """

    number: int
    members: tuple[int, ...]
    p: tuple[float, ...]
    separable: tuple[bool, ...]
    accuracy: float
    confusion: np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class ConfusionClusters:
    """``levels`` from 2 clusters to one per class; ``number`` is the solution's, None where none is."""

    levels: tuple[Level, ...]
    number: int | None
    accuracy: float
    tree: Floats

    @property
    def solution(self) -> Level | None:
        return None if self.number is None else self.levels[self.number - 2]


def cluster_confusion(
    predicted: Ints, true: Ints, classes: int, *, against: str = "rival"
) -> ConfusionClusters:
    """Cluster ``classes`` by how ``predicted`` (n,) confuses ``true`` (n,), both in 0..C-1.

    ``against`` the most confused ``rival`` the solution is the largest number of clusters that are all told
    apart. Against ``all`` others together (what CANlab's function does unless told) it is the number with the
    largest share of such clusters, the largest of equals.

    :raises InputError: fewer than two classes, or a class without rows.
    """
    counts = confusion_of(predicted, true, classes)
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
        tuple(int(one) for one in members),
        tuple(p for p, _ in tests),
        tuple(told for _, told in tests) if len(merged) == number else (False,) * len(tests),
        float(np.trace(merged) / merged.sum()),
        merged,
    )


def _against_rival(counts: Counts, own: int) -> tuple[float, bool]:
    """p of a cluster's hits among its hits and confusions with the worst rival; expected by their sizes."""
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
    """p of a cluster's hits among all of its rows; expected by its share of all rows."""
    trials = int(counts[own].sum())
    return _binomial(int(counts[own, own]), trials, trials / float(counts.sum()))


def _binomial(hits: int, trials: int, expected: float) -> tuple[float, bool]:
    # bdtr and bdtrc are the binomial's lower and upper tails without the cost of scipy's distributions.
    lower, upper = bdtr(hits, trials, expected), bdtrc(hits - 1, trials, expected) if hits else 1.0
    p = float(min(1.0, 2.0 * min(lower, upper)))
    return p, p < ALPHA and hits / trials > expected


@dataclass(frozen=True)
class ClusteredNull:
    """What permuted labels reach: ``accuracy`` (B,) of all classes; ``merged`` (B,) of as many clusters as
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
    """Shuffle labels within subjects; classify, cluster and merge again, every time."""
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
        shuffled = within_subjects(labels, subjects, rng)
        found = cluster_confusion(again.predict(shuffled, classes), shuffled, classes)
        accuracy[index], merged[index] = found.accuracy, found.levels[number - 2].accuracy
        numbers[index] = found.number or 0

    def reached(null: Floats, value: float) -> float:
        return float((1 + (null >= value - 1e-9).sum()) / (1 + permutations))

    solution = observed.solution
    return ClusteredNull(
        accuracy,
        merged,
        numbers,
        reached(accuracy, observed.accuracy),
        None if solution is None else reached(merged, solution.accuracy),
        None if solution is None else reached(numbers.astype(np.float64), float(solution.number)),
    )


def published_null(rows: int, classes: int, *, iterations: int, rng: np.random.Generator) -> Floats:
    """Accuracies (B,) of merged classes in noise, as AMOD's ``permutation_test_multiway_clusters`` has it.

    True labels are uniform over the classes, predictions are the same labels shuffled, clusters are chosen
    ``against`` all. It knows neither the design nor the classifier: :func:`clustered_null` does.
    """
    found = np.empty(iterations)
    for index in range(iterations):
        true = rng.integers(0, classes, rows).astype(np.intp)
        while len(np.unique(true)) < classes:
            true = rng.integers(0, classes, rows).astype(np.intp)
        solution = cluster_confusion(rng.permutation(true), true, classes, against="all").solution
        found[index] = solution.accuracy if solution is not None else np.nan
    return found
