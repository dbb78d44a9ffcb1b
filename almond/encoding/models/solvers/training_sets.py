"""Nested cross-validation as sets of rows: outer folds, inner folds within each, all rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from almond.encoding.models.folds import Fold
from almond.typing import Rows


@dataclass(frozen=True)
class TrainingSet:
    """Row numbers to train on and to predict; all of ``train`` lies in that of the set ``parent``."""

    train: Rows
    test: Rows
    parent: int | None = None


@dataclass(frozen=True)
class NestedSets:
    """One outer fold, or all rows: the number of its training set, and those of the inner folds within it, on
    which hyperparameters are chosen."""

    outer: int
    inner: tuple[int, ...]


@dataclass(frozen=True)
class TrainingSets:
    """Every training set of one fit. The first set is all rows; so is the last of ``nested`` if ``final``."""

    sets: tuple[TrainingSet, ...]
    nested: tuple[NestedSets, ...]
    final: bool


def make_training_sets(
    n_rows: int,
    folds: Sequence[Fold],
    inner: Callable[[Fold], Sequence[Fold]] | None,
    final: bool,
) -> TrainingSets:
    """Make the training sets of every fold and, if ``final``, of all rows, each with its inner folds if any.

    :param inner: gives the inner folds of a fold as positions within its training rows; None for none.
    """
    everything = Fold(np.arange(n_rows), np.arange(0))
    sets, families = [TrainingSet(everything.train, everything.test)], []
    for number, fold in enumerate((*folds, everything) if final else tuple(folds)):
        if number < len(folds):
            sets.append(TrainingSet(fold.train, fold.test, 0))
        place = len(sets) - 1 if number < len(folds) else 0
        inner_folds = list(inner(fold)) if inner else []
        first = len(sets)
        sets += [
            TrainingSet(fold.train[inner_fold.train], fold.train[inner_fold.test], place)
            for inner_fold in inner_folds
        ]
        families.append(NestedSets(place, tuple(range(first, len(sets)))))
    return TrainingSets(tuple(sets), tuple(families), final)


def left_out(child: TrainingSet, parent: TrainingSet) -> Rows:
    """The parent's training rows that the child does not train on."""
    return np.setdiff1d(parent.train, child.train, assume_unique=True)
