"""Fixed effects of mixed models, and the results of every fitted mixed model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from almond.errors import InputError
from almond.finite import require_finite
from almond.stats.mixed.random_effects import SINGULAR, RandomDesign
from almond.stats.ttest import half_width, two_sided_p
from almond.typing import Floats

RANK_TOLERANCE = 1e-9


class FixedDesign:
    """A fixed design (n, p) with orthogonal columns of length sqrt(n), in which optimisation is well scaled.

    Raises ``InputError`` naming the first column that the ones before it already hold.
    """

    def __init__(self, fixed: Floats, rows: int, names: Sequence[str] | None) -> None:
        fixed = np.asarray(fixed, dtype=np.float64)
        if fixed.ndim != 2 or fixed.shape[0] != rows:
            raise InputError("fixed effects", f"have shape {fixed.shape}", f"({rows}, p)")
        require_finite(fixed, "fixed effects", axes=("row", "column"))
        self.rank = fixed.shape[1]
        self.names = tuple(names) if names else tuple(f"x{index}" for index in range(self.rank))
        if len(self.names) != self.rank:
            raise InputError("fixed effects", f"{len(self.names)} names for {self.rank} columns")
        # X = Q R; with Q sqrt(n) for X and gamma = R beta / sqrt(n) the fit is the same.
        basis, triangle = np.linalg.qr(fixed)
        lengths = np.linalg.norm(fixed, axis=0)
        for column in range(self.rank):
            if column >= rows or abs(triangle[column, column]) <= RANK_TOLERANCE * max(
                lengths[column], 1e-300
            ):
                name = self.names[column]
                raise InputError(f"fixed effect {name}", "is a combination of the others", "full column rank")
        self.orthogonal: Floats = np.asarray(basis * np.sqrt(rows), dtype=np.float64)
        self.triangle: Floats = np.asarray(triangle / np.sqrt(rows), dtype=np.float64)

    def back(self, gamma: Floats) -> Floats:
        """Transform coefficients ``gamma`` (p,) of the orthogonal columns to those of the original ones."""
        if not self.rank:
            return gamma
        coefficients: Floats = np.linalg.solve(self.triangle, gamma).astype(np.float64)
        return coefficients

    def back_covariance(self, covariance: Floats) -> Floats:
        """Transform the covariance (p, p) of ``gamma`` to that of the original columns' coefficients."""
        if not self.rank:
            return covariance
        # cov(beta) = R^-1 cov(gamma) R^-T
        inverse = np.linalg.inv(self.triangle)
        whole: Floats = inverse @ covariance @ inverse.T
        return whole


@dataclass(frozen=True)
class TermVariance:
    """The estimated covariance (k, k) of one term's effects, on the scale of the linear predictor."""

    name: str
    column_names: tuple[str, ...]
    covariance: Floats

    @property
    def sd(self) -> Floats:
        """Return the standard deviations (k,) of the effects."""
        deviations: Floats = np.sqrt(np.diag(self.covariance))
        return deviations


@dataclass(frozen=True)
class Wald:
    """A t test of one coefficient against zero, two-sided, with its interval."""

    estimate: float
    se: float
    t: float
    df: float
    p: float
    low: float
    high: float


@dataclass(frozen=True)
class MixedFit:
    """A fitted mixed model.

    ``singular``: a variance lies on its bound of zero. ``separated``: the likelihood has no maximum, because
    the outcome never varies, or is all or none within units.
    ``hessian``: standard errors rest on the Hessian of all parameters (else on that of the fixed effects with
    variances held). ``residual_variance`` is None for binomial models. ``criterion`` is the REML or ML
    deviance of linear models.
    """

    names: tuple[str, ...]
    estimates: Floats
    covariance: Floats
    log_likelihood: float
    variances: tuple[TermVariance, ...]
    residual_variance: float | None
    singular: bool
    separated: bool
    hessian: bool
    evaluations: int
    theta: Floats
    levels: dict[str, int]
    rows: int
    criterion: float | None = None

    @property
    def se(self) -> Floats:
        """Return the standard errors (p,) of the estimates."""
        errors: Floats = np.sqrt(np.diag(self.covariance))
        return errors

    def min_units_df(self) -> int:
        """Count degrees of freedom: units of the random factor with the fewest, less one."""
        return min(self.levels.values()) - 1

    def wald(self, name: str, *, df: float | None = None, level: float = 0.95) -> Wald:
        """Test one coefficient by t; ``df`` defaults to ``min_units_df``."""
        index = self.names.index(name)
        freedom = float(self.min_units_df() if df is None else df)
        estimate, se = float(self.estimates[index]), float(self.se[index])
        t = estimate / se
        reach = half_width(se, freedom, level)
        return Wald(estimate, se, t, freedom, two_sided_p(t, freedom), estimate - reach, estimate + reach)


def term_variances(design: RandomDesign, theta: Floats, scale: float) -> tuple[TermVariance, ...]:
    """Return the covariance ``scale * T T'`` of each term's effects."""
    factors = [(block, block.factor(theta)) for block in design.blocks]
    return tuple(
        TermVariance(block.name, block.column_names, scale * factor @ factor.T) for block, factor in factors
    )


def covariance_of(
    likelihood: Callable[[Floats], tuple[float, Floats]], best: Floats, rank: int, design: RandomDesign
) -> tuple[Floats, bool, Floats | None]:
    """Estimate the covariance (rank, rank) of the fixed effects by central differences of the gradient.

    Parameters on their bound are fixed there. Falls back to the fixed effects alone when the Hessian of all
    free parameters is not positive definite; the second value is whether it was. The third is the Hessian if
    no parameter is on its bound.
    """
    if not rank:
        return np.zeros((0, 0)), True, None
    held = {rank + index for index in design.bounded if best[rank + index] < SINGULAR}
    free = [index for index in range(len(best)) if index not in held]
    for varied, whole in ((free, True), (list(range(rank)), False)):
        matrix = curvature(likelihood, best, varied)
        if np.linalg.eigvalsh(matrix)[0] > 1e-10 * max(1.0, float(np.abs(matrix).max())):
            # cov = H^-1, H the Hessian of the negative log-likelihood; its first block is that of gamma.
            covariance: Floats = np.linalg.inv(matrix)[:rank, :rank].astype(np.float64)
            return covariance, whole, matrix if len(matrix) == len(best) else None
    return np.full((rank, rank), np.inf), False, None


def curvature(
    likelihood: Callable[[Floats], tuple[float, Floats]], best: Floats, varied: list[int]
) -> Floats:
    """Compute the Hessian over the ``varied`` parameters from gradients a small step up and down."""
    rows = []
    for index in varied:
        # H[index] = (g(x + h e) - g(x - h e)) / (2 h)
        width = 1e-4 * max(1.0, abs(best[index]))
        up, down = best.copy(), best.copy()
        up[index] += width
        down[index] -= width
        rows.append((likelihood(up)[1] - likelihood(down)[1])[varied] / (2.0 * width))
    matrix = np.array(rows)
    symmetric: Floats = (matrix + matrix.T) / 2.0
    return symmetric
