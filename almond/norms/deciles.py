"""Mean predictions over deciles of a rating, with Friedman's test and a linear contrast over subjects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from almond.errors import InputError
from almond.stats.permutation import Order, p_value
from almond.stats.ttest import TTest, one_sample
from almond.typing import Floats

Members = NDArray[np.bool_]

CHUNK = 64
"""Permutations at a time."""


@dataclass(frozen=True)
class Friedman:
    """Friedman's chi-squared over blocks (subjects) with Kendall's W."""

    statistic: float
    df: int
    p: float
    w: float


def members(rating: Floats, count: int, edges: str) -> Members:
    """Which images (n,) belong to which of ``count`` groups of equal share: (count, n).

    Percentiles are MATLAB's (``prctile``: linear between the midpoints of steps, Hazen). ``default``: every
    image belongs to one group. ``paper``: strict inequalities at both ends, as in Jang & Kragel (2025), so
    that the lowest and the highest image and any image on an edge belong to none.

    :raises InputError: a group without images.
    """
    bounds = np.percentile(rating, np.linspace(0.0, 100.0, count + 1), method="hazen")
    if edges == "paper":
        found = (rating > bounds[:-1, None]) & (rating < bounds[1:, None])
    else:
        place = np.clip(np.searchsorted(bounds, rating, side="right") - 1, 0, count - 1)
        found = place == np.arange(count)[:, None]
    empty = int(np.count_nonzero(~found.any(axis=1)))
    if empty:
        raise InputError(
            "deciles", f"{empty} of {count} groups hold no image", "more images, or fewer groups (`deciles`)"
        )
    return np.asarray(found, np.bool_)


def weights(count: int, edges: str) -> Floats:
    """Weights of the linear contrast, -1 to 1.

    ``default``: equally spaced. ``paper``: -1 -4/5 ... -1/5 1/5 ... 1 for ten groups, whose middle step is
    twice as wide as the others.
    """
    if edges == "paper":
        half = count // 2
        steps = np.arange(1, half + 1) / half
        middle = np.zeros(count % 2)
        return np.concatenate([-steps[::-1], middle, steps])
    return np.linspace(-1.0, 1.0, count)


def means(outcomes: Floats, groups: Members) -> Floats:
    """Mean outcome (S, count) of each group, for outcomes (S, n) and groups (count, n)."""
    found: Floats = outcomes @ averaging(groups)
    return found


def averaging(groups: Members) -> Floats:
    """(n, count): what turns outcomes into means of groups."""
    found: Floats = (groups / groups.sum(axis=1, keepdims=True)).T
    return found


def contrast(table: Floats, edges: str) -> TTest:
    """One-sample t over subjects of the linear contrast of group means (S, count)."""
    return one_sample(table @ weights(table.shape[1], edges))


def friedman_statistic(table: Floats) -> float:
    """Chi-squared of a table (S, count) with average ranks and the correction for ties; 0 if all are tied."""
    subjects, count = table.shape
    ranks = _ranks(table)
    sums = ranks.sum(axis=0) - subjects * (count + 1) / 2
    spread = ((ranks - (count + 1) / 2) ** 2).sum()
    return float((count - 1) * (sums**2).sum() / spread) if spread > 0 else 0.0


def _ranks(table: Floats) -> Floats:
    """Average ranks within rows; scipy's, without its overhead where nothing is tied."""
    order = np.argsort(table, axis=1)
    ordered = np.take_along_axis(table, order, axis=1)
    if (ordered[:, 1:] == ordered[:, :-1]).any():
        return np.asarray(stats.rankdata(table, axis=1), np.float64)
    ranks = np.empty(table.shape)
    np.put_along_axis(ranks, order, np.arange(1.0, table.shape[1] + 1.0)[None, :], axis=1)
    return ranks


def friedman(table: Floats) -> Friedman:
    """Friedman's test that ``count`` groups do not differ, subjects as blocks; ``table`` (S, count)."""
    subjects, count = table.shape
    statistic = friedman_statistic(table)
    p = float(stats.chi2.sf(statistic, count - 1))
    return Friedman(statistic, count - 1, p, statistic / (subjects * (count - 1)))


def friedman_p(outcomes: Floats, groups: Members, orders: Order) -> float:
    """p of Friedman's chi-squared when images are permuted: the same for every subject, as images are.

    ``outcomes`` (S, n), ``groups`` (count, n), ``orders`` (B, n).
    """
    turn = averaging(groups)
    null = []
    for start in range(0, len(orders), CHUNK):
        moved = turn[orders[start : start + CHUNK]]
        flat = outcomes @ moved.transpose(1, 0, 2).reshape(len(turn), -1)
        tables = flat.reshape(len(outcomes), len(moved), -1).transpose(1, 0, 2)
        null += [friedman_statistic(table) for table in tables]
    return p_value(friedman_statistic(outcomes @ turn), np.array(null))


def contrast_p(outcomes: Floats, groups: Members, edges: str, orders: Order) -> float:
    """Two-sided p of the linear contrast of the mean over subjects when images are permuted."""
    loading = averaging(groups) @ weights(len(groups), edges)
    mean = outcomes.mean(axis=0)
    return p_value(abs(float(mean @ loading)), np.abs(mean[orders] @ loading))
