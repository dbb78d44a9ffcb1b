"""Which rows train and which are held out, for everything that one job fits: folds, folds within folds, all
rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from almond.encoding.models.folds import Fold
from almond.typing import Rows


@dataclass(frozen=True)
class RowSet:
    """Row numbers to train on and to predict; all of ``train`` lies in that of the set ``parent``."""

    train: Rows
    test: Rows
    parent: int | None = None


@dataclass(frozen=True)
class Family:
    """One model that is wanted: its row set, and the sets within its training rows to choose on."""

    outer: int
    inner: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """All row sets of a job. The first holds every row; the last family is that of all rows if ``final``."""

    sets: tuple[RowSet, ...]
    families: tuple[Family, ...]
    final: bool


def make_plan(
    n_rows: int,
    folds: Sequence[Fold],
    inner: Callable[[Fold], Sequence[Fold]] | None,
    final: bool,
) -> Plan:
    """Row sets of every fold and, if ``final``, of all rows, each with its inner folds if there are any.

    ``inner`` gives positions within a fold's training rows; the row sets hold row numbers.
    """
    everything = Fold(np.arange(n_rows), np.arange(0))
    sets, families = [RowSet(everything.train, everything.test)], []
    for number, fold in enumerate((*folds, everything) if final else tuple(folds)):
        if number < len(folds):
            sets.append(RowSet(fold.train, fold.test, 0))
        place = len(sets) - 1 if number < len(folds) else 0
        found = list(inner(fold)) if inner else []
        first = len(sets)
        sets += [RowSet(fold.train[one.train], fold.train[one.test], place) for one in found]
        families.append(Family(place, tuple(range(first, len(sets)))))
    return Plan(tuple(sets), tuple(families), final)


def left_out(child: RowSet, parent: RowSet) -> Rows:
    """The parent's training rows that the child does not train on."""
    return np.setdiff1d(parent.train, child.train, assume_unique=True)
