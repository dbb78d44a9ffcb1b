"""Test some columns of a regression beside others, with participants and themes both random.

Trials y (n, K) are regressed on X (n, d), which are tested, and Z (n, q), which are not; intercepts of two
crossed sets of units, such as every participant and every scene, can be taken out of all of them. With X~
what Z leaves of X (Frisch, Waugh & Lovell), M = X~'X~ and b the coefficients of X in the whole regression,
the test is on S = M^(1/2) b (d, K): |S|^2 is the sum of squares that X explains beyond Z, over K ratings.

Its covariance is two-way clustered, V = V_people + V_themes - V_cells, never below the larger of the first
two (``almond.stats.two_way``). V_people and V_themes are jackknifes: the regression, Z included, is repeated
without each unit in turn, V = (G - 1) / G sum (S_without - S)^2 (CV3 of MacKinnon, Nielsen & Webb, 2023,
J. Appl. Econom. 38, 671; exact for units in which the intercepts that were taken out are nested, or in
balanced designs). Residuals of few units are too small where covariates fit them, and the jackknife makes up
for it. With nothing but an intercept and equal units it is the variance of ``two_way_mean``.

Measured (``docs/measured.md``): true nulls are rejected in 1 to 6 % of studies of ratings and 2 to 6 % of
choices with one covariate for every four themes; with plain sums of residuals
instead of the jackknife 6 to 14 % of those of ratings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from almond.errors import InputError
from almond.finite import require_finite
from almond.stats.profile_difference import effective_dimensions, without_intercepts
from almond.stats.ttest import half_width, two_sided_p
from almond.stats.two_way import LEVEL, TwoWayCovariance, least_p, two_way_covariance
from almond.typing import Floats, Ints

Labels = Sequence[Any] | NDArray[Any]
DEPENDENT = 1e-9
"""Squared length of a column beyond the others, of its own, below which it counts as none of its own."""


@dataclass(frozen=True, eq=False)
class RegressionColumns:
    """What n trials are regressed on: ``tested`` (n, d) and ``beside`` (n, q), and their units.

    ``absorbed``: two sets of labels (n,) whose intercepts are taken out of everything; none where empty,
    and then ``beside`` holds an intercept if there is one.
    """

    tested: Floats
    beside: Floats
    people: Labels
    themes: Labels
    absorbed: tuple[Labels, ...] = ()


@dataclass(frozen=True, eq=False)
class Effects:
    """Coefficients (d, K) of the tested columns, the sum of squares they explain, the covariance of S.

    ``covariance`` (d K, d K) is of S; ``lever`` (d, d) is M^(-1/2) of the last ratings, which turns S into
    coefficients. ``largest``: the most by which one trial's change by 1 moves the first coefficient.
    """

    coefficients: Floats
    square: float
    covariance: TwoWayCovariance
    lever: Floats
    largest: float


@dataclass(frozen=True)
class JointTest:
    """F by Box's approximation on ``df1`` and ``df2`` (``almond.stats.profile_difference``).

    ``square``: the sum of squares tested. ``limited``: p is the least that so few units allow.
    """

    f: float
    df1: float
    df2: float
    p: float
    square: float
    limited: bool


@dataclass(frozen=True)
class SlopeTest:
    """A coefficient by t, two-sided, with its 95 % interval; ``limited`` as in ``two_way.TwoWayTest``."""

    estimate: float
    se: float
    t: float
    df: float
    p: float
    low: float
    high: float
    limited: bool


def effects(values: Floats, predictors: RegressionColumns) -> Effects:
    """Regress ``values`` (n, K), NaN where a rating was not asked, on the predictors.

    :raises InputError: values that are infinite, fewer than two participants or themes, tested columns that
        the others hold already, with all units or without one of them.
    """
    values = np.asarray(values, dtype=np.float64)
    rated = ~np.isnan(values)
    require_finite(np.where(rated, values, 0.0), "regression: ratings", axes=("trial", "rating"))
    people, themes = _codes(predictors.people), _codes(predictors.themes)
    if min(people.max(), themes.max()) < 1:
        raise InputError(
            "regression",
            f"{people.max() + 1} participants, {themes.max() + 1} themes",
            "at least two of each",
        )
    width, count = predictors.tested.shape[1], values.shape[1]
    moves = [np.zeros((int(codes.max()) + 1, width, count)) for codes in (people, themes)]
    scores = np.zeros((len(values), width, count))
    coefficients, square = np.zeros((width, count)), 0.0
    # Ratings that were given in the same trials share one regression.
    patterns, pattern = np.unique(rated.T, axis=0, return_inverse=True)
    for number, rows in enumerate(patterns):
        columns = np.flatnonzero(pattern.reshape(-1) == number)
        part = _Part(values[np.ix_(rows, columns)], rows, predictors)
        coefficients[:, columns] = part.coefficients
        square += float(((part.turned @ part.coefficients) ** 2).sum())
        scores[np.ix_(rows, np.arange(width), columns)] = part.scores()
        for units, codes in zip(moves, (people, themes), strict=True):
            units[:, :, columns] = part.moves(codes[rows], len(units))
    plain = two_way_covariance(scores.reshape(len(values), -1), people, themes)
    by_people, by_themes = (_outer(units) for units in moves)
    covariance = TwoWayCovariance(by_people, by_themes, plain.cells, plain.n_people, plain.n_themes, plain.df)
    return Effects(coefficients, square, covariance, part.lever, part.largest)


def _codes(labels: Labels) -> Ints:
    codes: Ints = np.unique(np.asarray(labels), return_inverse=True)[1].reshape(-1)
    return codes


def _outer(moves: Floats) -> Floats:
    flat = moves.reshape(len(moves), -1)
    return np.asarray(flat.T @ flat, np.float64)


def _dependent(when: str) -> InputError:
    return InputError(
        "regression",
        f"the columns tested cannot be told from the others {when}",
        "columns that vary within units, in more than one of them",
    )


class _Part:
    """The regression of ratings that were given in the same trials."""

    def __init__(self, values: Floats, rows: NDArray[np.bool_], predictors: RegressionColumns) -> None:
        self.width = predictors.tested.shape[1]
        columns = np.hstack([predictors.tested[rows], predictors.beside[rows], values])
        size = predictors.tested.shape[1] + predictors.beside.shape[1]
        if predictors.absorbed:
            first, second = (_codes(np.asarray(labels)[rows]) for labels in predictors.absorbed)
            before = (columns[:, :size] ** 2).sum(axis=0)
            columns = without_intercepts(columns, first, second)
            # What intercepts take whole leaves rounding, which scaling would make a column of.
            if ((columns[:, :size] ** 2).sum(axis=0) <= DEPENDENT * before).any():
                raise _dependent("with all of them")
        self.design: Floats = columns[:, :size]
        self.values: Floats = columns[:, size:]
        self.gram: Floats = self.design.T @ self.design
        self.cross: Floats = self.design.T @ self.values
        self.lengths = np.maximum(np.diag(self.gram), 1e-300)
        whole = self.solve(self.gram, self.cross, "with all of them")
        self.residuals: Floats = self.values - self.design @ whole
        self.coefficients: Floats = whole[: self.width]
        # M = X'X - X'Z (Z'Z)^-1 Z'X is the inverse of the first block of the inverse.
        inverse = self.solve(self.gram, np.eye(size), "with all of them")
        lengths, axes = np.linalg.eigh(inverse[: self.width, : self.width])
        self.lever: Floats = (axes * np.sqrt(lengths)) @ axes.T
        self.turned: Floats = (axes / np.sqrt(lengths)) @ axes.T
        self.influence: Floats = self.design @ inverse[:, : self.width]
        self.largest = float(np.abs(self.influence[:, 0]).max())

    def solve(self, gram: Floats, right: Floats, when: str) -> Floats:
        """Solve normal equations (p, p), or several (G, p, p), with columns scaled to length 1."""
        scale = 1.0 / np.sqrt(self.lengths)
        scaled = gram * scale[:, None] * scale
        if np.linalg.eigvalsh(scaled).min() <= DEPENDENT:
            raise _dependent(when)
        solved: Floats = scale[:, None] * np.linalg.solve(scaled, scale[:, None] * right)
        return solved

    def scores(self) -> Floats:
        """Return what each trial's residual adds to S (m, d, K)."""
        scaled = self.influence @ self.turned
        return np.asarray(scaled[:, :, None] * self.residuals[:, None, :], np.float64)

    def moves(self, codes: Ints, count: int) -> Floats:
        """Return by how much S (count, d, K) moves without each unit, times sqrt((G - 1) / G)."""
        order = np.argsort(codes, kind="stable")
        present, starts = np.unique(codes[order], return_index=True)
        rows = np.hstack([self.design, self.values])[order]
        own = np.stack([part[:, : self.design.shape[1]].T @ part for part in np.split(rows, starts[1:])])
        size = self.design.shape[1]
        without = self.solve(
            self.gram - own[:, :, :size], self.cross - own[:, :, size:], "without one of the units"
        )
        moved = np.zeros((count, self.width, self.values.shape[1]))
        moved[present] = self.turned @ (without[:, : self.width] - self.coefficients)
        return np.asarray(moved * math.sqrt((len(present) - 1.0) / len(present)), np.float64)


def joint_test(fitted: Effects, *, least: float) -> JointTest:
    """Test that all tested coefficients are zero.

    :param least: the smallest p that the units can support.
    """
    parts = fitted.covariance
    whole = parts.whole()
    trace = float(np.trace(whole))
    df = parts.df
    estimates = (
        (whole, df),
        (parts.people, parts.n_people - 1.0),
        (parts.themes, parts.n_themes - 1.0),
    )
    freedom = min(effective_dimensions(covariance, own) for covariance, own in estimates)
    f = fitted.square / trace if trace > 0 else math.inf if fitted.square > 0 else 0.0
    p = float(stats.f.sf(f, freedom, freedom * df))
    return JointTest(f, freedom, freedom * df, max(p, least), fitted.square, p < least)


def slope_test(fitted: Effects, *, null: float = 0.0, step: float = 0.0, taken: int = 0) -> SlopeTest:
    """Test the only tested coefficient of the only rating by t.

    :param step: the least by which one trial can change, which bounds the standard error from below.
    :param taken: degrees of freedom that columns beside it take because they vary between units, one each.
        A regression of one mean per theme has as many fewer; at least one is left.
    """
    parts = fitted.covariance
    df = max(1.0, parts.df - taken)
    estimate = float(fitted.coefficients[0, 0])
    smallest = step * fitted.largest * math.sqrt((df + 1.0) / df)
    se = max(math.sqrt(max(parts.whole()[0, 0], 0.0)) * float(fitted.lever[0, 0]), smallest)
    if not se > 0.0:
        raise InputError("regression", "nothing varies between units", "answers that differ")
    t = (estimate - null) / se
    own, least, reach = two_sided_p(t, df), least_p(parts.fewest), half_width(se, df)
    low, high = estimate - reach, estimate + reach
    if least > 1.0 - LEVEL:
        low, high = min(low, null), max(high, null)
    return SlopeTest(estimate, se, t, df, max(own, least), low, high, own < least)
