"""Clusters of score profiles: do unguided pictures fall into groups, and are these the named regions?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist, squareform

from almond.errors import InputError
from almond.stats.geometry.partitions import adjusted_rand
from almond.typing import Floats, Ints

MOST = 6
"""Clusters among which the number is chosen."""


@dataclass(frozen=True, eq=False)
class ProfileClusters:
    """``labels`` (n,) from 0, the largest cluster first; ``centres`` (K, T) in standard deviations;
    ``counts`` (K, T): pictures of each cluster whose highest score is that of each target.

    ``silhouette`` in [-1, 1]; ``agreement`` is the adjusted Rand index of clusters and highest scores: 1 if
    they are the same, 0 at chance.
    """

    labels: Ints
    centres: Floats
    counts: Ints
    silhouette: float
    agreement: float


def profile_clusters(scores: Floats, count: int = 0) -> ProfileClusters:
    """Cluster profiles (n, T) by Ward's method, each target standardised over the pictures.

    :param count: of clusters; 0 takes that of 2 to ``MOST`` with the largest silhouette (Rousseeuw 1987).
    :raises InputError: fewer than ten pictures, two targets, or pictures than clusters; a score that does not
        vary.
    """
    if len(scores) < 10 or scores.shape[1] < 2 or count > len(scores):
        raise InputError("profiles", f"are {scores.shape}", "ten pictures or more of two targets or more")
    sd = scores.std(axis=0)
    if not (sd > 0).all():
        raise InputError("profiles", "hold a score that does not vary", "pictures that differ")
    profiles = (scores - scores.mean(axis=0)) / sd
    tree = linkage(profiles, method="ward")
    distances = squareform(pdist(profiles))
    counts = [count] if count else range(2, MOST + 1)
    cut = {k: _by_size(fcluster(tree, k, criterion="maxclust")) for k in counts}
    widths = {k: silhouette(distances, labels) for k, labels in cut.items()}
    best = max(widths, key=lambda k: (widths[k], -k))
    labels, highest = cut[best], profiles.argmax(axis=1)
    number = int(labels.max()) + 1
    table = np.zeros((number, scores.shape[1]), np.intp)
    np.add.at(table, (labels, highest), 1)
    centres = np.stack([profiles[labels == k].mean(axis=0) for k in range(number)])
    return ProfileClusters(labels, centres, table, widths[best], adjusted_rand(table))


def _by_size(labels: Ints) -> Ints:
    """Number clusters from 0, the largest first."""
    names, sizes = np.unique(labels, return_counts=True)
    order = {name: place for place, name in enumerate(names[np.argsort(-sizes, kind="stable")])}
    return np.array([order[label] for label in labels], np.intp)


def silhouette(distances: Floats, labels: Ints) -> float:
    """Compute the mean silhouette of clusters from distances (n, n); 0 for one cluster, and for single
    pictures."""
    number = int(labels.max()) + 1
    if number < 2:
        return 0.0
    members = np.stack([labels == k for k in range(number)]).astype(float)
    sums = distances @ members.T
    sizes = members.sum(axis=1)
    own = sizes[labels]
    inside = sums[np.arange(len(labels)), labels] / np.maximum(own - 1, 1)
    others = sums / sizes[None, :]
    others[np.arange(len(labels)), labels] = np.inf
    nearest = others.min(axis=1)
    widths = np.where(own > 1, (nearest - inside) / np.maximum(np.maximum(nearest, inside), 1e-300), 0.0)
    return float(widths.mean())
