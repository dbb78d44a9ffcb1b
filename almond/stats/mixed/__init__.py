"""Fit mixed models with any number of crossed random intercepts and slopes, in numpy and scipy.

``fit_linear`` is linear (profiled REML or ML), ``fit_binomial`` logistic (Laplace). Both report singular fits
instead of hiding them, and test coefficients by t with degrees of freedom from the random factor with the
fewest units, because scenes, not participants, usually limit what a study can tell.

They are our own because statsmodels has no logistic model with crossed random effects by maximum likelihood
(its variational Bayes has half the standard error that it should), and its ``MixedLM`` takes seconds for a
crossed linear one where these take a tenth. The numbers are those of R's lme4, against which tests hold them.
"""

from __future__ import annotations

from dataclasses import dataclass

from scipy.stats import chi2

from almond.stats.mixed.all_or_none import OneFactorFit, fit_one_factor
from almond.stats.mixed.binomial import fit_binomial
from almond.stats.mixed.fixed_effects import MixedFit, TermVariance, Wald
from almond.stats.mixed.linear import fit_linear
from almond.stats.mixed.random_effects import RandomTerm

__all__ = [
    "LikelihoodRatio",
    "MixedFit",
    "OneFactorFit",
    "RandomTerm",
    "TermVariance",
    "Wald",
    "all_or_none_ratio",
    "fit_binomial",
    "fit_linear",
    "fit_one_factor",
    "likelihood_ratio",
]


@dataclass(frozen=True)
class LikelihoodRatio:
    """A likelihood-ratio test of nested models with the same random effects (linear ones fitted by ML)."""

    statistic: float
    df: int
    p: float


def likelihood_ratio(full: MixedFit, reduced: MixedFit) -> LikelihoodRatio:
    """Compare nested models: ``full`` holds all fixed effects of ``reduced`` and the same random effects."""
    return _ratio(full.log_likelihood - reduced.log_likelihood, len(full.names) - len(reduced.names))


def all_or_none_ratio(full: OneFactorFit, null: OneFactorFit) -> LikelihoodRatio:
    """Compare two fits of one factor's units, with the intercept free and held at zero."""
    return _ratio(full.log_likelihood - null.log_likelihood, 1)


def _ratio(gain: float, df: int) -> LikelihoodRatio:
    # 2 (log L_full - log L_reduced), chi-squared with as many degrees of freedom as fixed effects more.
    statistic = max(0.0, 2.0 * gain)
    return LikelihoodRatio(statistic, df, float(chi2.sf(statistic, df)))
