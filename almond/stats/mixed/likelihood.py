"""Compare nested models by the ratio of their likelihoods."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.stats import chi2

from almond.stats.mixed.fixed_effects import MixedFit


@dataclass(frozen=True)
class LikelihoodRatio:
    """A likelihood-ratio test of nested models with the same random effects (linear ones fitted by ML)."""

    statistic: float
    df: int
    p: float


def likelihood_ratio(full: MixedFit, reduced: MixedFit) -> LikelihoodRatio:
    """Compare nested models: ``full`` holds all fixed effects of ``reduced`` and the same random effects."""
    return ratio_of_gain(full.log_likelihood - reduced.log_likelihood, len(full.names) - len(reduced.names))


def ratio_of_gain(gain: float, df: int) -> LikelihoodRatio:
    """Test what ``df`` parameters more add to the log-likelihood."""
    # 2 (log L_full - log L_reduced), chi-squared with as many degrees of freedom as fixed effects more.
    statistic = max(0.0, 2.0 * gain)
    return LikelihoodRatio(statistic, df, float(chi2.sf(statistic, df)))
