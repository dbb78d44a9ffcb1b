"""How well two partitions of the same things agree, beyond chance."""

from __future__ import annotations

import numpy as np

from almond.typing import Ints


def contingency(first: Ints, second: Ints) -> Ints:
    """Count things by two labels (n,) from 0, (K, L)."""
    table = np.zeros((int(first.max()) + 1, int(second.max()) + 1), np.intp)
    np.add.at(table, (first, second), 1)
    return table


def adjusted_rand(table: Ints) -> float:
    """Compute the adjusted Rand index from a table of counts (Hubert & Arabie 1985, J. Classification 2)."""

    def pairs(counts: Ints) -> float:
        return float((counts * (counts - 1) / 2).sum())

    both, rows, columns = pairs(table), pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    chance = rows * columns / max(pairs(np.array([table.sum()])), 1.0)
    largest = (rows + columns) / 2
    return (both - chance) / (largest - chance) if largest != chance else 1.0
