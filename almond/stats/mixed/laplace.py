"""Laplace's approximation of the likelihood of mixed models whose rows depend on a linear predictor.

The conditional modes of the random effects are found by penalised Newton steps; all other parameters are then
optimised together with the exact gradient of the approximate log-likelihood, by implicit differentiation of
the modes (Kristensen et al. 2016, TMB, J. Stat. Softw. 70(5), section 2).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from scipy.optimize import minimize

from almond.stats.mixed.penalised_systems import Change, Factor, PenalisedSystem, Rows
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

DESCENTS, DESCENDED = 30, 1e-9
"""Most steps of a descent, and what a further one would win at its end (log-likelihood, twice)."""

Bounds = list[tuple[float, float]]


class LaplaceLikelihood(ABC):
    """The negative Laplace log-likelihood (no constant), and its gradient, over ``leading`` parameters and
    theta, the factors of the covariances."""

    title: str
    leading: int
    settled = 0.0
    """Newton's last step is one whose decrement is below this: convergence being quadratic, no further one
    would move anything. Zero takes steps until the decrement itself is rounding."""

    def __init__(self, fixed: Floats, system: PenalisedSystem) -> None:
        self.fixed, self.system, self.design = fixed, system, system.design
        self.effects = np.zeros(self.design.effects)
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
    def leading_gradient(self, logit: Floats, change: Change) -> Floats:
        """Return the gradient of the negative log-likelihood by the leading parameters."""

    def penalised(self, offset: Floats, effects: Floats) -> tuple[float, Floats]:
        """Return -log p(y | u) + u'u / 2 without its constant, and the logits (n,)."""
        # eta = X gamma + Z Lambda u
        logit = offset + self.system.times(effects)
        return float(self.loss(logit) + 0.5 * effects @ effects), logit

    def modes(self, offset: Floats) -> tuple[float, Floats, Rows, Factor]:
        """Find the modes by Newton's method with step halving; the penalty holds eigenvalues at 1 or more.

        :returns: the negative log-likelihood, and at the modes the logits (n,), their rows' derivatives and
            the factor of the Hessian over u.
        """
        self.evaluations += 1
        system, effects = self.system, self.effects
        value, logit = self.penalised(offset, effects)
        for _ in range(NEWTON_STEPS):
            rows = self.derivatives(logit)
            # u <- u - H^-1 g with g = (Z Lambda)' residual + u and H = (Z Lambda)' W (Z Lambda) + I
            slope = system.transposed(rows.residual) + effects
            step = system.factor(rows.weights).solve(slope)
            if slope @ step < 1e-18:
                break
            effects, value, logit, moved = self.halved(offset, effects, value, step)
            if not moved or slope @ step < self.settled:
                break
        self.effects = effects
        rows = self.derivatives(logit)
        factor = system.factor(rows.weights)
        # -log L = min over u of the penalised loss + log|H| / 2
        return value + factor.half_log_determinant, logit, rows, factor

    def halved(
        self, offset: Floats, effects: Floats, value: float, step: Floats
    ) -> tuple[Floats, float, Floats, bool]:
        """Halve the step until the penalised loss does not rise; the last value is whether one was found."""
        size = 1.0
        while size > 1e-6:
            tried = effects - size * step
            loss, logit = self.penalised(offset, tried)
            if loss <= value:
                return tried, loss, logit, True
            size /= 2.0
        return effects, value, self.penalised(offset, effects)[1], False

    def __call__(self, parameters: Floats) -> tuple[float, Floats]:
        """Return the negative log-likelihood and its gradient at (leading, theta)."""
        offset = self.place(parameters[: self.leading])
        self.system.place(parameters[self.leading :])
        value, logit, rows, factor = self.modes(offset)
        change = self.system.change(factor, rows, self.effects)
        return value, np.concatenate([self.leading_gradient(logit, change), change.theta])


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


def descend(likelihood: LaplaceLikelihood, begin: Floats, inverse: Floats) -> Floats | None:
    """Minimise the negative log-likelihood from near its minimum, at whose inverse Hessian one may guess.

    :param begin: (leading, theta). :param inverse: the guess, which each step betters (BFGS).
    :returns: None where this found no minimum, or one with a standard deviation that may be zero.
    """
    point, inverse = begin, inverse.copy()
    value, gradient = likelihood(point)
    for _ in range(DESCENTS):
        step = -inverse @ gradient
        slope = float(gradient @ step)
        if -slope < DESCENDED:
            bounded = point[likelihood.leading + np.array(likelihood.design.bounded, dtype=np.intp)]
            return point if bool((bounded > NEAR_ZERO).all()) else None
        following, change = likelihood(point + step)
        while following > value + 1e-4 * slope:
            step, slope = step / 2.0, slope / 2.0
            if -slope < DESCENDED:
                return None
            following, change = likelihood(point + step)
        point, bend = point + step, change - gradient
        value, gradient = following, change
        # Broyden, Fletcher, Goldfarb & Shanno: Nocedal & Wright (2006), Numerical Optimization, eq. 6.17.
        product = float(bend @ step)
        if product > 0.0:
            left = np.eye(len(step)) - np.outer(step, bend) / product
            inverse = left @ inverse @ left.T + np.outer(step, step) / product
    return None


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
