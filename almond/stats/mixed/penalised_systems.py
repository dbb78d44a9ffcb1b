"""What a mixed model's rows and its spherical random effects u have to do with each other: B = Z Lambda.

A system multiplies by B and its transpose, factors H = B'WB + I, and differentiates log|H| / 2. There are
two, with the same results: ``DenseSystem`` here for the few rows of pooled counts, and
``almond.stats.mixed.crossed_system`` for many rows in which every participant meets every scene.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from almond.errors import InputError
from almond.stats.mixed.random_effects import RandomDesign
from almond.typing import Floats


@dataclass
class Rows:
    """Derivatives of every row's loss (n,) by its linear predictor: first, second and third."""

    residual: Floats
    weights: Floats
    slope: Floats


@dataclass
class Change:
    """How the log-likelihood changes with the parameters at the modes.

    ``rows`` (n,) by every row's predictor, modes moving along; ``leverage`` (n,) diag(B H^-1 B'); ``moved``
    (n,) B H^-1 B' pull (see ``pull_of``); ``theta``: the gradient by theta.
    """

    rows: Floats
    leverage: Floats
    moved: Floats
    theta: Floats


def pull_of(leverage: Floats, rows: Rows) -> Floats:
    """Return d(log|H| / 2) / d eta (n,), which pulls at the modes."""
    # dH = B' dW B, so that d(log|H| / 2) = diag(B H^-1 B') dW / 2.
    return np.asarray(0.5 * leverage * rows.slope, np.float64)


class Factor(Protocol):
    """A factor of H; ``half_log_determinant`` is log|H| / 2."""

    half_log_determinant: float

    def solve(self, right: Floats) -> Floats:
        """Return H^-1 right (effects,)."""
        ...


class PenalisedSystem(Protocol):
    """The products of one random design, at the theta that ``place`` was told last."""

    design: RandomDesign

    def place(self, theta: Floats) -> None: ...

    def times(self, effects: Floats) -> Floats:
        """Return B u (n,)."""
        ...

    def transposed(self, rows: Floats) -> Floats:
        """Return B' v (effects,)."""
        ...

    def factor(self, weights: Floats) -> Any:
        """Factor H with W the diagonal of ``weights`` (n,).

        :raises InputError: H is not finite.
        """
        ...

    def change(self, factor: Any, rows: Rows, effects: Floats) -> Change:
        """Differentiate at the modes ``effects`` (effects,), the modes moving along."""
        ...


def refuse_runaway(matrix: Floats, title: str) -> None:
    """Raise ``InputError`` for an H that is not finite."""
    if not np.isfinite(matrix).all():
        raise InputError(title, "its parameters ran away", "an outcome that varies")


class DenseFactor:
    """The Cholesky factor of H, and its inverse."""

    def __init__(self, matrix: Floats) -> None:
        self.triangle = cho_factor(matrix, lower=True, check_finite=False)
        self.half_log_determinant = float(np.log(np.diag(self.triangle[0])).sum())

    def solve(self, right: Floats) -> Floats:
        solved: Floats = cho_solve(self.triangle, right, check_finite=False)
        return solved

    @cached_property
    def inverse(self) -> Floats:
        return self.solve(np.eye(len(self.triangle[0])))


class DenseSystem:
    """Products row by row, H as one matrix."""

    def __init__(self, design: RandomDesign, title: str) -> None:
        self.design, self.title = design, title
        self.scaled: Floats = design.values

    def place(self, theta: Floats) -> None:
        self.scaled = self.design.scaled(theta)

    def times(self, effects: Floats) -> Floats:
        return self.design.times(self.scaled, effects)

    def transposed(self, rows: Floats) -> Floats:
        return self.design.transposed(self.scaled, rows)

    def factor(self, weights: Floats) -> DenseFactor:
        matrix = self.design.crossproduct(self.scaled, weights)
        matrix[np.diag_indices_from(matrix)] += 1.0
        refuse_runaway(matrix, self.title)
        return DenseFactor(matrix)

    def change(self, factor: DenseFactor, rows: Rows, effects: Floats) -> Change:
        design, scaled, inverse = self.design, self.scaled, factor.inverse
        # spread[i, s] = (B H^-1)[i, index of slot s]; leverage = diag(B H^-1 B')
        gathered = inverse[design.indices[:, :, None], design.indices[:, None, :]]
        spread = np.einsum("ns,nst->nt", scaled, gathered)
        leverage = np.einsum("ns,ns->n", scaled, spread)
        # The modes move with the parameters by -H^-1 dg, so that the adjoint a = H^-1 B' pull carries their
        # part: rows = residual + pull - W B a.
        pull = pull_of(leverage, rows)
        adjoint = inverse @ design.transposed(scaled, pull)
        moved = design.times(scaled, adjoint)
        by_rows = rows.residual + pull - rows.weights * moved
        # By T[row, column], with z the covariate of row and u the effect of column, summed over rows of data:
        # z (rows u + W (B H^-1)_column - residual a_column).
        by_theta = [
            design.values[:, row]
            @ (
                by_rows * effects[design.indices[:, column]]
                + rows.weights * spread[:, column]
                - rows.residual * adjoint[design.indices[:, column]]
            )
            for row, column in design.parameter_slots()
        ]
        return Change(by_rows, leverage, moved, np.array(by_theta))
