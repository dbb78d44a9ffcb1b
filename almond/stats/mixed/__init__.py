"""Fit mixed models with any number of crossed random intercepts and slopes, in numpy and scipy.

``fit_linear`` is linear (profiled REML or ML), ``fit_binomial`` logistic and ``fit_ordinal`` cumulative-logit
(both Laplace). All report singular fits instead of hiding them, and test coefficients by t with degrees of
freedom from the random factor with the fewest units, because scenes, not participants, usually limit what a
study can tell.

They are our own because statsmodels has no logistic or ordinal model with crossed random effects by maximum
likelihood (its variational Bayes has half the standard error that it should), and its ``MixedLM`` takes
seconds for a crossed linear one where these take a tenth. The numbers are those of R's lme4 and ordinal,
against which tests hold them.
"""

from __future__ import annotations

from almond.stats.mixed.binomial import fit_binomial
from almond.stats.mixed.fixed_effects import MixedFit, TermVariance, Wald
from almond.stats.mixed.intercept import InterceptTest, intercept_test
from almond.stats.mixed.likelihood import LikelihoodRatio, likelihood_ratio
from almond.stats.mixed.linear import fit_linear
from almond.stats.mixed.ordinal import OrdinalFit, fit_ordinal
from almond.stats.mixed.random_effects import RandomTerm

__all__ = [
    "InterceptTest",
    "LikelihoodRatio",
    "MixedFit",
    "OrdinalFit",
    "RandomTerm",
    "TermVariance",
    "Wald",
    "fit_binomial",
    "fit_linear",
    "fit_ordinal",
    "intercept_test",
    "likelihood_ratio",
]
