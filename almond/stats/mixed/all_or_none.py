"""Test the intercept of choices that are all or none within the units of one random factor, by quadrature.

Where every scene's (or person's) choices agree, the likelihood rises with the random standard deviation
without end. Laplace's approximation, a normal density around each mode, fails there: it has two maxima beside
an intercept of zero, however symmetric the data. The integral over one factor can be summed instead. It is
log-concave in the intercept (Prékopa 1973), so that its maximum is the only one; as the standard deviation
grows the test becomes that of the units' signs: U units that are all alike have likelihood (1/2)^U under the
null, and no likelihood ratio lies above 2 U ln 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit, logsumexp, xlogy

from almond.typing import Floats

LARGEST_SD = 50.0
LARGEST_INTERCEPT = 250.0
ON_BOUND = 0.99 * LARGEST_SD
STARTS = (1.0, 10.0, LARGEST_SD)
"""Standard deviations from which the search begins: the likelihood may have two maxima over them."""

NODES = np.linspace(-8.0, 8.0, 4001)
"""Standard normal effects; 0.2 in log odds apart at the largest standard deviation."""

LOG_WEIGHTS = -0.5 * NODES**2 - logsumexp(-0.5 * NODES**2)


@dataclass(frozen=True)
class OneFactorFit:
    """The intercept (log odds) and standard deviation of one factor's units, at the largest likelihood.

    ``on_bound``: the standard deviation is the largest that is searched; the likelihood rises with it.
    """

    intercept: float
    sd: float
    log_likelihood: float
    on_bound: bool


def fit_one_factor(counts: Floats, trials: Floats, *, null: bool = False) -> OneFactorFit:
    """Fit ``counts ~ Binomial(trials, logit^-1(intercept + sd * z))``, z standard normal per unit.

    :param counts: (U,) per unit, 0 <= counts <= trials. :param null: holds the intercept at zero.
    """
    share = np.clip(counts.sum() / trials.sum(), 1e-3, 1.0 - 1e-3)
    reach = 0.0 if null else LARGEST_INTERCEPT
    fits = [
        minimize(
            _negative_log_likelihood,
            np.array([0.0 if null else float(logit(share)), start]),
            args=(counts, trials),
            jac=True,
            method="L-BFGS-B",
            bounds=[(-reach, reach), (0.0, LARGEST_SD)],
            options={"ftol": 1e-13, "gtol": 1e-8},
        )
        for start in STARTS
    ]
    best = min(fits, key=lambda fit: float(fit.fun))
    intercept, sd = float(best.x[0].round(9)) + 0.0, float(best.x[1])
    reached = max(-float(best.fun), _limit(counts, trials, null))
    return OneFactorFit(intercept, sd, reached, sd >= ON_BOUND)


def _limit(counts: Floats, trials: Floats, null: bool) -> float:
    """Return the log-likelihood that is approached as the standard deviation grows without end.

    Units that are all or none are then coins, fair ones under the null; any other unit is impossible.
    """
    ones, units = float(np.count_nonzero(counts == trials)), len(counts)
    if ones + np.count_nonzero(counts == 0.0) < units:
        return -np.inf
    share = 0.5 if null else ones / units
    return float(xlogy(ones, share) + xlogy(units - ones, 1.0 - share))


def _negative_log_likelihood(parameters: Floats, counts: Floats, trials: Floats) -> tuple[float, Floats]:
    """Return -log L without the binomial coefficients, and its gradient."""
    intercept, sd = parameters
    line = intercept + sd * NODES
    # log p(y_u | z) + log w(z), (U, nodes)
    joint = np.outer(counts, line) - np.outer(trials, np.logaddexp(0.0, line)) + LOG_WEIGHTS
    each = logsumexp(joint, axis=1)
    residual = np.exp(joint - each[:, None]) * (counts[:, None] - np.outer(trials, expit(line)))
    return -float(each.sum()), -np.array([residual.sum(), (residual @ NODES).sum()])
