"""Permutation tests over images: which image has which rating is shuffled, subjects stay as they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from almond.stats.ttest import zscore
from almond.typing import Floats

Order = NDArray[np.int32]


def draw_orders(count: int, images: int, rng: np.random.Generator) -> Order:
    """Random orders (count, n) of n images."""
    return rng.permuted(np.tile(np.arange(images, dtype=np.int32), (count, 1)), axis=1)


def p_value(observed: float, null: Floats) -> float:
    """(1 + permutations at least as large) / (1 + permutations); ties within rounding count as as large."""
    reached = null >= observed - 1e-12 * max(1.0, abs(observed))
    return float((1 + np.count_nonzero(reached)) / (1 + len(null)))


def correlation_p(ratings: Sequence[Floats], outcomes: Sequence[Floats], orders: Sequence[Order]) -> float:
    """Two-sided p of the correlation averaged over subjects and image sets.

    :param ratings: per set (n,). :param outcomes: per set (S, n). :param orders: per set (B, n).
    """
    observed, null = 0.0, np.zeros(len(orders[0]))
    for rating, outcome, order in zip(ratings, outcomes, orders, strict=True):
        mean = zscore(outcome).mean(axis=0)
        z = zscore(rating)
        observed += float(z @ mean)
        null += mean[order] @ z
    return p_value(abs(observed), np.abs(null))


def coefficient_p(
    designs: Sequence[Floats], outcomes: Sequence[Floats], orders: Sequence[Order], column: int
) -> float:
    """Two-sided p of one coefficient of the mean over subjects: Freedman & Lane (1983).

    The residuals of the model without the column are shuffled over images, so that what the other columns
    explain stays; the statistic is t over images, of the mean over image sets.
    """
    estimate, squared = 0.0, 0.0
    shuffled, shuffled_squared = np.zeros(len(orders[0])), np.zeros(len(orders[0]))
    for design, outcome, order in zip(designs, outcomes, orders, strict=True):
        mean = outcome.mean(axis=0)
        reduced = np.delete(design, column, axis=1)
        residual = mean - reduced @ np.linalg.lstsq(reduced, mean, rcond=None)[0]
        basis = np.linalg.qr(design)[0]
        row = np.linalg.pinv(design)[column]
        scale = float(row @ row) / (len(mean) - design.shape[1])
        total = float(residual @ residual)
        moved = residual[order]
        estimate += float(row @ residual)
        squared += scale * (total - float(((basis.T @ residual) ** 2).sum()))
        shuffled += moved @ row
        shuffled_squared += scale * (total - ((moved @ basis) ** 2).sum(axis=1))
    if squared <= 0:
        return 1.0
    return p_value(abs(estimate) / np.sqrt(squared), np.abs(shuffled) / np.sqrt(shuffled_squared))
