"""Shuffle labels, also within groups, and test what goes with images by shuffling images.

The p values are those of ``almond.significance``. Tests of correlations and coefficients shuffle which image
has which rating; subjects stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from almond.significance import permutation_p
from almond.stats.correlation import zscore
from almond.typing import Floats, Ints

Order = NDArray[np.int32]
Labels = Sequence[Any] | NDArray[Any]
Scalar = TypeVar("Scalar", bound=np.generic)


def shuffles(values: NDArray[Scalar], count: int, rng: np.random.Generator) -> NDArray[Scalar]:
    """Draw ``count`` random orders (count, n) of ``values`` (n,)."""
    return rng.permuted(np.tile(values, (count, 1)), axis=1)


def shuffle_within(
    labels: NDArray[Scalar], groups: Labels, count: int, rng: np.random.Generator
) -> NDArray[Scalar]:
    """Draw ``count`` label vectors (count, n), each a shuffle of ``labels`` (n,) inside every group.

    :param groups: (n,) what must stay as it is, such as the base scene or the subject of each label.
    """
    codes = np.asarray(groups)
    shuffled = np.tile(labels, (count, 1))
    for group in np.unique(codes):
        members = np.flatnonzero(codes == group)
        shuffled[:, members] = shuffles(labels[members], count, rng)
    return shuffled


def relabel_within(labels: Ints, groups: Labels, count: int, rng: np.random.Generator) -> Ints:
    """Draw ``count`` label vectors (count, n) in which the labels of a group change names as wholes.

    What shares a label within a group, such as the seeds of one prompt that were made for one target, shares
    it in every draw, because it may be alike for a reason of its own.

    :param labels: (n,). :param groups: (n,) the theme of each label.
    """
    codes = np.asarray(groups)
    renamed = np.tile(labels, (count, 1))
    for group in np.unique(codes):
        members = np.flatnonzero(codes == group)
        names, place = np.unique(labels[members], return_inverse=True)
        renamed[:, members] = shuffles(names, count, rng)[:, place.reshape(-1)]
    return renamed


def draw_orders(count: int, images: int, rng: np.random.Generator) -> Order:
    """Draw random orders (count, n) of n images."""
    return shuffles(np.arange(images, dtype=np.int32), count, rng)


def theme_orders(themes: Labels, count: int, rng: np.random.Generator) -> Order:
    """Draw random orders (count, n) of n images in which whole ``themes`` (n,) change places.

    A theme takes the images of another one, in random order; where it has more images than that one, they
    come again. Themes of one image each are images in random order.
    """
    theme = np.unique(np.asarray(themes), return_inverse=True)[1].reshape(-1)
    sizes = np.bincount(theme)
    if sizes.max() == 1:
        return draw_orders(count, len(theme), rng)
    largest = int(sizes.max())
    # place[i]: the how-manieth image of its theme image i is; members (T, largest): each theme's images.
    place, members = np.zeros(len(theme), dtype=np.intp), np.zeros((len(sizes), largest), dtype=np.int32)
    for number, size in enumerate(sizes):
        rows = np.flatnonzero(theme == number)
        place[rows], members[number, :size] = np.arange(size), rows
    donors = shuffles(np.arange(len(sizes)), count, rng)
    keys = rng.random((count, len(sizes), largest))
    keys[:, np.arange(largest) >= sizes[:, None]] = np.inf
    mixed = np.argsort(keys, axis=2)
    source = donors[:, theme]
    rank = place % sizes[source]
    order: Order = members[source, mixed[np.arange(count)[:, None], source, rank]]
    return order


def correlation_p(ratings: Sequence[Floats], outcomes: Sequence[Floats], orders: Sequence[Order]) -> float:
    """Test the correlation averaged over subjects and image sets, two-sided.

    :param ratings: per set (n,). :param outcomes: per set (S, n). :param orders: per set (B, n).
    """
    observed, null = 0.0, np.zeros(len(orders[0]))
    for rating, outcome, order in zip(ratings, outcomes, orders, strict=True):
        mean = zscore(outcome).mean(axis=0)
        z = zscore(rating)
        observed += float(z @ mean)
        # Scaled anew: where themes differ in size, some images come twice and others not at all.
        null += float(mean.std(ddof=1)) * (zscore(mean[order]) @ z)
    return permutation_p(np.abs(null), abs(observed))


def coefficient_p(
    designs: Sequence[Floats], outcomes: Sequence[Floats], orders: Sequence[Order], column: int
) -> float:
    """Test one coefficient of the mean over subjects, two-sided, after Freedman & Lane (1983).

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
        totals = (moved**2).sum(axis=1)
        estimate += float(row @ residual)
        squared += scale * (total - float(((basis.T @ residual) ** 2).sum()))
        shuffled += moved @ row
        shuffled_squared += scale * (totals - ((moved @ basis) ** 2).sum(axis=1))
    if squared <= 0:
        return 1.0
    return permutation_p(np.abs(shuffled) / np.sqrt(shuffled_squared), abs(estimate) / np.sqrt(squared))
