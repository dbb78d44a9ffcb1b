"""Fit cumulative-logit mixed models of ordered categories, such as 5- or 7-point ratings.

With ordered thresholds alpha_1 < ... < alpha_{J-1} and logit^-1 F,

    P(y <= j) = F(alpha_j - x' beta - random effects)

so that positive coefficients go with higher categories: Christensen (2018), Cumulative link models for
ordinal regression with the R package ordinal; Agresti (2010), Analysis of ordinal categorical data, chapters
3 and 10. Random effects by Laplace's approximation, as ``ordinal::clmm`` has it
(``almond.stats.mixed.laplace``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import expit, logit

from almond.errors import InputError
from almond.finite import require_finite
from almond.stats.mixed.crossed_system import CrossedSystem
from almond.stats.mixed.fixed_effects import FixedDesign, MixedFit, covariance_of, term_variances
from almond.stats.mixed.laplace import (
    ALL_OR_NONE,
    GAMMA_BOUND,
    SEPARATED,
    THETA_BOUND,
    LaplaceLikelihood,
    descend,
    optimise,
)
from almond.stats.mixed.penalised_systems import Change, Rows
from almond.stats.mixed.random_effects import RandomDesign, RandomTerm
from almond.typing import Floats, Ints

TITLE = "ordinal mixed model"
NARROWEST, WIDEST = 1e-5, 50.0
"""Between which the distance of two thresholds is searched, in log odds."""

NEAR_BOUND = 0.999


@dataclass(frozen=True)
class OrdinalFit(MixedFit):
    """A fitted cumulative-logit mixed model.

    ``thresholds`` (J-1,) lie between the ``categories`` that occur, lowest first; ``threshold_se`` (J-1,).
    ``unused``: categories that never occur. They have no threshold of their own: the two beside an inner one
    coincide, an outer one lies at infinity. ``on_bound``: some parameter is the largest that is searched.
    ``information``: the Hessian of the negative log-likelihood over estimates, thresholds and theta, None
    where standard errors rest on another, or on none.
    """

    thresholds: Floats = field(default_factory=lambda: np.zeros(0))
    threshold_se: Floats = field(default_factory=lambda: np.zeros(0))
    categories: tuple[float, ...] = ()
    unused: tuple[float, ...] = ()
    on_bound: bool = False
    information: Floats | None = None


class Cumulative(LaplaceLikelihood):
    """The negative Laplace log-likelihood of a cumulative-logit mixed model, and its gradient.

    Leading parameters: coefficients gamma (p,) of ``fixed``, the first threshold, and the logarithms of the
    distances (J-2,) of the others from the one below, which keeps them in order.

    :param codes: (n,) category of each row, from 0; each of the J occurs.
    """

    title = TITLE
    settled = 1e-9

    def __init__(self, codes: Ints, fixed: Floats, design: RandomDesign) -> None:
        super().__init__(fixed, CrossedSystem(design, self.title))
        self.codes = codes
        self.counts: Floats = np.bincount(codes).astype(np.float64)
        self.cuts = len(self.counts) - 1
        self.leading = fixed.shape[1] + self.cuts
        self.steps: Floats = np.ones(self.cuts - 1)

    def place(self, leading: Floats) -> Floats:
        gamma, cuts = np.split(leading, [self.fixed.shape[1]])
        self.steps = np.exp(cuts[1:])
        ends = np.concatenate([[-np.inf], thresholds_of(cuts), [np.inf]])
        self.lower, self.upper = ends[self.codes], ends[self.codes + 1]
        offset: Floats = self.fixed @ gamma
        return offset

    def loss(self, logit: Floats) -> float:
        # With d = alpha_j - alpha_{j-1}: F(alpha_j - eta) - F(alpha_{j-1} - eta)
        #   = F(alpha_j - eta) F(eta - alpha_{j-1}) (1 - exp(-d)), without cancellation.
        ends = np.logaddexp(0.0, logit - self.upper) + np.logaddexp(0.0, self.lower - logit)
        return float(ends.sum() - self.counts[1:-1] @ np.log(-np.expm1(-self.steps)))

    def beyond(self, logit: Floats) -> tuple[Floats, Floats]:
        """Return the probabilities (n,) of a category above the row's own, and of its own or one above."""
        return expit(logit - self.upper), expit(logit - self.lower)

    def derivatives(self, logit: Floats) -> Rows:
        # d loss / d eta = F(eta - alpha_j) + F(eta - alpha_{j-1}) - 1
        above, reached = self.beyond(logit)
        spread = [p * (1.0 - p) for p in (above, reached)]
        slope = spread[0] * (1.0 - 2.0 * above) + spread[1] * (1.0 - 2.0 * reached)
        return Rows(above + reached - 1.0, spread[0] + spread[1], slope)

    def leading_gradient(self, logit: Floats, change: Change) -> Floats:
        """Return the gradient by gamma, the first threshold and the log distances."""
        by_threshold = self._threshold_gradient(logit, change)
        # A distance moves every threshold above it.
        above = np.cumsum(by_threshold[::-1])[::-1]
        return np.concatenate([self.fixed.T @ change.rows, above[:1], self.steps * above[1:]])

    def _threshold_gradient(self, logit: Floats, change: Change) -> Floats:
        """Return the gradient (J-1,) by the thresholds."""
        parts = []
        for p in self.beyond(logit):
            # A threshold moves only this end of the row: as the predictor does, with the other sign.
            spread = p * (1.0 - p)
            pull = 0.5 * change.leverage * spread * (1.0 - 2.0 * p)
            parts.append(np.bincount(self.codes, spread * change.moved - pull - p, self.cuts + 1))
        # d log(1 - exp(-d)) / d d = 1 / (exp(d) - 1), once for every row of an inner category
        gap = self.counts[1:-1] / np.expm1(self.steps)
        gradient: Floats = parts[0][:-1] + parts[1][1:] + self.counts[1:]
        gradient[1:] -= gap
        gradient[:-1] += gap
        return gradient


def thresholds_of(cuts: Floats) -> Floats:
    """Return the thresholds (J-1,) from the first one and the log distances of the others."""
    return np.concatenate([cuts[:1], cuts[0] + np.cumsum(np.exp(cuts[1:]))])


def fit_ordinal(
    values: Floats,
    fixed: Floats,
    terms: Sequence[RandomTerm],
    *,
    categories: Sequence[float] | None = None,
    names: Sequence[str] | None = None,
    near: OrdinalFit | None = None,
    errors: bool = True,
) -> OrdinalFit:
    """Fit a cumulative-logit mixed model with flexible thresholds.

    Standard errors are from the observed information, of the Laplace log-likelihood over all parameters that
    are not on their bound of zero. ``separated`` of the fit is True where the likelihood has no maximum, as
    where a fixed effect parts the categories, or people use one category each: estimates, standard errors and
    the likelihood mean nothing then.

    :param values: (n,) the ratings. :param fixed: (n, p) without a constant, p may be 0.
    :param terms: any number of crossed or nested random terms.
    :param categories: what could have been rated, in order; what was, if left out.
    :param names: (p,) of the columns of ``fixed``, default ``x0``, ``x1``, ...
    :param near: a fit of the same ratings and terms, whose last columns these are, near which the search
        begins.
    :param errors: whether standard errors are wanted; they are infinite otherwise, and ``hessian`` is False.
    :raises InputError: no or other ratings than the categories, all in one category, a fixed design that is
        without full rank beside the thresholds, and terms with one level.
    """
    codes, used, unused = _categories(np.asarray(values, dtype=np.float64), categories)
    basis = _beside_thresholds(fixed, len(codes), names)
    design = RandomDesign(terms, len(codes))
    likelihood = Cumulative(codes, basis.orthogonal[:, 1:], design)
    rank, leading = basis.rank - 1, likelihood.leading
    best, evaluations = _search(likelihood, basis, near)
    gamma, theta = best[:rank], best[leading:]
    value = likelihood(best)[0]
    unknown = np.full((leading, leading), np.inf), False, None
    covariance, exact, hessian = covariance_of(likelihood, best, leading, design) if errors else unknown
    estimates, whole = _back(basis, best[:leading]), _transformed(basis, best[:leading], covariance)
    return OrdinalFit(
        names=basis.names[1:],
        estimates=estimates[:rank],
        covariance=whole[:rank, :rank],
        log_likelihood=-value,
        variances=term_variances(design, theta, 1.0),
        residual_variance=None,
        singular=design.is_singular(theta),
        separated=_is_separated(likelihood.fixed @ gamma, theta[list(design.bounded)]),
        hessian=exact,
        evaluations=evaluations,
        theta=theta,
        levels={block.name: len(block.levels) for block in design.blocks},
        rows=len(codes),
        thresholds=estimates[rank:],
        threshold_se=np.sqrt(np.diag(whole)[rank:]),
        categories=used,
        unused=unused,
        on_bound=_is_on_bound(gamma, theta),
        information=None if hessian is None else _information(basis, best, leading, hessian),
    )


def _search(likelihood: Cumulative, basis: FixedDesign, near: OrdinalFit | None) -> tuple[Floats, int]:
    """Find the best (leading, theta), and count evaluations."""
    descended = None if near is None else _descend_from(near, likelihood, basis)
    if descended is not None:
        return descended, likelihood.evaluations
    rank = basis.rank - 1
    bounds = [(-GAMMA_BOUND, GAMMA_BOUND)] * (rank + 1)
    bounds += [(float(np.log(NARROWEST)), float(np.log(WIDEST)))] * (likelihood.cuts - 1)
    begin = np.concatenate([np.zeros(rank), _first_cuts(likelihood.counts)])
    return optimise(likelihood, begin, bounds, theta=near.theta if near else None)


def _categories(
    values: Floats, categories: Sequence[float] | None
) -> tuple[Ints, tuple[float, ...], tuple[float, ...]]:
    """Return the category (n,) of each row from 0, the categories that occur, and those that never do."""
    if values.ndim != 1 or values.size == 0:
        raise InputError(TITLE, f"ratings have shape {values.shape}", "one rating per row, at least one")
    require_finite(values, f"{TITLE}: ratings", axes=("row",))
    used, codes = np.unique(values, return_inverse=True)
    declared = tuple(map(float, used)) if categories is None else tuple(map(float, categories))
    if other := sorted(set(used.tolist()) - set(declared)):
        raise InputError(TITLE, f"rating {other[0]:g} is no category", ", ".join(f"{c:g}" for c in declared))
    if len(used) < 2:
        raise InputError(TITLE, f"all {len(values)} ratings are {used[0]:g}", "two or more categories")
    unused = tuple(category for category in declared if category not in set(used.tolist()))
    return codes.astype(np.intp).reshape(-1), tuple(map(float, used)), unused


def _beside_thresholds(fixed: Floats, rows: int, names: Sequence[str] | None) -> FixedDesign:
    """Return the design with a first column of ones, for the thresholds, and others orthogonal to it."""
    fixed = np.asarray(fixed, dtype=np.float64)
    if fixed.ndim != 2 or fixed.shape[0] != rows:
        raise InputError("fixed effects", f"have shape {fixed.shape}", f"({rows}, p)")
    own = tuple(names) if names else tuple(f"x{index}" for index in range(fixed.shape[1]))
    return FixedDesign(np.column_stack([np.ones(rows), fixed]), rows, ("thresholds", *own))


def _first_cuts(counts: Floats) -> Floats:
    """Return the first threshold and the log distances of a model without effects."""
    shares = np.cumsum(counts)[:-1] / counts.sum()
    cuts = logit(shares)
    return np.concatenate([cuts[:1], np.log(np.diff(cuts))])


def _back(basis: FixedDesign, leading: Floats) -> Floats:
    """Return coefficients of the original columns, then thresholds, from the leading parameters."""
    gamma, cuts = np.split(leading, [basis.rank - 1])
    # X beta + constant = Q gamma: the thresholds of X beta are those of Q gamma less the constant.
    constant, *beta = basis.back(np.concatenate([[0.0], gamma]))
    return np.concatenate([beta, thresholds_of(cuts) - constant])


def _transformed(basis: FixedDesign, leading: Floats, covariance: Floats) -> Floats:
    """Return the covariance of what ``_back`` returns; exact at the maximum, where the gradient is zero."""
    if not np.isfinite(covariance).all():
        return covariance
    jacobian = _jacobian(basis, leading)
    whole: Floats = jacobian @ covariance @ jacobian.T
    return whole


def _jacobian(basis: FixedDesign, leading: Floats) -> Floats:
    """Return the derivatives of what ``_back`` returns by the leading parameters."""
    rank, size = basis.rank - 1, len(leading)
    jacobian = np.zeros((size, size))
    inverse = np.linalg.inv(basis.triangle)
    jacobian[:rank, :rank] = inverse[1:, 1:]
    jacobian[rank:, :rank] = -inverse[0, 1:]
    jacobian[rank:, rank] = 1.0
    steps = np.exp(leading[rank + 1 :])
    jacobian[rank + 1 :, rank + 1 :] = np.tril(np.ones((len(steps), len(steps)))) * steps
    return jacobian


def _whole_jacobian(basis: FixedDesign, parameters: Floats, leading: int) -> Floats:
    """Return the same with theta, which stays as it is."""
    jacobian = np.eye(len(parameters))
    jacobian[:leading, :leading] = _jacobian(basis, parameters[:leading])
    return jacobian


def _information(basis: FixedDesign, best: Floats, leading: int, hessian: Floats) -> Floats:
    """Return the Hessian over what ``_back`` returns, and theta; the gradient is zero there."""
    inverse = np.linalg.inv(_whole_jacobian(basis, best, leading))
    whole: Floats = inverse.T @ hessian @ inverse
    return whole


def _descend_from(near: OrdinalFit, likelihood: Cumulative, basis: FixedDesign) -> Floats | None:
    """Minimise from where a fit with further leading columns leads without them; None where that fails."""
    rank, fewer = basis.rank - 1, len(near.estimates) - (basis.rank - 1)
    if near.information is None or near.separated or fewer < 0:
        return None
    whole = np.concatenate([near.estimates, near.thresholds, near.theta])
    kept = near.information[fewer:, fewer:]
    # With b set to zero the quadratic about the maximum is least at y + Q^-1 Q_b b.
    natural = whole[fewer:] + np.linalg.solve(kept, near.information[fewer:, :fewer] @ whole[:fewer])
    beta, thresholds, theta = np.split(natural, [rank, rank + len(near.thresholds)])
    if not (np.diff(thresholds) > NARROWEST).all():
        return None
    # X beta = Q gamma + constant, as in _back
    constant = -float(basis.triangle[0, 1:] @ beta) / float(basis.triangle[0, 0])
    gamma = basis.triangle[1:, 1:] @ beta
    cuts = thresholds + constant
    begin = np.concatenate([gamma, cuts[:1], np.log(np.diff(cuts)), theta])
    jacobian = _whole_jacobian(basis, begin, likelihood.leading)
    inverse: Floats = np.asarray(np.linalg.inv(jacobian.T @ kept @ jacobian), np.float64)
    return descend(likelihood, begin, inverse)


def _is_separated(predictor: Floats, deviations: Floats) -> bool:
    """Whether fitted effects or standard deviations lie beyond what data tell."""
    far = float(np.abs(predictor).max(initial=0.0)) > SEPARATED
    return bool(far or float(deviations.max(initial=0.0)) > ALL_OR_NONE)


def _is_on_bound(gamma: Floats, theta: Floats) -> bool:
    """Whether a parameter is the largest that is searched."""
    reached = np.concatenate([np.abs(gamma) / GAMMA_BOUND, np.abs(theta) / THETA_BOUND])
    return bool((reached > NEAR_BOUND).any())
