"""Fit linear mixed models with crossed random effects, by profiled REML or maximum likelihood.

The criterion is profiled over the fixed effects and the residual variance, so that only the factors of the
random effects' covariances are searched: Bates et al. (2015), J. Stat. Softw. 67(1), equations 34 to 42.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.linalg import LinAlgError
from scipy.linalg import cho_solve
from scipy.optimize import minimize

from almond.errors import InputError
from almond.finite import require_finite
from almond.stats.mixed.fixed_effects import FixedDesign, MixedFit, term_variances
from almond.stats.mixed.random_effects import RandomDesign, RandomTerm
from almond.typing import Floats

THETA_BOUND = 1000.0


@dataclass(frozen=True)
class ProfiledSolution:
    """The solution at one theta: deviance, fixed effects, their unscaled covariance, residual variance."""

    deviance: float
    gamma: Floats
    unscaled: Floats
    variance: float


class Profile:
    """The profiled deviance as a function of theta, from cross-products taken once.

    With ``S`` the cross-product of [Z X y], ``G = diag(Lambda, I)`` and ``C = G'SG + diag(I, 0)``, write C(k)
    for the leading block that ends after Z, X or y. Then log|C(Z)| is the log determinant of the penalised
    system, log|C(X)| - log|C(Z)| that of the fixed effects, and log|C(y)| - log|C(X)| is the log of the
    penalised residual sum of squares: the deviance is a sum of log determinants, and so is its gradient a sum
    of traces.
    """

    def __init__(self, outcome: Floats, fixed: Floats, design: RandomDesign, reml: bool) -> None:
        self.design = design
        self.rows, self.rank = fixed.shape
        # S = [Z X y]'[Z X y], by blocks: Z'Z, Z'[X y] and [X y]'[X y].
        right = np.column_stack([fixed, outcome])
        outer = np.column_stack([design.transposed(design.values, column) for column in right.T])
        inner = design.crossproduct(design.values, np.ones(self.rows))
        self.cross: Floats = np.block([[inner, outer], [outer.T, right.T @ right]])
        self.freedom = self.rows - self.rank if reml else self.rows
        with_x, with_y = design.effects + self.rank, design.effects + self.rank + 1
        # Size of a leading block -> weight of its log determinant.
        # REML: (n - p) log|C(y)| + (1 - n + p) log|C(X)|; ML: n log|C(y)| - n log|C(X)| + log|C(Z)|.
        self.weights = {with_y: float(self.freedom)}
        if reml:
            self.weights[with_x] = 1.0 - self.freedom
        else:
            self.weights |= {with_x: -float(self.freedom), design.effects: 1.0}
        self.evaluations = 0

    def left(self, theta: Floats, matrix: Floats) -> Floats:
        """Compute ``G' matrix``: each term's factor on its rows; rows of fixed effects and outcome stay."""
        parts = []
        for block in self.design.blocks:
            rows = matrix[block.start : block.stop].reshape(len(block.levels), block.width, -1)
            turned = np.einsum("lrm,rc->lcm", rows, block.factor(theta))
            parts.append(turned.reshape(-1, matrix.shape[1]))
        return np.vstack([*parts, matrix[self.design.effects :]])

    def system(self, theta: Floats) -> tuple[Floats, Floats]:
        """Compute ``C`` and ``G'S``."""
        # C = G'SG + diag(I, 0); G'SG = G'(G'S)' since S is symmetric.
        half = self.left(theta, self.cross)
        matrix = self.left(theta, half.T.copy())
        index = np.arange(self.design.effects)
        matrix[index, index] += 1.0
        return matrix, half

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        """Return the deviance without its constant, and its gradient over theta."""
        self.evaluations += 1
        matrix, half = self.system(theta)
        lower = np.linalg.cholesky(matrix)
        logs = 2.0 * np.log(np.diag(lower))
        value, gradient = 0.0, np.zeros(len(theta))
        for size, weight in self.weights.items():
            # log|C(k)| = 2 sum log diag L; its derivative by T is 2 tr(C(k)^-1 (G'S)(k) dG).
            value += weight * float(logs[:size].sum())
            solved = cho_solve((lower[:size, :size], True), half[:size, : self.design.effects])
            gradient += 2.0 * weight * self.traces(solved)
        return value, gradient

    def traces(self, solved: Floats) -> Floats:
        """Sum, for every T[row, column], ``solved`` at (effect of column, effect of row) over levels."""
        traces = []
        for block in self.design.blocks:
            first = block.start + block.width * np.arange(len(block.levels))
            traces += [float(solved[first + column, first + row].sum()) for row, column in block.parameters]
        return np.array(traces)

    def solve(self, theta: Floats) -> ProfiledSolution:
        """Solve for the fixed effects and the residual variance at one theta."""
        # The rows of L that belong to X and y: gamma = R^-T l, cov(gamma) / sigma^2 = R^-T R^-1,
        # sigma^2 = l_yy^2 / freedom.
        lower = np.linalg.cholesky(self.system(theta)[0])
        triangle = lower[-1 - self.rank : -1, -1 - self.rank : -1]
        inverse = np.linalg.inv(triangle)
        variance = float(lower[-1, -1]) ** 2 / self.freedom
        constant = self.freedom * (1.0 + np.log(2.0 * np.pi) - np.log(self.freedom))
        return ProfiledSolution(
            self(theta)[0] + constant,
            inverse.T @ lower[-1, -1 - self.rank : -1],
            inverse.T @ inverse,
            variance,
        )


def fit_linear(
    outcome: Floats,
    fixed: Floats,
    terms: Sequence[RandomTerm],
    *,
    names: Sequence[str] | None = None,
    reml: bool = True,
) -> MixedFit:
    """Fit ``outcome = fixed @ beta + random effects + noise``.

    :param outcome: (n,). :param fixed: (n, p) of full rank with 0 < p < n, an intercept among them if wanted.
    :param terms: any number of crossed or nested random terms.
    :param names: (p,) of the columns of ``fixed``, default ``x0``, ``x1``, ...
    :param reml: restricted maximum likelihood, for variances and tests, with the REML criterion on the
        original columns; else maximum likelihood, for likelihood ratios, -2 log-likelihood as ``criterion``.
    :raises InputError: an outcome that is not finite or does not vary, a deficient design, one-level terms.
    """
    outcome, rows = np.asarray(outcome, dtype=np.float64), len(outcome)
    require_finite(outcome, "linear mixed model: outcome", axes=("row",))
    if rows < 3 or np.ptp(outcome) == 0.0:
        raise InputError("linear mixed model", "the outcome does not vary", "3 or more rows that differ")
    basis = FixedDesign(fixed, rows, names)
    if not 0 < basis.rank < rows:
        raise InputError("linear mixed model", f"{basis.rank} fixed effects for {rows} rows", "0 < p < n")
    design = RandomDesign(terms, rows)
    # Ordinary least squares first: the profile then works on residuals, and loses no digits to a large mean.
    ordinary = basis.orthogonal.T @ outcome / rows
    residual = outcome - basis.orthogonal @ ordinary
    spread = float(residual.std())
    if spread <= 1e-12 * float(np.abs(outcome).max()):
        raise InputError("linear mixed model", "fixed effects fit the outcome exactly", "noise")
    profile = Profile(residual / spread, basis.orthogonal, design, reml)
    try:
        theta = minimise_deviance(profile, design)
        solved = profile.solve(theta)
    except LinAlgError as error:
        raise InputError("linear mixed model", f"cannot be solved: {error}", "more data") from error
    freedom = rows - basis.rank if reml else rows
    # Back from scaled residuals and orthogonal columns to the units given.
    criterion = solved.deviance + 2.0 * freedom * np.log(spread)
    if reml:
        # log|X'X| of the original columns: X = Q R adds log|R'R| = 2 sum log|diag R|.
        criterion += 2.0 * float(np.log(np.abs(np.diag(basis.triangle))).sum())
    variance = solved.variance * spread**2
    return MixedFit(
        names=basis.names,
        estimates=basis.back(solved.gamma * spread + ordinary),
        covariance=basis.back_covariance(solved.unscaled) * variance,
        log_likelihood=-float(criterion) / 2.0,
        variances=term_variances(design, theta, variance),
        residual_variance=variance,
        singular=design.is_singular(theta),
        separated=False,
        hessian=False,
        evaluations=profile.evaluations,
        theta=theta,
        levels={block.name: len(block.levels) for block in design.blocks},
        rows=rows,
        criterion=float(criterion),
    )


def minimise_deviance(profile: Profile, design: RandomDesign) -> Floats:
    """Return the best theta of two starts: with a variance of zero the criterion is flat in it."""
    if not design.parameters:
        return np.zeros(0)
    bounds = [(-THETA_BOUND, THETA_BOUND)] * design.parameters
    for index in design.bounded:
        bounds[index] = (0.0, THETA_BOUND)
    options = {"maxiter": 500, "ftol": 1e-14, "gtol": 1e-8}

    def run(begin: Floats) -> Floats:
        theta: Floats = minimize(
            profile, begin, method="L-BFGS-B", jac=True, bounds=bounds, options=options
        ).x
        return theta

    best = run(design.start())
    if design.is_singular(best):
        again = run(np.where(np.abs(best) < 0.2, 0.2 * design.start(), best))
        best = min(best, again, key=lambda theta: profile(theta)[0])
    return best
