"""Mean predictions over deciles of a rating, with Friedman's test and a linear contrast over subjects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from almond.errors import InputError
from almond.significance import permutation_p
from almond.stats.permutation import Order
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
    """Assign images by their ``rating`` (n,) to ``count`` groups of equal share: membership (count, n).

    Percentiles are MATLAB's (``prctile``: linear between the midpoints of steps, Hazen). ``default``: every
    image belongs to one group. ``paper``: strict inequalities at both ends, as in Jang & Kragel (2025), so
    that the lowest and the highest image and any image on an edge belong to none.

    :raises InputError: a group without images.
    """
    bounds = np.percentile(rating, np.linspace(0.0, 100.0, count + 1), method="hazen")
    if edges == "paper":
        membership = (rating > bounds[:-1, None]) & (rating < bounds[1:, None])
    else:
        group = np.clip(np.searchsorted(bounds, rating, side="right") - 1, 0, count - 1)
        membership = group == np.arange(count)[:, None]
    empty = int(np.count_nonzero(~membership.any(axis=1)))
    if empty:
        raise InputError(
            "deciles", f"{empty} of {count} groups hold no image", "more images, or fewer groups (`deciles`)"
        )
    return np.asarray(membership, np.bool_)


def weights(count: int, edges: str) -> Floats:
    """Return the weights of the linear contrast, -1 to 1.

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
    """Average outcomes (S, n) over each of the groups (count, n): (S, count)."""
    group_means: Floats = outcomes @ averaging_weights(groups)
    return group_means


def averaging_weights(groups: Members) -> Floats:
    """Return the weights (n, count) by which outcomes (S, n) give means of groups."""
    shares: Floats = (groups / groups.sum(axis=1, keepdims=True)).T
    return shares


def contrast(table: Floats, edges: str) -> TTest:
    """Test the linear contrast of group means (S, count) over subjects by t."""
    return one_sample(table @ weights(table.shape[1], edges))


def friedman_statistic(table: Floats) -> float:
    """Compute chi-squared of a table (S, count), average ranks corrected for ties; 0 if all are tied."""
    subjects, count = table.shape
    ranks = _ranks(table)
    sums = ranks.sum(axis=0) - subjects * (count + 1) / 2
    spread = ((ranks - (count + 1) / 2) ** 2).sum()
    return float((count - 1) * (sums**2).sum() / spread) if spread > 0 else 0.0


def _ranks(table: Floats) -> Floats:
    """Rank within rows, ties by their average; scipy's, without its overhead where nothing is tied."""
    order = np.argsort(table, axis=1)
    ordered = np.take_along_axis(table, order, axis=1)
    if (ordered[:, 1:] == ordered[:, :-1]).any():
        return np.asarray(stats.rankdata(table, axis=1), np.float64)
    ranks = np.empty(table.shape)
    np.put_along_axis(ranks, order, np.arange(1.0, table.shape[1] + 1.0)[None, :], axis=1)
    return ranks


def friedman(table: Floats) -> Friedman:
    """Test by Friedman's chi-squared that groups do not differ, subjects as blocks; ``table`` (S, count)."""
    subjects, count = table.shape
    statistic = friedman_statistic(table)
    p = float(stats.chi2.sf(statistic, count - 1))
    return Friedman(statistic, count - 1, p, statistic / (subjects * (count - 1)))


def friedman_p(outcomes: Floats, groups: Members, orders: Order) -> float:
    """Test Friedman's chi-squared by permuting images, in the same order for every subject.

    ``outcomes`` (S, n), ``groups`` (count, n), ``orders`` (B, n).
    """
    shares = averaging_weights(groups)
    null = []
    for start in range(0, len(orders), CHUNK):
        moved = shares[orders[start : start + CHUNK]]
        flat = outcomes @ moved.transpose(1, 0, 2).reshape(len(shares), -1)
        tables = flat.reshape(len(outcomes), len(moved), -1).transpose(1, 0, 2)
        null += [friedman_statistic(table) for table in tables]
    return permutation_p(np.array(null), friedman_statistic(outcomes @ shares))


def contrast_p(outcomes: Floats, groups: Members, edges: str, orders: Order) -> float:
    """Test the linear contrast of the mean over subjects, two-sided, by permuting images."""
    loading = averaging_weights(groups) @ weights(len(groups), edges)
    mean = outcomes.mean(axis=0)
    return permutation_p(np.abs(mean[orders] @ loading), abs(float(mean @ loading)))
