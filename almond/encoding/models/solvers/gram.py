"""Sums over the training rows of many overlapping training sets, each computed once.

The sum over a fold's training rows is the sum over all rows less that over the few left out, so that five
folds cost as much as two passes over the data. Predictors and responses are centred over all rows first:
what is subtracted is then of the size of what is wanted, and no digits are lost to a large mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from almond.encoding.models.solvers.backend import Array
from almond.encoding.models.solvers.training_sets import TrainingSet, left_out
from almond.typing import Rows


class TrainingSums:
    """Sums over ``sets[i].train`` of something additive; ``of_rows`` gives it for any rows, as a new
    array."""

    def __init__(self, sets: Sequence[TrainingSet], of_rows: Callable[[Rows], Array]) -> None:
        self.sets = sets
        self.of_rows = of_rows
        self._stored: dict[int, Array] = {}

    def of(self, index: int) -> Array:
        """Return a new array that the caller may change. Sums of sets that contain others are stored."""
        if index in self._stored:
            return self._stored[index] + 0.0
        training_set = self.sets[index]
        if training_set.parent is None:
            total = self.of_rows(training_set.train)
        else:
            total = self._from_parent(training_set, training_set.parent)
        if any(other.parent == index for other in self.sets):
            self._stored[index] = total
            return total + 0.0
        return total

    def _from_parent(self, child: TrainingSet, parent: int) -> Array:
        # sum over train = sum over the parent's rows - sum over the rows left out, if these are fewer.
        left = left_out(child, self.sets[parent])
        if len(left) >= len(child.train):
            return self.of_rows(child.train)
        if parent not in self._stored:
            self.of(parent)
        total = self.of_rows(left)
        total *= -1.0
        total += self._stored[parent]
        return total

    def forget(self, index: int) -> None:
        """Free the memory of a set that nothing more will be subtracted from."""
        self._stored.pop(index, None)


def select_rows(values: Array, rows: Rows) -> Array:
    """Return ``values[rows]``, without a copy where the rows follow each other."""
    if len(rows) and int(rows[-1]) - int(rows[0]) == len(rows) - 1 and bool((rows[1:] > rows[:-1]).all()):
        return values[int(rows[0]) : int(rows[-1]) + 1]
    return values[rows]
