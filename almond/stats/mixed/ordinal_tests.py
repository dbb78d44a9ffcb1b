"""Test whether ratings on few points differ between two directions, or between conditions.

Cumulative-logit mixed models; participants and themes random, with slopes where the design identifies them,
base scenes within themes and images within scenes where there are several. The test is Wald's, by F (t for
one coefficient) with the second degrees of freedom from the random factor with the fewest units, so that p
and interval agree. The likelihood ratio by chi-squared takes the number of units for endless. Where the model
is separated there is no Wald test: the likelihood ratio over its degrees of freedom is referred to the same F
then, which is conservative. No p lies below the probability that as many fair coins as that factor has units
fall alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f as f_distribution

from almond.errors import InputError
from almond.stats.mixed.likelihood import LikelihoodRatio, likelihood_ratio
from almond.stats.mixed.ordinal import OrdinalFit, fit_ordinal
from almond.stats.mixed.random_effects import RandomTerm
from almond.stats.two_way import least_p
from almond.typing import Floats

Labels = NDArray[Any]
MIN_PEOPLE, MIN_THEMES = 2, 3
ALPHA = 0.05
MOST_POINTS = 11
"""A scale with more points is left to linear models."""

DECIMALS = 9
"""To which ratings are rounded before they are compared with the points of their scale."""


@dataclass(frozen=True, eq=False)
class RatedImages:
    """Ratings ``values`` (n,) with the labels (n,) of who rated what; themes hold scenes, scenes images."""

    values: Floats
    people: Labels
    themes: Labels
    scenes: Labels
    images: Labels

    @property
    def units(self) -> tuple[int, int]:
        """Count participants and themes."""
        return len(set(self.people.tolist())), len(set(self.themes.tolist()))


@dataclass(frozen=True)
class OrdinalTest:
    """A test of fixed effects, with what the reader must know of the model behind it.

    ``f`` is Wald's with ``df1`` and ``df2`` degrees of freedom, or where the model is ``separated``, its
    likelihood without a maximum, the likelihood ratio ``chi2`` over ``df1``. ``p`` belongs to it, ``limited``
    where it is the least p that so few units allow; ``p_likelihood`` is that of ``chi2``. ``sd`` are the
    random standard deviations in log odds; ``thresholds`` lie between the ``categories`` that occur.
    ``singular``: a variance is zero; ``on_bound``: a parameter is the largest that is searched.
    """

    f: float
    df1: int
    df2: float
    p: float
    limited: bool
    chi2: float
    p_likelihood: float
    sd: dict[str, float]
    thresholds: tuple[float, ...]
    categories: tuple[float, ...]
    unused: tuple[float, ...]
    singular: bool
    separated: bool
    on_bound: bool
    participants: int
    themes: int
    ratings: int


@dataclass(frozen=True)
class DirectionEffect:
    """Log odds of a higher category for images of direction 1 against those of -1, for a typical participant
    and theme, with standard error and 95 % interval by t; None where the model is separated."""

    estimate: float | None
    se: float | None
    df: float
    low: float | None
    high: float | None
    test: OrdinalTest


@dataclass(frozen=True)
class ConditionEffect:
    """Log odds of a higher category in each condition, less their mean; None where the model is separated."""

    estimates: dict[str, float] | None
    test: OrdinalTest


def direction_effect(
    rated: RatedImages,
    direction: Floats,
    *,
    targets: Labels | None = None,
    categories: Sequence[float] | None = None,
) -> DirectionEffect:
    """Test the shift from ``direction`` -1 to 1 (n,), its mean over ``targets`` (n,) where these are given.

    :raises InputError: fewer than two participants or three themes, one direction only, and what
        ``fit_ordinal`` refuses.
    """
    x = np.asarray(direction, dtype=np.float64) / 2.0
    if len(np.unique(x)) < 2:
        raise InputError("ordinal test", "images of one direction only", "images of both")
    people, themes = _enough(rated)
    terms, within = _terms(rated, x)
    df = float(min(people - 1, themes - (1 if within else 2)))
    others = np.zeros((len(x), 0)) if targets is None else _target_columns(targets, x)
    fit, ratio = _compare(rated.values, x[:, None], others, terms, categories)
    test = _tested(fit, ratio, df, rated)
    if not _is_regular(fit):
        return DirectionEffect(None, None, df, None, None, test)
    wald = fit.wald("x0", df=df)
    ends = (wald.low, wald.high)
    if test.limited and least_p(min(people, themes)) > ALPHA:
        ends = (min(wald.low, 0.0), max(wald.high, 0.0))
    return DirectionEffect(wald.estimate, wald.se, df, *ends, test)


def condition_effect(
    rated: RatedImages, conditions: Labels, *, categories: Sequence[float] | None = None
) -> ConditionEffect:
    """Test whether ratings differ between ``conditions`` (n,), two or more.

    Participants, and themes that appear in several conditions, may differ between people in what a condition
    does: an effect of every pair of unit and condition is random.

    :raises InputError: as ``direction_effect``, and for too few themes beside the conditions.
    """
    names = sorted(set(conditions.tolist()))
    if len(names) < 2:
        raise InputError("ordinal test", f"{len(names)} condition", "two or more")
    people, themes = _enough(rated)
    terms, within = _condition_terms(rated, conditions)
    df = float(min(people - 1, themes - (1 if within else len(names))))
    if df < 1:
        raise InputError("ordinal test", f"{len(names)} conditions, {themes} themes", "more themes")
    columns = _sum_coded(conditions, names)
    fit, ratio = _compare(rated.values, columns, np.zeros((len(columns), 0)), terms, categories)
    test = _tested(fit, ratio, df, rated)
    if not _is_regular(fit):
        return ConditionEffect(None, test)
    own = fit.estimates.tolist()
    return ConditionEffect(dict(zip(names, [*own, -sum(own)], strict=True)), test)


def scale_points(values: Floats, ends: tuple[float, float]) -> tuple[float, ...]:
    """Return the points of a scale: of the evenly spaced grid between its ends that the ``values`` lie on.

    Points that nobody used are among them; where there is no such grid of at most ``MOST_POINTS``, the points
    are the values themselves.
    """
    used: Floats = np.unique(np.round(np.asarray(values, dtype=np.float64), DECIMALS))
    if len(used) > 1:
        width = float(np.diff(used).min())
        count = round((ends[1] - ends[0]) / width) + 1
        grid: Floats = np.round(np.linspace(ends[0], ends[1], min(count, MOST_POINTS + 1)), DECIMALS)
        if count <= MOST_POINTS and set(used.tolist()) <= set(grid.tolist()):
            used = grid
    return tuple(used.tolist())


def _enough(rated: RatedImages) -> tuple[int, int]:
    people, themes = rated.units
    if people < MIN_PEOPLE or themes < MIN_THEMES:
        problem = f"{people} participants and {themes} themes"
        raise InputError("ordinal test", problem, f"at least {MIN_PEOPLE} and {MIN_THEMES}")
    return people, themes


def _compare(
    values: Floats,
    tested: Floats,
    others: Floats,
    terms: Sequence[RandomTerm],
    categories: Sequence[float] | None,
) -> tuple[OrdinalFit, LikelihoodRatio]:
    """Fit the model with and without the ``tested`` columns, which come first."""
    full = fit_ordinal(values, np.hstack([tested, others]), terms, categories=categories)
    less = fit_ordinal(values, others, terms, categories=categories, near=full, errors=False)
    return full, likelihood_ratio(full, less)


def _tested(fit: OrdinalFit, ratio: LikelihoodRatio, df: float, rated: RatedImages) -> OrdinalTest:
    """Test the first ``ratio.df`` coefficients of ``fit``."""
    beta, covariance = fit.estimates[: ratio.df], fit.covariance[: ratio.df, : ratio.df]
    # F = b' V^-1 b / df1
    wald = float(beta @ np.linalg.solve(covariance, beta)) if _is_regular(fit) else ratio.statistic
    f, (people, themes) = wald / ratio.df, rated.units
    own, least = float(f_distribution.sf(f, ratio.df, df)), least_p(min(people, themes))
    return OrdinalTest(
        f=f,
        df1=ratio.df,
        df2=df,
        p=max(own, least),
        limited=own < least,
        chi2=ratio.statistic,
        p_likelihood=ratio.p,
        sd=_deviations(fit),
        thresholds=tuple(fit.thresholds.tolist()),
        categories=fit.categories,
        unused=fit.unused,
        singular=fit.singular,
        separated=not _is_regular(fit),
        on_bound=fit.on_bound,
        participants=people,
        themes=themes,
        ratings=len(rated.values),
    )


def _is_regular(fit: OrdinalFit) -> bool:
    """Whether the estimates are a maximum with standard errors."""
    return not fit.separated and bool(np.isfinite(fit.covariance).all())


def _deviations(fit: OrdinalFit) -> dict[str, float]:
    """Name the standard deviation of every random effect."""
    named: Mapping[str, float] = {
        term.name if column == "intercept" else f"{column} by {term.name}": float(sd)
        for term in fit.variances
        for column, sd in zip(term.column_names, term.sd, strict=True)
    }
    return dict(named)


def _terms(rated: RatedImages, x: Floats) -> tuple[list[RandomTerm], bool]:
    """List the random effects of a test of directions, and whether directions vary within themes."""
    scenes, images = len(set(rated.scenes.tolist())), len(set(rated.images.tolist()))
    terms = [_intercept_and_slope("participant", rated.people, x)]
    terms.append(_intercept_and_slope("theme", rated.themes, x))
    within = len(terms[-1].column_names) > 1
    if scenes > rated.units[1]:
        terms.append(_intercept_and_slope("base scene", rated.scenes, x))
    if images > len(set(zip(rated.scenes.tolist(), x.tolist(), strict=True))):
        terms.append(RandomTerm("image", rated.images))
    return terms, within


def _intercept_and_slope(name: str, labels: Labels, x: Floats) -> RandomTerm:
    """Let the units differ in their mean, and in their slope where two or more have both directions."""
    pairs = set(zip(labels.tolist(), x.tolist(), strict=True))
    both = len(pairs) - len(set(labels.tolist()))
    if both < 2:
        return RandomTerm(name, labels)
    columns = np.column_stack([np.ones_like(x), x])
    return RandomTerm(name, labels, columns, ("intercept", "direction"))


def _condition_terms(rated: RatedImages, conditions: Labels) -> tuple[list[RandomTerm], bool]:
    """List the random effects of a test of conditions, and whether conditions vary within themes."""
    pairs = {
        name: np.unique(np.array(list(zip(labels.tolist(), conditions.tolist(), strict=True))), axis=0)
        for name, labels in (("participant", rated.people), ("theme", rated.themes))
    }
    people, themes = rated.units
    terms = [RandomTerm("participant", rated.people), RandomTerm("theme", rated.themes)]
    within = len(pairs["theme"]) >= themes + 2
    for name, labels, count in (("participant", rated.people, people), ("theme", rated.themes, themes)):
        if len(pairs[name]) >= count + 2:
            both = np.array([" ".join(map(str, cell)) for cell in zip(labels, conditions, strict=True)])
            terms.append(RandomTerm(f"condition by {name}", both))
    if len(set(rated.images.tolist())) > len(pairs["theme"]):
        terms.append(RandomTerm("image", rated.images))
    return terms, within


def _sum_coded(labels: Labels, names: Sequence[Any]) -> Floats:
    """Return columns (n, k-1): 1 for their own label, -1 for the last one."""
    last = (labels == names[-1]).astype(np.float64)
    columns = [(labels == name).astype(np.float64) - last for name in names[:-1]]
    return np.column_stack(columns)


def _target_columns(targets: Labels, x: Floats) -> Floats:
    """Return columns of targets and of their differences in direction, whose mean is zero."""
    coded = _sum_coded(targets, sorted(set(targets.tolist())))
    return np.hstack([coded, coded * x[:, None]])
