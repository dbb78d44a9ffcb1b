"""Random effects of mixed models: their design, their covariance factors, and products with sparse rows.

A model has any number of crossed terms. A term has one or more columns (1 for an intercept, a covariate for a
slope) and one vector of effects per level. With ``T`` the lower-triangular factor of a term's covariance
(relative to the residual, for linear models), the effects are ``T u`` with spherical ``u``: Bates, Mächler,
Bolker & Walker (2015), Fitting linear mixed-effects models using lme4, J. Stat. Softw. 67(1), section 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from almond.errors import InputError
from almond.finite import require_finite
from almond.typing import Floats, Ints

SINGULAR = 1e-4
"""A relative standard deviation below this is a variance on its bound of zero."""


@dataclass(frozen=True)
class RandomTerm:
    """One grouping factor: ``groups`` (n,) labels; ``columns`` (n, k), a column of ones if left out.

    ``correlated`` estimates the k(k-1)/2 correlations between the columns' effects, otherwise they are zero.
    """

    name: str
    groups: Sequence[Any] | np.ndarray[Any, Any]
    columns: Floats | None = None
    column_names: tuple[str, ...] = ("intercept",)
    correlated: bool = False


@dataclass(frozen=True)
class TermBlock:
    """A term's part of u: its levels, where its effects start, and the elements of T that are in theta."""

    name: str
    column_names: tuple[str, ...]
    levels: tuple[Any, ...]
    width: int
    start: int
    parameters: tuple[tuple[int, int], ...]
    first_parameter: int

    @property
    def stop(self) -> int:
        return self.start + len(self.levels) * self.width

    def factor(self, theta: Floats) -> Floats:
        """Return the lower-triangular factor T (k, k)."""
        factor = np.zeros((self.width, self.width))
        for number, (row, column) in enumerate(self.parameters):
            factor[row, column] = theta[self.first_parameter + number]
        return factor


class RandomDesign:
    """The random-effects design of n rows: a row touches ``slots`` entries of u, at ``indices`` (n, slots).

    ``values`` (n, slots) are the columns of all terms side by side.
    """

    def __init__(self, terms: Sequence[RandomTerm], rows: int) -> None:
        blocks: list[TermBlock] = []
        indices: list[Ints] = []
        values: list[Floats] = []
        start = parameter = 0
        for term in terms:
            block, codes, columns = make_block(term, rows, start, parameter)
            blocks.append(block)
            indices.append(start + codes[:, None] * block.width + np.arange(block.width))
            values.append(columns)
            start, parameter = block.stop, parameter + len(block.parameters)
        self.blocks = tuple(blocks)
        self.effects = start
        self.parameters = parameter
        self.indices: Ints = np.hstack(indices) if blocks else np.zeros((rows, 0), dtype=np.intp)
        self.values: Floats = np.hstack(values) if blocks else np.zeros((rows, 0))
        self.pairs()

    def pairs(self) -> None:
        """Index each product of two slots of a row in the cross-product matrix (effects, effects)."""
        slots = self.values.shape[1]
        self.first, self.second = np.triu_indices(slots)
        self.flat = self.indices[:, self.first] * self.effects + self.indices[:, self.second]

    @property
    def bounded(self) -> tuple[int, ...]:
        """List the parameters that cannot be negative, standard deviations: the diagonals of the factors."""
        return tuple(
            block.first_parameter + number
            for block in self.blocks
            for number, (row, column) in enumerate(block.parameters)
            if row == column
        )

    def start(self) -> Floats:
        """Return the theta at which a search begins: standard deviations 1, correlations 0."""
        theta = np.zeros(self.parameters)
        theta[list(self.bounded)] = 1.0
        return theta

    def scaled(self, theta: Floats) -> Floats:
        """Compute the values of Z Lambda (n, slots): each term's columns times its factor."""
        # Lambda is block-diagonal with T once per level, so that a row of Z Lambda is its columns times T.
        parts = []
        slot = 0
        for block in self.blocks:
            parts.append(self.values[:, slot : slot + block.width] @ block.factor(theta))
            slot += block.width
        return np.hstack(parts) if parts else self.values

    def crossproduct(self, scaled: Floats, weights: Floats) -> Floats:
        """Compute ``B' W B`` (effects, effects), B by its ``scaled`` values (n, slots), W diagonal (n,)."""
        q = self.effects
        # (B' W B)[j, k] = sum over rows i of w_i b_ij b_ik
        products = scaled[:, self.first] * scaled[:, self.second] * weights[:, None]
        sums = np.bincount(self.flat.ravel(), products.ravel(), minlength=q * q)
        upper: Floats = sums.astype(np.float64).reshape(q, q)
        # Slots of one row are ordered by term, so that every product lies on or above the diagonal.
        whole: Floats = upper + upper.T
        whole[np.diag_indices(q)] = np.diag(upper)
        return whole

    def times(self, scaled: Floats, effects: Floats) -> Floats:
        """Compute ``B u`` (n,)."""
        product: Floats = np.einsum("ns,ns->n", scaled, effects[self.indices])
        return product

    def transposed(self, scaled: Floats, rows: Floats) -> Floats:
        """Compute ``B' v`` (effects,)."""
        flat = (scaled * rows[:, None]).ravel()
        sums: Floats = np.bincount(self.indices.ravel(), flat, minlength=self.effects).astype(np.float64)
        return sums

    def parameter_slots(self) -> list[tuple[int, int]]:
        """List for each parameter T[row, column] the slots of its covariate (row) and its effect (column)."""
        slots, slot = [], 0
        for block in self.blocks:
            slots += [(slot + row, slot + column) for row, column in block.parameters]
            slot += block.width
        return slots

    def is_singular(self, theta: Floats) -> bool:
        """Whether some variance is zero, as far as ``SINGULAR`` can tell."""
        return bool(np.any(theta[list(self.bounded)] < SINGULAR)) if self.parameters else False


def make_block(
    term: RandomTerm, rows: int, start: int, first_parameter: int
) -> tuple[TermBlock, Ints, Floats]:
    """Return a term's block, the level (n,) of each row, and its columns (n, k).

    :raises InputError: labels or columns that do not fit the rows, or a term with one level.
    """
    groups = np.asarray(term.groups)
    columns = np.ones((rows, 1)) if term.columns is None else np.asarray(term.columns, dtype=np.float64)
    if groups.shape != (rows,) or columns.ndim != 2 or columns.shape[0] != rows:
        problem = f"{groups.shape[0]} labels and columns of shape {columns.shape} for {rows} rows"
        raise InputError(f"random term {term.name}", problem, "one label and one row of columns per row")
    if len(term.column_names) != columns.shape[1]:
        raise InputError(f"random term {term.name}", "has unnamed columns", "a name per column")
    require_finite(columns, f"random term {term.name}", axes=("row", term.column_names))
    levels, codes = np.unique(groups, return_inverse=True)
    if len(levels) < 2:
        raise InputError(f"random term {term.name}", f"has {len(levels)} level", "two or more")
    width = columns.shape[1]
    lower = [(row, column) for column in range(width) for row in range(column, width)]
    parameters = tuple((row, column) for row, column in lower if term.correlated or row == column)
    block = TermBlock(
        term.name, term.column_names, tuple(levels.tolist()), width, start, parameters, first_parameter
    )
    return block, codes.astype(np.intp).reshape(-1), columns
