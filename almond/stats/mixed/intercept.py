"""Test the intercept of a binomial mixed model: is 1 as frequent as 0 for a typical person and scene?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from almond.stats.mixed.all_or_none import fit_one_factor
from almond.stats.mixed.binomial import fit_binomial
from almond.stats.mixed.fixed_effects import MixedFit
from almond.stats.mixed.likelihood import LikelihoodRatio, likelihood_ratio, ratio_of_gain
from almond.stats.mixed.random_effects import RandomTerm
from almond.typing import Floats

LEVEL = 0.05


@dataclass(frozen=True)
class InterceptTest:
    """The intercept (log odds) with its tests and its interval, ``low`` to ``high``, as probabilities.

    Where outcomes are ``separated`` (all alike, or alike within each unit of a factor) there is no standard
    error and no Wald test: estimate and ``ratio`` are those of one factor's units, of the factor with the
    largest p, and the interval says which side of one half is left, if one is. ``on_bound``: the largest
    standard deviation that is searched was reached, so that neither it nor the estimate is one.
    """

    estimate: float
    ratio: LikelihoodRatio
    low: float
    high: float
    sd: dict[str, float]
    df: float
    singular: bool
    separated: bool
    on_bound: bool = False
    se: float | None = None
    t: float | None = None
    p: float | None = None


def intercept_test(outcome: Floats, terms: Sequence[RandomTerm]) -> InterceptTest:
    """Test ``outcome`` (n,), 0 or 1, by Wald t and likelihood ratio; separated ones by quadrature."""
    full = fit_binomial(outcome, np.ones((len(outcome), 1)), terms, names=["intercept"])
    null = fit_binomial(outcome, np.zeros((len(outcome), 0)), terms)
    if full.separated or null.separated or not np.isfinite(full.se[0]):
        return _of_units(outcome, terms, full)
    wald = full.wald("intercept")
    return InterceptTest(
        estimate=float(full.estimates[0]),
        ratio=likelihood_ratio(full, null),
        low=float(expit(wald.low)),
        high=float(expit(wald.high)),
        sd={variance.name: float(variance.sd[0]) for variance in full.variances},
        df=float(full.min_units_df()),
        singular=full.singular,
        separated=False,
        se=wald.se,
        t=wald.t,
        p=wald.p,
    )


def _of_units(outcome: Floats, terms: Sequence[RandomTerm], full: MixedFit) -> InterceptTest:
    """Test each factor's units alone; the one with the largest p limits what the outcomes can tell."""
    tests = []
    for term in terms:
        units = np.unique(np.asarray(term.groups), return_inverse=True)[1]
        counts, trials = np.bincount(units, outcome).astype(np.float64), np.bincount(units).astype(np.float64)
        free, null = fit_one_factor(counts, trials), fit_one_factor(counts, trials, null=True)
        tests.append((term.name, free, ratio_of_gain(free.log_likelihood - null.log_likelihood, 1)))
    name, fit, ratio = max(tests, key=lambda test: (round(test[2].p, 9), test[1].sd))
    low, high = (0.5, 1.0) if fit.intercept > 0 else (0.0, 0.5)
    return InterceptTest(
        estimate=fit.intercept,
        ratio=ratio,
        low=0.0 if ratio.p > LEVEL else low,
        high=1.0 if ratio.p > LEVEL else high,
        sd={name: fit.sd},
        df=float(full.min_units_df()),
        singular=full.singular,
        separated=True,
        on_bound=fit.on_bound,
    )
