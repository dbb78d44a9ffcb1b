"""Meet both yardsticks by programmes that stay linear.

A bound of d_z is no linear constraint: the standard deviation of pair differences depends on the choice. So
the programme is solved with the bound of the mean difference, the deviation of the chosen pairs is taken, the
bound of every quantity is tightened to a share of its own deviation, and it is solved again. Every
result returned keeps both bounds as measured; a pool in which rounds run out may still hold such a choice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from almond.stimuli.pairing.programme import PairProgramme
from almond.stimuli.pairing.yardsticks import ROUNDING, Yardsticks
from almond.typing import Floats, Ints

ROUNDS = 4
"""Programmes solved at most: the first, and three that are tightened."""

MARGIN = 0.95
"""Share of the wanted d_z to which a bound is tightened: the next choice has another deviation."""


@dataclass(frozen=True)
class Attempt:
    """A choice (rows of pictures; None where there is none), and the limits (F,) of the last programme."""

    chosen: Ints | None
    limits: Floats
    rounds: int


def pair_differences(programme: PairProgramme, chosen: Ints) -> Floats:
    """Return high minus low (pairs, F) of every chosen pair."""
    high, low = programme.sides(chosen)
    values: Floats = programme.nuisance[high] - programme.nuisance[low]
    return values


def paired_dz(differences: Floats) -> Floats:
    """Compute d_z (F,) of pair differences (pairs, F): mean over SD (n - 1); 0 where nothing differs.

    NaN with fewer than two pairs; infinite where all pairs differ by the same.
    """
    if len(differences) < 2:
        return np.full(differences.shape[1], np.nan)
    mean, spread = differences.mean(axis=0), differences.std(axis=0, ddof=1)
    flat = spread <= 1e-12 * np.maximum(np.abs(differences).max(axis=0), 1e-300)
    ratio = np.where(flat, np.copysign(np.inf, mean), mean / np.where(flat, 1.0, spread))
    values: Floats = np.where(np.abs(mean) <= 1e-12, 0.0, ratio)
    return values


def match_both(programme: PairProgramme, yardsticks: Yardsticks, *, contrast: bool = True) -> Attempt:
    """Choose pairs that keep both bounds, in at most ``ROUNDS`` programmes."""
    limits = np.full(programme.nuisance.shape[1], yardsticks.tolerance)
    for number in range(ROUNDS):
        chosen = programme.solve(limits, contrast=contrast)
        if chosen is None:
            return Attempt(None, limits, number)
        differences = pair_differences(programme, chosen)
        if np.isinf(yardsticks.paired) or len(differences) < 2:
            return Attempt(chosen, limits, number)
        if (np.abs(paired_dz(differences)) <= yardsticks.paired + ROUNDING).all():
            return Attempt(chosen, limits, number)
        wanted = MARGIN * yardsticks.paired * differences.std(axis=0, ddof=1)
        limits = np.minimum(limits, np.maximum(wanted, ROUNDING))
    return Attempt(None, limits, ROUNDS)
