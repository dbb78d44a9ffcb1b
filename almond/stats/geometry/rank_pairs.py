"""Rank dissimilarities of pairs of images, and correlate ranks by rho-a.

rho-a is Spearman's correlation without correction for ties: the expectation of rho when ties are broken at
random, so that a model does not gain by predicting ties (Schütt et al., 2023, eLife 12, e82566, eq. 10;
rsatoolbox's ``compare_rho_a``):

    rho_a = 12 sum (R1 - (N + 1) / 2) (R2 - (N + 1) / 2) / (N^3 - N)

over N pairs with midranks R1, R2. Only pairs of images of *different* themes count here: images of one theme
are alike in everything, so that pairs within a theme would be near in every matrix whatever it is of, and a
theme drawn twice by the bootstrap would be its own neighbour.
"""

from __future__ import annotations

import numpy as np

from almond.stats.permutation import Labels
from almond.typing import Floats, Ints

TIE_DIGITS = 10
"""Dissimilarities that agree to so many digits after the point are tied."""


def pairs_between(themes: Labels) -> tuple[Ints, Ints]:
    """List the pairs (m,), (m,) of images i < j of different themes (n,)."""
    theme = np.asarray(themes)
    first, second = np.triu_indices(len(theme), 1)
    different = theme[first] != theme[second]
    return first[different], second[different]


def distances(values: Floats, first: Ints, second: Ints) -> Floats:
    """Compute Euclidean distances (m,) of pairs of rows of (n, D); NaN where a row lacks a value."""
    apart: Floats = np.sqrt(((values[first] - values[second]) ** 2).sum(axis=-1))
    return apart


def midranks(values: Floats, weights: Floats) -> Floats:
    """Rank ``values`` (m,) from 1 when each comes ``weights`` (m, B) times; ties share their mean rank.

    :returns: (m, B); of values that come 0 times it is the rank between their neighbours.
    """
    rounded = values.round(TIE_DIGITS)
    order = np.argsort(rounded, kind="stable")
    new = np.diff(rounded[order], prepend=-np.inf) > 0
    totals = weights[order]
    if not new.all():
        totals = np.add.reduceat(totals, np.flatnonzero(new), axis=0)
    # The ranks of a tie of w values after b others are b + 1, ..., b + w.
    middle = np.cumsum(totals, axis=0)
    middle -= 0.5 * totals
    middle += 0.5
    ranks = np.empty_like(weights)
    ranks[order] = middle if new.all() else middle[np.cumsum(new) - 1]
    return ranks


def weighted_centred(ranks: Floats, weights: Floats) -> Floats:
    """Centre ranks (m, B) on (N + 1) / 2, times ``weights`` and 12 / (N^3 - N): what rho-a multiplies.

    NaN where fewer than 3 pairs come.
    """
    count = weights.sum(axis=0)
    enough = count >= 3
    scale = np.where(enough, 12.0 / np.where(enough, count**3 - count, 1.0), np.nan)
    return np.asarray((ranks - (count + 1.0) / 2.0) * weights * scale, np.float64)


def rho_a(first: Floats, second: Floats, weights: Floats) -> Floats:
    """Compute rho-a (B,) of midranks (m, B) that come ``weights`` (m, B) times; NaN for fewer than 3."""
    # The sum of one side's weighted centred ranks is 0, so that the other need not be centred.
    return np.asarray(np.einsum("mb,mb->b", first, weighted_centred(second, weights)), np.float64)


def rho_a_of(first: Floats, second: Floats) -> float:
    """Compute rho-a of two vectors of dissimilarities (m,), each pair counting once."""
    once = np.ones((len(first), 1))
    return float(rho_a(midranks(first, once), midranks(second, once), once)[0])
