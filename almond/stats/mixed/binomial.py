"""Fit binomial mixed models with a logit link by the Laplace approximation.

The model: Bates et al. (2015), section 2, and Bates (2010), lme4: Mixed-effects modeling with R, chapter 6;
the approximation: ``almond.stats.mixed.laplace``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import expit, gammaln

from almond.errors import InputError
from almond.stats.mixed.fixed_effects import FixedDesign, MixedFit, covariance_of, term_variances
from almond.stats.mixed.laplace import (
    ALL_OR_NONE,
    GAMMA_BOUND,
    SEPARATED,
    LaplaceLikelihood,
    optimise,
)
from almond.stats.mixed.penalised_systems import Change, DenseSystem, Rows
from almond.stats.mixed.random_effects import RandomDesign, RandomTerm
from almond.typing import Floats


class Laplace(LaplaceLikelihood):
    """The negative Laplace log-likelihood of a binomial mixed model (no constant), and its gradient."""

    title = "binomial mixed model"

    def __init__(self, counts: Floats, trials: Floats, fixed: Floats, design: RandomDesign) -> None:
        super().__init__(fixed, DenseSystem(design, self.title))
        self.counts, self.trials, self.leading = counts, trials, fixed.shape[1]

    def place(self, leading: Floats) -> Floats:
        offset: Floats = self.fixed @ leading
        return offset

    def loss(self, logit: Floats) -> float:
        # -log p(y | u) = sum n_i log(1 + exp(eta_i)) - y_i eta_i
        return float(self.trials @ np.logaddexp(0.0, logit) - self.counts @ logit)

    def derivatives(self, logit: Floats) -> Rows:
        mean = expit(logit)
        weights = self.trials * mean * (1.0 - mean)
        return Rows(self.trials * mean - self.counts, weights, weights * (1.0 - 2.0 * mean))

    def leading_gradient(self, logit: Floats, change: Change) -> Floats:
        gradient: Floats = self.fixed.T @ change.rows
        return gradient


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
    best, evaluations = optimise(
        likelihood, fixed_start(likelihood), [(-GAMMA_BOUND, GAMMA_BOUND)] * basis.rank
    )
    gamma, theta = best[: basis.rank], best[basis.rank :]
    value = likelihood(best)[0]
    covariance, exact, _ = covariance_of(likelihood, best, basis.rank, whole)
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
