"""Shifts of predicted responses within scenes: on target, off target, and how they are tested.

A shift is the mean score of a scene's images guided up for a target minus that of its images guided down (or,
where a study guided none down, of its unguided images), so that what a scene is about cancels. Scenes of one
prompt share content: they are averaged, and t tests have themes as units. No p lies below 2 (1/2)^G for G
themes, as in ``almond.stats.two_way``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from almond.errors import InputError
from almond.stats.ttest import one_sample
from almond.stats.two_way import LEVEL, least_p
from almond.typing import Floats

MIN_THEMES = 3
UP_DOWN, UP_UNGUIDED = "up - down", "up - unguided"
KEYS = ["theme", "base_scene", "intended_target"]


@dataclass(frozen=True, eq=False)
class SceneShifts:
    """Within-scene shifts of scores; ``table`` has a row per scene and target, a column per score.

    ``comparison``: ``up - down`` or ``up - unguided``. ``left_out``: scenes by targets without both sides or
    without some score.
    """

    table: pd.DataFrame
    columns: tuple[str, ...]
    comparison: str
    left_out: int

    def by_theme(self, target: str) -> Floats:
        """Average the shifts of a target over the scenes of every theme (themes, columns), themes sorted."""
        rows = self.table[self.table["intended_target"] == target]
        means = rows.groupby("theme", sort=True)[list(self.columns)].mean()
        return np.asarray(means.to_numpy(dtype=np.float64))


def scene_shifts(stimuli: pd.DataFrame, columns: Sequence[str]) -> SceneShifts:
    """Compute the shift of every score for every scene and target that has images of both sides.

    :param stimuli: ``theme``, ``base_scene``, ``intended_target``, ``direction`` (1, -1, 0) and ``columns``.
    :raises InputError: no scene has images to compare.
    """
    names = list(columns)
    up = stimuli[stimuli["direction"] == 1].groupby(KEYS)[names].mean()
    down = stimuli[stimuli["direction"] == -1].groupby(KEYS)[names].mean()
    if len(up.index.intersection(down.index)):
        comparison, other = UP_DOWN, down.reindex(up.index)
    else:
        comparison = UP_UNGUIDED
        unguided = stimuli[stimuli["direction"] == 0].groupby("base_scene")[names].mean()
        other = unguided.reindex(up.index.get_level_values("base_scene")).set_axis(up.index)
    shifts = (up - other).dropna()
    if not len(shifts):
        raise InputError(
            "predicted responses",
            "no base scene has images guided up beside images guided down or unguided ones",
            "both, with scores",
        )
    return SceneShifts(shifts.reset_index(), tuple(names), comparison, len(up) - len(shifts))


@dataclass(frozen=True)
class ThemeTest:
    """The mean of one value per theme: 95 % interval, two-sided t test against zero.

    ``t``, ``p`` are None where the values do not vary. ``limited``: p is the least that so few themes allow.
    """

    estimate: float
    low: float
    high: float
    t: float | None
    df: float
    p: float | None
    themes: int
    limited: bool


def theme_test(values: Floats) -> ThemeTest:
    """Test the mean of ``values`` (themes,), three or more.

    :raises InputError: fewer themes.
    """
    count = len(values)
    if count < MIN_THEMES:
        raise InputError("predicted responses", f"{count} themes", f"at least {MIN_THEMES}")
    test, least = one_sample(values), least_p(count)
    low, high = test.low, test.high
    if least > 1.0 - LEVEL:
        low, high = min(low, 0.0), max(high, 0.0)
    limited = test.p is not None and test.p < least
    p = None if test.p is None else max(test.p, least)
    return ThemeTest(test.estimate, low, high, test.t, test.df, p, count, limited)


@dataclass(frozen=True)
class TargetShift:
    """Mean shift over themes of a target's own score (``on``), of the other scores (``off``), and the test
    of their difference."""

    target: str
    on: ThemeTest
    off: ThemeTest
    specificity: ThemeTest


@dataclass(frozen=True)
class ShiftCell:
    """Mean shift over themes of one score on images of one intended target, with its 95 % interval."""

    target: str
    score: str
    shift: float
    low: float
    high: float
    themes: int


def target_shift(shifts: SceneShifts, target: str, own: int) -> TargetShift:
    """Test a target's own score, in column ``own``, against the mean of all other columns."""
    means = shifts.by_theme(target)
    on, off = means[:, own], np.delete(means, own, axis=1).mean(axis=1)
    return TargetShift(target, theme_test(on), theme_test(off), theme_test(on - off))


def overall_specificity(shifts: SceneShifts, own: dict[str, int]) -> ThemeTest:
    """Test on-target minus off-target shifts over themes, of all targets that a theme has alike.

    :param own: target -> its column.
    """
    values = shifts.table[list(shifts.columns)].to_numpy(dtype=np.float64)
    column = shifts.table["intended_target"].map(own).to_numpy(dtype=np.intp)
    on = values[np.arange(len(values)), column]
    off = (values.sum(axis=1) - on) / (values.shape[1] - 1)
    rows = shifts.table[["theme", "intended_target"]].assign(value=on - off)
    by_target = rows.groupby(["theme", "intended_target"])["value"].mean()
    by_theme = by_target.groupby("theme").mean()
    return theme_test(by_theme.to_numpy(dtype=np.float64))


def shift_cells(shifts: SceneShifts, target: str, names: Sequence[str]) -> list[ShiftCell]:
    """Compute a row of the matrix of shifts: every score on images of one target.

    :param names: what the scores are called, in the order of the columns.
    """
    cells = []
    for name, column in zip(names, shifts.by_theme(target).T, strict=True):
        test = theme_test(column)
        cells.append(ShiftCell(target, name, test.estimate, test.low, test.high, test.themes))
    return cells
