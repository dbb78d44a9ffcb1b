"""Two linear classifiers, each fitted to many label vectors of the same stimuli at once.

Everything that does not depend on labels (scaling, the total cross-product) is computed once per fold; what
does is computed for a whole batch of permutations by matrix products and batched solves of K x K systems.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from almond.stats.leave_one_out import held_out_rows
from almond.typing import Floats, Ints

SHRINKAGE = 0.2
"""Share of a scaled identity in the within-class covariance: fixed beforehand, not tuned."""

Classifier = Callable[[Floats, Floats, Floats], Floats]


def scale_by(training: Floats, testing: Floats) -> tuple[Floats, Floats]:
    """Scale both sets so that the training set has mean 0 and SD (n - 1) 1; constant columns become 0."""
    middle, spread = training.mean(axis=0), training.std(axis=0, ddof=1)
    spread = np.where(spread > 1e-12, spread, 1.0)
    return (training - middle) / spread, (testing - middle) / spread


def shrinkage_lda(training: Floats, membership: Floats, testing: Floats) -> Floats:
    """Score by linear discriminants with a shrunken within-class covariance and equal prior probabilities.

    ``training`` (n, K) scaled, ``membership`` (B, C, n) of 0 and 1, ``testing`` (m, K) -> scores (B, m, C).
    Covariance: (1 - s) S + s tr(S)/K I with S pooled over classes and divided by n, as in scikit-learn's
    ``LinearDiscriminantAnalysis(solver="lsqr", shrinkage=s)`` for equally frequent classes. A class without
    training stimuli has score -inf. Friedman (1989), JASA 84, 165-175.
    """
    rows, width = training.shape
    counts = membership.sum(axis=2)
    means = (membership @ training) / np.maximum(counts, 1.0)[..., None]
    between = np.einsum("bc,bck,bcl->bkl", counts, means, means, optimize=True)
    within = (training.T @ training - between) / rows
    size = np.trace(within, axis1=1, axis2=2) / width
    size = np.where(size > 1e-12, size, 1.0)
    matrix = (1.0 - SHRINKAGE) * within + (SHRINKAGE * size)[:, None, None] * np.eye(width)
    directions = np.linalg.solve(matrix, means.transpose(0, 2, 1))
    offset = -0.5 * np.einsum("bck,bkc->bc", means, directions)
    scores = testing @ directions + offset[:, None, :]
    return np.where((counts > 0)[:, None, :], scores, -np.inf)


def pls_da(training: Floats, membership: Floats, testing: Floats) -> Floats:
    """Score by partial least squares discriminant analysis: predicted, z-scored class indicators.

    Same shapes as ``shrinkage_lda``. PLS2 regression of the indicators with min(C - 1, K) components by the
    kernel algorithm on the cross-products (Lindgren, Geladi & Wold 1993, J. Chemometrics 7, 45-59), which
    equals NIPALS and scikit-learn's ``PLSRegression``.
    """
    rows, width = training.shape
    batch, classes, _ = membership.shape
    components = min(classes - 1, width)
    share = membership.mean(axis=2)
    spread = np.sqrt(np.maximum(share * (1.0 - share) * rows / (rows - 1), 0.0))
    present = spread > 1e-12
    spread = np.where(present, spread, 1.0)
    # training is centred, so its product with centred indicators is that with the indicators themselves.
    cross = (membership @ training).transpose(0, 2, 1) / spread[:, None, :]
    total = np.broadcast_to(training.T @ training, (batch, width, width)).copy()
    weights, loadings, responses = [], [], []
    for _ in range(components):
        direction = np.linalg.eigh(cross @ cross.transpose(0, 2, 1))[1][:, :, -1]
        product = np.einsum("bkl,bl->bk", total, direction)
        length = np.einsum("bk,bk->b", direction, product)
        length = np.where(length > 1e-12, length, np.inf)
        loading = product / length[:, None]
        response = np.einsum("bkc,bk->bc", cross, direction) / length[:, None]
        step = np.where(np.isfinite(length), length, 0.0)[:, None, None]
        total -= step * loading[:, :, None] * loading[:, None, :]
        cross -= step * loading[:, :, None] * response[:, None, :]
        weights.append(direction)
        loadings.append(loading)
        responses.append(response)
    coefficients = regression(np.stack(weights, 2), np.stack(loadings, 2), np.stack(responses, 2))
    scores = (testing @ coefficients) * spread[:, None, :] + share[:, None, :]
    return np.where(present[:, None, :], scores, -np.inf)


def regression(weights: Floats, loadings: Floats, responses: Floats) -> Floats:
    """Compute coefficients (B, K, C) ``W (P'W)^-1 Q'``; a component that holds nothing takes no part."""
    product = loadings.transpose(0, 2, 1) @ weights
    idle = np.abs(np.diagonal(product, axis1=1, axis2=2)) < 1e-12
    index = np.arange(product.shape[1])
    product[:, index, index] += idle
    coefficients: Floats = weights @ np.linalg.solve(product, responses.transpose(0, 2, 1))
    return coefficients


METHODS: dict[str, tuple[str, Classifier]] = {
    "lda": ("shrinkage linear discriminant analysis", shrinkage_lda),
    "pls": ("partial least squares discriminant analysis", pls_da),
}


def held_out_scores(
    values: Floats, labels: Ints, themes: np.ndarray[Any, Any], classes: int, classifier: Classifier
) -> Floats:
    """Score (B, n, C) every stimulus by a classifier that was fitted without the stimuli of its theme.

    ``values`` (n, K), ``labels`` (B, n) in 0..C-1, ``themes`` (n,).
    """
    batch, rows = labels.shape
    scores = np.empty((batch, rows, classes))
    membership = (labels[:, None, :] == np.arange(classes)[:, None]).astype(np.float64)
    for test in held_out_rows(themes):
        training, testing = scale_by(values[~test], values[test])
        scores[:, test] = classifier(training, membership[:, :, ~test], testing)
    return scores
