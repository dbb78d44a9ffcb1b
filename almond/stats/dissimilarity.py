"""Compute dissimilarity matrices of images by several measures, and their rank correlations.

A dissimilarity is 1 - Pearson's r between two images' pixels, features, predicted responses, or indicators
of target region and subject (Jang & Kragel 2025, ``decode_activation_targets_artificial_stim``). Two matrices
are compared by Spearman's correlation over pairs of images; p by permuting the images of one (Mantel).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn.manifold import TSNE

from almond.errors import InputError
from almond.significance import p_of_count, reaches
from almond.stats.correlation import zscore
from almond.typing import Floats


def dissimilarity(rows: Floats) -> Floats:
    """Compute 1 - correlation (n, n) between the rows of (n, D).

    :raises InputError: a row that does not vary.
    """
    values = np.asarray(rows, np.float64)
    centred = values - values.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    if not (lengths > 1e-12).all():
        index = int(np.argmin(lengths))
        raise InputError("dissimilarity", f"row {index + 1} does not vary", "rows that do")
    matrix: Floats = 1.0 - (centred / lengths) @ (centred / lengths).T
    np.fill_diagonal(matrix, 0.0)
    return matrix


def of_labels(labels: Sequence[str]) -> Floats:
    """Compute 1 - correlation (n, n) of class indicators: 0 in a class, 1 + 1 / (C - 1) between two of C."""
    classes, codes = np.unique(np.asarray(labels), return_inverse=True)
    if len(classes) < 2:
        raise InputError("dissimilarity", "all images have one label", "two or more")
    different = (codes[:, None] != codes[None, :]).astype(np.float64)
    matrix: Floats = different * (1.0 + 1.0 / (len(classes) - 1))
    return matrix


@dataclass(frozen=True)
class Comparison:
    """Spearman's rho of two dissimilarity matrices over pairs of images, with Mantel's p (two-sided)."""

    first: str
    second: str
    rho: float
    p: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def compare(
    matrices: Mapping[str, Floats], *, permutations: int, rng: np.random.Generator
) -> list[Comparison]:
    """Correlate every pair of matrices (n, n), n of 4 or more, and permute the images of one for p.

    :raises InputError: fewer than four images.
    """
    count = len(next(iter(matrices.values())))
    if count < 4:
        raise InputError("dissimilarity", f"{count} images", "four or more")
    names = list(matrices)
    flat = np.stack([_ranks(matrix).ravel() for matrix in matrices.values()])
    observed = flat @ flat.T
    reached = np.zeros(observed.shape)
    for _ in range(permutations):
        order = rng.permutation(count)
        places = (order[:, None] * count + order).ravel()
        for column in range(1, len(names)):
            # Permuting one matrix serves its comparison with all matrices before it.
            rho = flat[:column] @ flat[column].take(places)
            reached[:column, column] += reaches(np.abs(rho), np.abs(observed[:column, column]))
    p = p_of_count(reached, permutations)
    return [
        Comparison(
            names[row],
            names[column],
            float(observed[row, column]),
            float(p[row, column]),
        )
        for row, column in combinations(range(len(names)), 2)
    ]


def _ranks(matrix: Floats) -> Floats:
    """Rank the pairs, centred and scaled so that sums of products over (n, n) are correlations."""
    upper = np.triu_indices(len(matrix), 1)
    ranks = rankdata(matrix[upper].round(12))
    ranks -= ranks.mean()
    length = np.sqrt((ranks**2).sum())
    half = np.zeros(matrix.shape)
    half[upper] = ranks / (length if length > 0 else 1.0) / np.sqrt(2.0)
    symmetric: Floats = half + half.T
    return symmetric


def tsne_picture(values: Floats, rng: np.random.Generator) -> Floats:
    """Lay out (n, 2) the rows of (n, P) by t-SNE: a picture to look at, never evidence.

    :raises InputError: fewer than five rows.
    """
    if len(values) < 5:
        raise InputError("t-SNE", f"{len(values)} images", "five or more")
    perplexity = min(30.0, (len(values) - 1) / 3.0)
    seed = int(rng.integers(2**31 - 1))
    model = TSNE(n_components=2, perplexity=perplexity, init="pca", random_state=seed)
    return np.asarray(model.fit_transform(zscore(values, axis=0)), np.float64)
