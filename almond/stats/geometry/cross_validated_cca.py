"""Correlate two sets of variables on themes that were not fitted: cross-validated canonical correlations.

With X (n, K) and Y (n, P) standardised in the training themes, A and B are the singular vectors of

    (Cxx + c I)^-1/2 Cxy (Cyy + c I)^-1/2

with C correlations and c the regularisation (Vinod, 1976, J. Econometrics 4, 147; c = 0: Hotelling's). Whole
themes are held out; a canonical pair is evaluated by the correlation of its two variates over all held-out
images, both centred by the training themes. Without holding out, canonical correlations are large where
nothing is there. The sign of a pair is that of its fold for both variates, so that products do not depend on
it. p: themes of Y are permuted as wholes and the cross-validation repeated; one-sided; family-wise by the
largest of all pairs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from almond.errors import InputError
from almond.significance import max_statistic_p, p_of_count, reaches
from almond.stats.correlation import zscore
from almond.stats.permutation import Labels, Order
from almond.typing import Floats, Ints

FOLDS = 10
REGULARISATION = 0.1


@dataclass(frozen=True)
class CanonicalPair:
    """One pair of variates.

    ``r`` on held-out themes, ``r_fitted`` on the images it was fitted to; p alone and over all pairs;
    ``null_mean``: the mean of ``r`` over permutations; ``left``, ``right``: correlations of all variables
    with their own variate, fitted to all images.
    """

    number: int
    r: float
    r_fitted: float
    p: float
    p_max: float
    null_mean: float
    left: tuple[float, ...]
    right: tuple[float, ...]


def theme_folds(themes: Labels, folds: int = FOLDS) -> Ints:
    """Number the fold (n,) of every image: whole themes, at most ``folds`` of them, dealt in sorted order."""
    theme = np.unique(np.asarray(themes), return_inverse=True)[1].reshape(-1)
    numbers: Ints = theme % min(folds, int(theme.max()) + 1)
    return numbers


def cross_validated_cca(
    left: Floats,
    right: Floats,
    themes: Labels,
    orders: Iterable[Order],
    *,
    regularisation: float = REGULARISATION,
) -> list[CanonicalPair]:
    """Evaluate every canonical pair of ``left`` (n, K) and ``right`` (n, P) on held-out themes.

    :param orders: batches of orders (B, n) in which the rows of ``right`` are permuted.
    :raises InputError: fewer than three themes, or a variable that does not vary.
    """
    folds = theme_folds(themes)
    if folds.max() < 2:
        raise InputError("canonical correlations", f"{int(folds.max()) + 1} themes", "three or more")
    if min(np.ptp(left, axis=0).min(), np.ptp(right, axis=0).min()) < 1e-12:
        raise InputError("canonical correlations", "a variable does not vary", "variables that do")
    observed = heldout_correlations(left, right[None], folds, regularisation)[0]
    null = np.concatenate(
        [heldout_correlations(left, right[order], folds, regularisation) for order in orders]
    )
    p = p_of_count(reaches(null, observed).sum(axis=0), len(null))
    family = max_statistic_p(null.max(axis=1), observed)
    fitted, on_left, on_right = _fit_all(left, right, regularisation)
    return [
        CanonicalPair(
            number=number + 1,
            r=float(observed[number]),
            r_fitted=float(fitted[number]),
            p=float(p[number]),
            p_max=float(family[number]),
            null_mean=float(null[:, number].mean()),
            left=tuple(on_left[:, number].tolist()),
            right=tuple(on_right[:, number].tolist()),
        )
        for number in range(len(observed))
    ]


def heldout_correlations(left: Floats, right: Floats, folds: Ints, regularisation: float) -> Floats:
    """Compute held-out correlations (B, pairs) for B arrangements of ``right`` (B, n, P)."""
    pairs = min(left.shape[1], right.shape[2])
    products, squares = np.zeros((len(right), pairs)), np.zeros((2, len(right), pairs))
    for fold in range(int(folds.max()) + 1):
        held = folds == fold
        x_mean, x_scale = _location(left[None, ~held])
        y_mean, y_scale = _location(right[:, ~held])
        x, y = (left[None] - x_mean) * x_scale, (right - y_mean) * y_scale
        on_x, on_y = _directions(x[:, ~held], y[:, ~held], regularisation)
        u, v = x[:, held] @ on_x, y[:, held] @ on_y
        products += (u * v).sum(axis=1)
        squares += np.stack([(u**2).sum(axis=1), (v**2).sum(axis=1)])
    size = np.sqrt(squares[0] * squares[1])
    return np.where(size > 1e-12, products / np.where(size > 1e-12, size, 1.0), 0.0)


def _location(values: Floats) -> tuple[Floats, Floats]:
    """Return means and inverse standard deviations (B, 1, D) over the rows of (B, n, D); 0 for flat ones."""
    spread = values.std(axis=1, ddof=1, keepdims=True)
    flat = spread < 1e-12
    return values.mean(axis=1, keepdims=True), np.where(flat, 0.0, 1.0 / np.where(flat, 1.0, spread))


def _directions(x: Floats, y: Floats, regularisation: float) -> tuple[Floats, Floats]:
    """Return the canonical weights (B, K, pairs) and (B, P, pairs) of standardised rows."""
    rows = x.shape[1] - 1
    pairs = min(x.shape[2], y.shape[2])
    white_x, white_y = (_whitener(side, regularisation) for side in (x, y))
    # (Cxx + cI)^-1/2 Cxy (Cyy + cI)^-1/2 = U S V'
    u, _, v = np.linalg.svd(white_x @ (x.transpose(0, 2, 1) @ y / rows) @ white_y, full_matrices=False)
    return white_x @ u[..., :pairs], white_y @ v.transpose(0, 2, 1)[..., :pairs]


def _whitener(values: Floats, regularisation: float) -> Floats:
    """Compute (C + cI)^-1/2 (B, D, D) of standardised rows (B, n, D); directions without variance get 0."""
    correlations = values.transpose(0, 2, 1) @ values / (values.shape[1] - 1)
    spread, axes = np.linalg.eigh(correlations)
    spread = spread + regularisation
    inverse = np.where(spread > 1e-10, 1.0 / np.sqrt(np.maximum(spread, 1e-10)), 0.0)
    return np.asarray((axes * inverse[:, None, :]) @ axes.transpose(0, 2, 1), np.float64)


def _fit_all(left: Floats, right: Floats, regularisation: float) -> tuple[Floats, Floats, Floats]:
    """Fit all images: correlations of pairs, and of the variables of both sides with their own variate."""
    x, y = zscore(left, axis=0), zscore(right, axis=0)
    on_x, on_y = _directions(x[None], y[None], regularisation)
    u, v = zscore(x @ on_x[0], axis=0), zscore(y @ on_y[0], axis=0)
    rows = len(x) - 1
    return (u * v).sum(axis=0) / rows, x.T @ u / rows, y.T @ v / rows
