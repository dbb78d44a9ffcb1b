"""Intraclass correlations of raters and stimuli that are both random, with cells that nobody was asked for.

ICC(A,1) and ICC(A,k) of McGraw & Wong (1996), Psychol. Methods 1, 30-46 (ICC(2,1), ICC(2,k) of Shrout &
Fleiss, 1979): absolute agreement. On a complete table their variance components are those of the analysis of
variance as long as none is negative; REML takes them from incomplete tables too, where negative ones are 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from almond.errors import InputError
from almond.stats.mixed.two_crossed import LARGEST, CrossedCriterion
from almond.typing import Floats


@dataclass(frozen=True)
class IntraclassCorrelation:
    """Agreement of single ratings (A,1) and of means over ``raters`` (A,k), with 95 % intervals.

    ``raters`` is the harmonic mean of the number of raters per stimulus, because the error of a mean goes
    with one over that number. ``missing`` is the share of cells (person by stimulus) without a rating.
    """

    single: float
    single_low: float
    single_high: float
    average: float
    average_low: float
    average_high: float
    raters: float
    people: int
    stimuli: int
    ratings: int
    missing: float
    variance_stimuli: float
    variance_people: float
    variance_residual: float
    singular: bool


def intraclass(
    values: Floats, people: np.ndarray[Any, Any], stimuli: np.ndarray[Any, Any]
) -> IntraclassCorrelation:
    """Compute ICC(A,1) and ICC(A,k) of ratings with people and stimuli random.

    ICC(A,1) = s / (s + p + e) with the variances of stimuli, people and the residual; ICC(A,k) the same with
    (p + e) / k. Intervals: profile REML likelihood of ICC(A,1), carried over to k by Spearman and Brown.

    :param values: (n,) on the scale itself, not standardised. :param people: (n,) labels.
    :param stimuli: (n,) labels; a person and a stimulus meet once.
    :raises InputError: a cell with two ratings, fewer than 2 people or stimuli, ratings that do not vary.
    """
    names, first = np.unique(people, return_inverse=True)
    images, second = np.unique(stimuli, return_inverse=True)
    cells = np.unique(first * len(images) + second)
    if len(cells) < len(values):
        repeats = len(values) - len(cells)
        raise InputError("intraclass correlation", f"{repeats} cells have several ratings", "one rating each")
    criterion = CrossedCriterion(values, first, second)
    parts = criterion.fit()
    if max(parts.first, parts.second) >= 0.99 * LARGEST * parts.residual:
        problem = "people and stimuli leave no error"
        raise InputError("intraclass correlation", problem, "ratings that differ beyond both")
    raters = float(len(images) / (1.0 / np.bincount(second)).sum())
    low, high = criterion.share_interval(parts)
    single = parts.second / (parts.first + parts.second + parts.residual)
    return IntraclassCorrelation(
        single=single,
        single_low=low,
        single_high=high,
        average=of_average(single, raters),
        average_low=of_average(low, raters),
        average_high=of_average(high, raters),
        raters=raters,
        people=len(names),
        stimuli=len(images),
        ratings=len(values),
        missing=1.0 - len(values) / (len(names) * len(images)),
        variance_stimuli=parts.second,
        variance_people=parts.first,
        variance_residual=parts.residual,
        singular=parts.singular,
    )


def of_average(single: float, raters: float) -> float:
    """Compute the reliability of a mean over raters from that of one: k r / (1 + (k - 1) r)."""
    return raters * single / (1.0 + (raters - 1.0) * single)
