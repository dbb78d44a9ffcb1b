"""Choosing pictures whose scores are equally spaced, from a pool of scores. Light: numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from almond.errors import InputError
from almond.typing import Floats

FEWEST = 3
"""Levels of a trajectory: two pictures are a pair."""

REFINEMENTS = 4
"""Rounds of fitting the grid to the nearest pictures and finding these again."""


@dataclass(frozen=True, eq=False)
class Spacing:
    """``levels`` (k,) at equal distance, ascending; ``pictures`` (k,) by index into the pool, the nearest to
    each; ``errors`` (k,): how far each picture's score lies from its level, in gaps between levels."""

    levels: Floats
    pictures: tuple[int, ...]
    errors: Floats

    @property
    def gap(self) -> float:
        """Return the distance between neighbouring levels."""
        return float(self.levels[1] - self.levels[0])

    @property
    def worst(self) -> float:
        """Return the largest error in gaps."""
        return float(self.errors.max())

    def missed(self, within: float) -> list[int]:
        """List the levels without a picture ``within`` so many gaps, the worst first."""
        order = np.argsort(-self.errors, kind="stable")
        return [int(number) for number in order if self.errors[number] > within]


def spacing_at(scores: Floats, levels: Floats) -> Spacing:
    """Take the nearest of the pool's ``scores`` (n,) for each of given ascending ``levels`` (k,)."""
    if len(levels) < FEWEST or not (np.diff(levels) > 0).all():
        raise InputError("levels", f"are {levels.tolist()}", f"{FEWEST} or more, ascending")
    nearest = np.abs(scores[None, :] - levels[:, None]).argmin(axis=1)
    gap = float(np.diff(levels).min())
    errors = np.abs(scores[nearest] - levels) / gap
    return Spacing(levels, tuple(int(index) for index in nearest), errors)


def best_spacing(scores: Floats, count: int, *, least: float) -> Spacing:
    """Choose ``count`` pictures and equally spaced levels that cover ``least`` or more of the score's scale.

    Every pair of scores at that distance is tried as first and last level; the grid with the smallest worst
    error, in its own gaps, is then fitted to its pictures (smallest largest residual of a line through the
    chosen scores) as long as that makes it better. Among equal errors the widest grid is taken.

    :param scores: (n,) of the pool.
    :param least: distance between first and last level, in units of the scores, above 0.
    :raises InputError: fewer than three levels, or scores that do not span ``least``.
    """
    if count < FEWEST:
        raise InputError("pictures", f"is {count}", f"{FEWEST} or more")
    ordered = np.unique(scores)
    low, high = np.nonzero(ordered[None, :] - ordered[:, None] >= least * (1 - 1e-9))
    if not least > 0 or not len(low):
        raise InputError("scores", f"span {np.ptp(scores):.3g}", f"{least:.3g} or more")
    starts, widths = ordered[low], ordered[high] - ordered[low]
    grids = starts[:, None] + widths[:, None] * np.linspace(0.0, 1.0, count)
    errors = _distances(ordered, grids).max(axis=1) / (widths / (count - 1))
    best = np.lexsort((-widths, np.round(errors, 9)))[0]
    spacing = spacing_at(scores, grids[best])
    for _ in range(REFINEMENTS):
        levels = fitted_levels(scores[list(spacing.pictures)])
        if levels is None or levels[-1] - levels[0] < least * (1 - 1e-9):
            break
        refined = spacing_at(scores, levels)
        if refined.worst >= spacing.worst - 1e-12:
            break
        spacing = refined
    return spacing


def _distances(ordered: Floats, grids: Floats) -> Floats:
    """Compute the distance from every level of the grids (m, k) to the nearest of the ordered scores."""
    right = np.searchsorted(ordered, grids).clip(1, len(ordered) - 1)
    nearest = np.minimum(np.abs(grids - ordered[right - 1]), np.abs(grids - ordered[right]))
    return np.asarray(nearest, np.float64)


def fitted_levels(chosen: Floats) -> Floats | None:
    """Fit equally spaced levels (k,) to scores (k,) with the smallest largest residual; None where they do
    not ascend.

    Chebyshev's line through points: its slope is that between two neighbours of the convex hull, and its
    residuals of both signs are equal (Cheney 1982, *Introduction to Approximation Theory*, ch. 2).
    """
    steps = np.arange(len(chosen), dtype=float)
    first, second = np.triu_indices(len(chosen), 1)
    slopes = (chosen[second] - chosen[first]) / (steps[second] - steps[first])
    residuals = chosen[None, :] - slopes[:, None] * steps[None, :]
    half = (residuals.max(axis=1) - residuals.min(axis=1)) / 2
    best = int(half.argmin())
    if not slopes[best] > 0:
        return None
    offset = (residuals[best].max() + residuals[best].min()) / 2
    return np.asarray(offset + slopes[best] * steps, np.float64)
