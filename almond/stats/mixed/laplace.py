"""Laplace's approximation of the likelihood of mixed models whose rows depend on a linear predictor.

The conditional modes of the random effects are found by penalised Newton steps; all other parameters are then
optimised together with the exact gradient of the approximate log-likelihood, by implicit differentiation of
the modes (Kristensen et al. 2016, TMB, J. Stat. Softw. 70(5), section 2).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

from almond.errors import InputError
from almond.stats.mixed.random_effects import RandomDesign
from almond.typing import Floats

NEWTON_STEPS = 60
THETA_BOUND = 50.0
GAMMA_BOUND = 60.0
NEAR_ZERO, FLAT = 0.05, 1e-7
"""Standard deviations below the first are zero where that costs less than the second of log-likelihood."""
SEPARATED = 12.0
"""A fitted logit beyond this is a likelihood without a maximum: the outcome is separated."""

ALL_OR_NONE = 6.0
"""A standard deviation of units beyond this (log odds) says that outcomes are all or none within units.
Laplace's approximation gets a second maximum above 7 and does not hold there (see ``all_or_none``)."""

Bounds = list[tuple[float, float]]


@dataclass
class Rows:
    """Derivatives of every row's loss (n,) by its linear predictor: first, second and third."""

    residual: Floats
    weights: Floats
    slope: Floats


@dataclass
class Modes:
    """At the conditional modes for one set of parameters: the negative log-likelihood ``value``, ``scaled``
    Z Lambda (n, slots), the predictor ``logit`` and ``rows`` there, and the ``inverse`` (effects, effects) of
    the Hessian over u."""

    value: float
    scaled: Floats
    logit: Floats
    rows: Rows
    inverse: Floats


@dataclass
class Change:
    """How the log-likelihood changes with the parameters at the modes.

    ``rows`` (n,) by every row's predictor, modes moving along; ``leverage`` (n,) diag(B H^-1 B'); ``spread``
    (n, slots) B H^-1 at the slots of a row; ``adjoint`` (effects,) H^-1 B' pull, and ``moved`` (n,) B of it.
    """

    rows: Floats
    leverage: Floats
    spread: Floats
    adjoint: Floats
    moved: Floats


class LaplaceLikelihood(ABC):
    """The negative Laplace log-likelihood (no constant), and its gradient, over ``leading`` parameters and
    theta, the factors of the covariances."""

    title: str
    leading: int
    settled = 0.0
    """Newton's last step is one whose decrement is below this: convergence being quadratic, no further one
    would move anything. Zero takes steps until the decrement itself is rounding."""

    def __init__(self, fixed: Floats, design: RandomDesign) -> None:
        self.fixed, self.design = fixed, design
        self.effects = np.zeros(design.effects)
        self.evaluations = 0

    @abstractmethod
    def place(self, leading: Floats) -> Floats:
        """Take the leading parameters, and return the fixed part of the predictor (n,)."""

    @abstractmethod
    def loss(self, logit: Floats) -> float:
        """Return -log p(y | predictor), summed over rows, without its constant."""

    @abstractmethod
    def derivatives(self, logit: Floats) -> Rows:
        """Return the derivatives of every row's loss; the second is never negative."""

    @abstractmethod
    def leading_gradient(self, modes: Modes, change: Change) -> Floats:
        """Return the gradient of the negative log-likelihood by the leading parameters."""

    def penalised(self, offset: Floats, scaled: Floats, effects: Floats) -> tuple[float, Floats]:
        """Return -log p(y | u) + u'u / 2 without its constant, and the logits (n,)."""
        # eta = X gamma + Z Lambda u
        logit = offset + self.design.times(scaled, effects)
        return float(self.loss(logit) + 0.5 * effects @ effects), logit

    def modes(self, offset: Floats, theta: Floats) -> Modes:
        """Find the modes by Newton's method with step halving; the penalty holds eigenvalues at 1 or more."""
        self.evaluations += 1
        design, scaled = self.design, self.design.scaled(theta)
        effects = self.effects
        value, logit = self.penalised(offset, scaled, effects)
        for _ in range(NEWTON_STEPS):
            rows = self.derivatives(logit)
            # u <- u - H^-1 g with g = (Z Lambda)' residual + u and H = (Z Lambda)' W (Z Lambda) + I
            slope = design.transposed(scaled, rows.residual) + effects
            step = cho_solve(self.factor(scaled, rows.weights), slope, check_finite=False)
            if slope @ step < 1e-18:
                break
            effects, value, logit, moved = self.halved(offset, scaled, effects, value, step)
            if not moved or slope @ step < self.settled:
                break
        self.effects = effects
        rows = self.derivatives(logit)
        factor = self.factor(scaled, rows.weights)
        # -log L = min over u of the penalised loss + log|H| / 2
        total = value + float(np.log(np.diag(factor[0])).sum())
        return Modes(
            total, scaled, logit, rows, cho_solve(factor, np.eye(design.effects), check_finite=False)
        )

    def halved(
        self, offset: Floats, scaled: Floats, effects: Floats, value: float, step: Floats
    ) -> tuple[Floats, float, Floats, bool]:
        """Halve the step until the penalised loss does not rise; the last value is whether one was found."""
        size = 1.0
        while size > 1e-6:
            tried = effects - size * step
            loss, logit = self.penalised(offset, scaled, tried)
            if loss <= value:
                return tried, loss, logit, True
            size /= 2.0
        return effects, value, self.penalised(offset, scaled, effects)[1], False

    def factor(self, scaled: Floats, weights: Floats) -> tuple[Floats, bool]:
        """Return the Cholesky factor of H = (Z Lambda)' W (Z Lambda) + I."""
        matrix = self.design.crossproduct(scaled, weights)
        matrix[np.diag_indices_from(matrix)] += 1.0
        if not np.isfinite(matrix).all():
            raise InputError(self.title, "its parameters ran away", "an outcome that varies")
        factor: tuple[Floats, bool] = cho_factor(matrix, lower=True, check_finite=False)
        return factor

    def __call__(self, parameters: Floats) -> tuple[float, Floats]:
        """Return the negative log-likelihood and its gradient at (leading, theta)."""
        modes = self.modes(self.place(parameters[: self.leading]), parameters[self.leading :])
        change = self.change(modes)
        gradient = [self.leading_gradient(modes, change), self.theta_gradient(modes, change)]
        return modes.value, np.concatenate(gradient)

    def change(self, modes: Modes) -> Change:
        """Differentiate by the predictor, the modes moving with it."""
        design, scaled, rows = self.design, modes.scaled, modes.rows
        # spread[i, s] = (B H^-1)[i, index of slot s]; leverage = diag(B H^-1 B')
        gathered = modes.inverse[design.indices[:, :, None], design.indices[:, None, :]]
        spread = np.einsum("ns,nst->nt", scaled, gathered)
        leverage = np.einsum("ns,ns->n", scaled, spread)
        # d(log|H| / 2) / d eta = leverage dW / 2; the modes move with the parameters by -H^-1 dg, so that the
        # adjoint a = H^-1 B' pull carries their part: rows = residual + pull - W B a.
        pull = 0.5 * leverage * rows.slope
        adjoint = modes.inverse @ design.transposed(scaled, pull)
        moved = design.times(scaled, adjoint)
        return Change(rows.residual + pull - rows.weights * moved, leverage, spread, adjoint, moved)

    def theta_gradient(self, modes: Modes, change: Change) -> Floats:
        """Return the gradient by theta."""
        # By T[row, column], with z the covariate of row and u the effect of column, summed over rows of data:
        # z (rows u + W (B H^-1)_column - residual a_column).
        design, u, rows = self.design, self.effects, modes.rows
        own = [
            design.values[:, row]
            @ (
                change.rows * u[design.indices[:, column]]
                + rows.weights * change.spread[:, column]
                - rows.residual * change.adjoint[design.indices[:, column]]
            )
            for row, column in design.parameter_slots()
        ]
        return np.array(own)


def optimise(
    likelihood: LaplaceLikelihood, begin: Floats, bounds: Bounds, *, theta: Floats | None = None
) -> tuple[Floats, int]:
    """Return the best (leading, theta) and the number of evaluations.

    A variance of zero is a stationary point: a search that ends there begins once more beside it.

    :param begin: the leading parameters at which the search begins. :param bounds: of these.
    :param theta: where it begins over theta; standard deviations of 1 if left out.
    """
    design, lead = likelihood.design, likelihood.leading
    bounds = [*bounds, *[(-THETA_BOUND, THETA_BOUND)] * design.parameters]
    for index in design.bounded:
        bounds[lead + index] = (0.0, THETA_BOUND)
    first = np.concatenate([begin, design.start() if theta is None else theta])
    best = minimise_laplace(likelihood, first, bounds)
    if design.is_singular(best[lead:]):
        again = best.copy()
        again[lead:] = np.where(np.abs(best[lead:]) < 0.2, 0.2 * design.start(), best[lead:])
        second = minimise_laplace(likelihood, again, bounds)
        if likelihood(second)[0] < likelihood(best)[0]:
            best = second
    return at_zero(likelihood, best, lead), likelihood.evaluations


def at_zero(likelihood: LaplaceLikelihood, best: Floats, lead: int) -> Floats:
    """Put standard deviations on zero where the likelihood cannot tell them from it.

    It is so flat there that the search stops anywhere near zero, and a Hessian over such a parameter would
    make standard errors of whatever rounding leaves.
    """
    value = likelihood(best)[0]
    for index in likelihood.design.bounded:
        if 0.0 < best[lead + index] < NEAR_ZERO:
            zero = best.copy()
            zero[lead + index] = 0.0
            if likelihood(zero)[0] <= value + FLAT:
                best = zero
    return best


def minimise_laplace(likelihood: LaplaceLikelihood, begin: Floats, bounds: Bounds) -> Floats:
    """Minimise the negative log-likelihood over (leading, theta) within ``bounds`` from ``begin``."""
    if not begin.size:
        return begin
    options = {"maxiter": 400, "ftol": 1e-13, "gtol": 1e-7}
    best: Floats = minimize(likelihood, begin, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    return best
