"""Hold out one group at a time: rows of one subject or scene, or one subject among all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from almond.typing import Floats


def held_out_rows(groups: Sequence[Any] | NDArray[Any]) -> Iterator[NDArray[np.bool_]]:
    """Yield for each of ``groups`` (n,) in turn the rows (n,) that are held out; all others are fitted."""
    codes = np.asarray(groups)
    for group in np.unique(codes):
        yield codes == group


def means_of_others(values: Floats) -> Floats:
    """Compute for every subject the mean over all *other* subjects; ``values`` (S, ...), S of 2 or more."""
    return np.asarray((values.sum(axis=0) - values) / (len(values) - 1), np.float64)
