"""Sums over the training rows of many overlapping row sets, each computed once.

The sum over a fold's training rows is the sum over all rows less that over the few left out, so that five
folds cost as much as two passes over the data. Predictors and responses are centred over all rows first:
what is subtracted is then of the size of what is wanted, and no digits are lost to a large mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from almond.encoding.models.solvers.backend import Array
from almond.encoding.models.solvers.training_sets import RowSet, left_out
from almond.typing import Rows


class TrainingSums:
    """Sums over ``sets[i].train`` of something additive; ``of_rows`` gives it for any rows, as a new
    array."""

    def __init__(self, sets: Sequence[RowSet], of_rows: Callable[[Rows], Array]) -> None:
        self.sets = sets
        self.of_rows = of_rows
        self._kept: dict[int, Array] = {}

    def of(self, index: int) -> Array:
        """A new array that the caller may change. Sums of sets that others lie within are remembered."""
        if index in self._kept:
            return self._kept[index] + 0.0
        one = self.sets[index]
        if one.parent is None:
            found = self.of_rows(one.train)
        else:
            found = self._from_parent(one, one.parent)
        if any(other.parent == index for other in self.sets):
            self._kept[index] = found
            return found + 0.0
        return found

    def _from_parent(self, one: RowSet, parent: int) -> Array:
        left = left_out(one, self.sets[parent])
        if len(left) >= len(one.train):
            return self.of_rows(one.train)
        if parent not in self._kept:
            self.of(parent)
        found = self.of_rows(left)
        found *= -1.0
        found += self._kept[parent]
        return found

    def forget(self, index: int) -> None:
        """Give back the memory of a set that nothing more will be subtracted from."""
        self._kept.pop(index, None)


def rows_of(values: Array, rows: Rows) -> Array:
    """``values[rows]``, without a copy where the rows follow each other."""
    if len(rows) and int(rows[-1]) - int(rows[0]) == len(rows) - 1 and bool((rows[1:] > rows[:-1]).all()):
        return values[int(rows[0]) : int(rows[-1]) + 1]
    return values[rows]
