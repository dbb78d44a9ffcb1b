"""Fit binomial mixed models with a logit link by the Laplace approximation.

The conditional modes of the random effects are found by penalised Newton steps; fixed effects and the factors
of the covariances are then optimised together with the exact gradient of the approximate log-likelihood.
Bates et al. (2015), section 2, and Bates (2010), lme4: Mixed-effects modeling with R, chapter 6, for the
model; the gradient is by implicit differentiation of the modes (Kristensen et al. 2016, TMB, J. Stat. Softw.
70(5), section 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.special import expit, gammaln

from almond.errors import InputError
from almond.stats.mixed.fixed_effects import FixedDesign, MixedFit, covariance_of, term_variances
from almond.stats.mixed.random_effects import RandomDesign, RandomTerm
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


@dataclass
class Modes:
    """At the conditional modes for one set of parameters: the negative log-likelihood ``value``, ``scaled``
    Z Lambda (n, slots), ``residual`` mu - y, ``weights`` d mu / d eta, ``slope`` d weights / d eta (n,), and
    the ``inverse`` (effects, effects) of the Hessian over u."""

    value: float
    scaled: Floats
    residual: Floats
    weights: Floats
    slope: Floats
    inverse: Floats


class Laplace:
    """The negative Laplace log-likelihood of a binomial mixed model (no constant), and its gradient."""

    def __init__(self, counts: Floats, trials: Floats, fixed: Floats, design: RandomDesign) -> None:
        self.counts, self.trials, self.fixed, self.design = counts, trials, fixed, design
        self.effects = np.zeros(design.effects)
        self.evaluations = 0

    def penalised(self, offset: Floats, scaled: Floats, effects: Floats) -> tuple[float, Floats]:
        """Return -log p(y | u) + u'u / 2 without its constant, and the logits (n,)."""
        # eta = X gamma + Z Lambda u; -log p(y | u) = sum n_i log(1 + exp(eta_i)) - y_i eta_i
        logit = offset + self.design.times(scaled, effects)
        loss = self.trials @ np.logaddexp(0.0, logit) - self.counts @ logit
        return float(loss + 0.5 * effects @ effects), logit

    def modes(self, gamma: Floats, theta: Floats) -> Modes:
        """Find the modes by Newton's method with step halving; the penalty holds eigenvalues at 1 or more."""
        self.evaluations += 1
        design, scaled, offset = self.design, self.design.scaled(theta), self.fixed @ gamma
        effects = self.effects
        value, logit = self.penalised(offset, scaled, effects)
        for _ in range(NEWTON_STEPS):
            mean = expit(logit)
            weights = self.trials * mean * (1.0 - mean)
            # u <- u - H^-1 g with g = (Z Lambda)'(mu - y) + u and H = (Z Lambda)' W (Z Lambda) + I
            slope = design.transposed(scaled, self.trials * mean - self.counts) + effects
            step = cho_solve(self.factor(scaled, weights), slope)
            if slope @ step < 1e-18:
                break
            effects, value, logit, moved = self.halved(offset, scaled, effects, value, step)
            if not moved:
                break
        self.effects = effects
        mean = expit(logit)
        weights = self.trials * mean * (1.0 - mean)
        factor = self.factor(scaled, weights)
        # -log L = min over u of the penalised loss + log|H| / 2
        total = value + float(np.log(np.diag(factor[0])).sum())
        inverse = cho_solve(factor, np.eye(design.effects))
        return Modes(
            total, scaled, self.trials * mean - self.counts, weights, weights * (1.0 - 2.0 * mean), inverse
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
            raise InputError("binomial mixed model", "its parameters ran away", "an outcome that varies")
        factor: tuple[Floats, bool] = cho_factor(matrix, lower=True)
        return factor

    def __call__(self, parameters: Floats) -> tuple[float, Floats]:
        """Return the negative log-likelihood and its gradient at (gamma, theta)."""
        p = self.fixed.shape[1]
        theta = parameters[p:]
        modes = self.modes(parameters[:p], theta)
        design, u = self.design, self.effects
        residual, weights, scaled = modes.residual, modes.weights, modes.scaled
        # spread[i, s] = (B H^-1)[i, index of slot s]; leverage = diag(B H^-1 B')
        gathered = modes.inverse[design.indices[:, :, None], design.indices[:, None, :]]
        spread = np.einsum("ns,nst->nt", scaled, gathered)
        leverage = np.einsum("ns,ns->n", scaled, spread)
        # d(log|H| / 2) / d eta = leverage dW / 2; the modes move with the parameters by -H^-1 dg, so that the
        # adjoint a = H^-1 B' pull carries their part: rows = (mu - y) + pull - W B a.
        pull = 0.5 * leverage * modes.slope
        adjoint = modes.inverse @ design.transposed(scaled, pull)
        back = weights * design.times(scaled, adjoint)
        rows = residual + pull - back
        gradient = [self.fixed.T @ rows]
        # By T[row, column], with z the covariate of row and u the effect of column, summed over rows of data:
        # z (rows u + W (B H^-1)_column - (mu - y) a_column).
        slots = design.parameter_slots()
        own = [
            design.values[:, row]
            @ (
                rows * u[design.indices[:, column]]
                + weights * spread[:, column]
                - residual * adjoint[design.indices[:, column]]
            )
            for row, column in slots
        ]
        return modes.value, np.concatenate([*gradient, np.array(own)])


def fit_binomial(
    counts: Floats,
    fixed: Floats,
    terms: Sequence[RandomTerm],
    *,
    trials: Floats | None = None,
    names: Sequence[str] | None = None,
) -> MixedFit:
    """Fit ``counts ~ Binomial(trials, logit^-1(fixed @ beta + random effects))``.

    Standard errors come from the Hessian of the Laplace log-likelihood over all parameters that are not on
    their bound. ``separated`` of the fit is True where the likelihood has no maximum, such as when every
    choice, or every choice within each unit, was the same: estimates, standard errors and the likelihood
    mean nothing then.

    :param counts: (n,) whole numbers, 0 <= counts <= trials. :param fixed: (n, p), p may be 0.
    :param terms: any number of crossed or nested random terms.
    :param trials: (n,) whole numbers, default 1.
    :param names: (p,) of the columns of ``fixed``, default ``x0``, ``x1``, ...
    :raises InputError: values out of range, a fixed design without full rank, and terms with one level.
    """
    counts = np.asarray(counts, dtype=np.float64)
    trials = np.ones_like(counts) if trials is None else np.asarray(trials, dtype=np.float64)
    if counts.size == 0 or not ((counts >= 0) & (counts <= trials)).all():
        raise InputError(
            "binomial mixed model", "counts are missing or out of range", "0 <= counts <= trials"
        )
    basis = FixedDesign(fixed, len(counts), names)
    whole = RandomDesign(terms, len(counts))
    # log of the binomial coefficients n! / (y! (n - y)!)
    constant = float(np.sum(gammaln(trials + 1) - gammaln(counts + 1) - gammaln(trials - counts + 1)))
    likelihood = pooled_likelihood(counts, trials, basis.orthogonal, whole)
    best, evaluations = optimise(likelihood, basis.rank)
    gamma, theta = best[: basis.rank], best[basis.rank :]
    value = likelihood(best)[0]
    covariance, exact = covariance_of(likelihood, best, basis.rank, whole)
    return MixedFit(
        names=basis.names,
        estimates=basis.back(gamma),
        covariance=basis.back_covariance(covariance),
        log_likelihood=constant - value,
        variances=term_variances(whole, theta, 1.0),
        residual_variance=None,
        singular=whole.is_singular(theta),
        separated=is_separated(counts, trials, basis.orthogonal @ gamma, theta[list(whole.bounded)]),
        hessian=exact,
        evaluations=evaluations,
        theta=theta,
        levels={block.name: len(block.levels) for block in whole.blocks},
        rows=len(counts),
    )


def is_separated(counts: Floats, trials: Floats, logits: Floats, deviations: Floats) -> bool:
    """Whether the outcome never varies, or fitted logits or standard deviations lie beyond what data tell."""
    constant = counts.sum() in (0.0, trials.sum())
    far = float(np.abs(logits).max(initial=0.0)) > SEPARATED
    return bool(constant or far or float(deviations.max(initial=0.0)) > ALL_OR_NONE)


def pooled_likelihood(counts: Floats, trials: Floats, fixed: Floats, whole: RandomDesign) -> Laplace:
    """Pool equal rows: the trials of one participant and one scene are one binomial count."""
    key = np.hstack([fixed, whole.indices.astype(np.float64), whole.values])
    distinct, first, group = np.unique(key, axis=0, return_index=True, return_inverse=True)
    group = group.reshape(-1)
    design = RandomDesign.__new__(RandomDesign)
    design.__dict__.update(whole.__dict__)
    design.indices, design.values = whole.indices[first], whole.values[first]
    design.pairs()
    size = len(distinct)
    return Laplace(
        np.bincount(group, counts, minlength=size).astype(np.float64),
        np.bincount(group, trials, minlength=size).astype(np.float64),
        fixed[first],
        design,
    )


def optimise(likelihood: Laplace, rank: int) -> tuple[Floats, int]:
    """Return the best (gamma, theta) and the number of evaluations.

    A variance of zero is a stationary point: a search that ends there begins once more beside it.
    """
    design = likelihood.design
    bounds = [(-GAMMA_BOUND, GAMMA_BOUND)] * rank + [(-THETA_BOUND, THETA_BOUND)] * design.parameters
    for index in design.bounded:
        bounds[rank + index] = (0.0, THETA_BOUND)
    begin = np.concatenate([fixed_start(likelihood), design.start()])
    best = minimise_laplace(likelihood, begin, bounds)
    if design.is_singular(best[rank:]):
        again = best.copy()
        again[rank:] = np.where(np.abs(best[rank:]) < 0.2, 0.2 * design.start(), best[rank:])
        second = minimise_laplace(likelihood, again, bounds)
        if likelihood(second)[0] < likelihood(best)[0]:
            best = second
    return at_zero(likelihood, best, rank), likelihood.evaluations


def at_zero(likelihood: Laplace, best: Floats, rank: int) -> Floats:
    """Put standard deviations on zero where the likelihood cannot tell them from it.

    It is so flat there that the search stops anywhere near zero, and a Hessian over such a parameter would
    make standard errors of whatever rounding leaves.
    """
    value = likelihood(best)[0]
    for index in likelihood.design.bounded:
        if 0.0 < best[rank + index] < NEAR_ZERO:
            zero = best.copy()
            zero[rank + index] = 0.0
            if likelihood(zero)[0] <= value + FLAT:
                best = zero
    return best


def minimise_laplace(likelihood: Laplace, begin: Floats, bounds: list[tuple[float, float]]) -> Floats:
    """Minimise the negative log-likelihood over (gamma, theta) within ``bounds`` from ``begin``."""
    if not begin.size:
        return begin
    options = {"maxiter": 400, "ftol": 1e-13, "gtol": 1e-7}
    best: Floats = minimize(likelihood, begin, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    return best


def fixed_start(likelihood: Laplace) -> Floats:
    """Take a few steps of ordinary logistic regression; the penalty keeps separated outcomes finite."""
    fixed, gamma = likelihood.fixed, np.zeros(likelihood.fixed.shape[1])
    for _ in range(8 if gamma.size else 0):
        # gamma <- gamma + (X'WX + I / 1000)^-1 X'(y - mu)
        mean = expit(fixed @ gamma)
        weights = likelihood.trials * mean * (1.0 - mean)
        matrix = fixed.T @ (weights[:, None] * fixed) + 1e-3 * np.eye(gamma.size)
        slope = fixed.T @ (likelihood.counts - likelihood.trials * mean)
        gamma = np.clip(gamma + np.linalg.solve(matrix, slope), -8.0, 8.0)
    return gamma
