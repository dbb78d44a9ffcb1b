"""Compare how well subregions are predicted by a mixed model with subjects' intercepts.

``performance ~ subregion + (1 | subject)``: maximum likelihood and a likelihood-ratio test against the
intercept alone, then contrasts and comparisons in pairs (Jang & Kragel 2025, ``perform_anova_subregions.R``).
ML estimates of variance are too small in small groups, so contrasts are tested in the REML fit with
Satterthwaite's degrees of freedom (for complete data these are the t tests of the repeated-measures analysis
of variance); beside them ``t_ml`` is what R's ``nlme::lme(method = "ML")`` prints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np
from scipy import stats

from almond.errors import InputError
from almond.group.performance import PerformanceTable
from almond.stats.mixed import LikelihoodRatio, MixedFit, RandomTerm, fit_linear, likelihood_ratio
from almond.stats.multiple import holm, tukey_p
from almond.stats.ttest import half_width, two_sided_p
from almond.typing import Floats

SUBJECT = "subject"
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean or a difference of means, in Fisher z, with its t test against 0.

    ``df`` are Satterthwaite's. ``p_adjusted`` is corrected over the pairs (``p`` for planned contrasts), and
    ``low``, ``high`` are simultaneous then.
    """

    name: str
    estimate: float
    se: float
    t: float
    df: float
    p: float
    p_adjusted: float
    low: float
    high: float
    t_ml: float
    df_ml: int


@dataclass(frozen=True)
class SubregionModel:
    """Means, contrasts and pairs of subregions; ``f`` is the Wald F of the subregions in the REML fit, with
    its degrees of freedom."""

    regions: tuple[str, ...]
    subjects: int
    rows: int
    likelihood_ratio: LikelihoodRatio
    f: float
    f_df: tuple[float, float]
    f_p: float
    sd_subject: float
    sd_residual: float
    singular: bool
    means: tuple[Estimate, ...]
    contrasts: tuple[Estimate, ...]
    pairs: tuple[Estimate, ...]
    correction: str
    left_out: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class _Fitted:
    """The REML and ML fits with a column per subregion, and the data for Satterthwaite's formula."""

    reml: MixedFit
    ml: MixedFit
    design: Floats
    groups: Floats
    subjects: int
    outcome: Floats

    @property
    def df_ml(self) -> int:
        """Count degrees of freedom within subjects, as nlme does."""
        return len(self.design) - self.subjects - (len(self.design[0]) - 1)

    def satterthwaite(self, contrast: Floats) -> float:
        """Compute 2 v^2 / var(v), v the contrast's variance, by the expected information of two variances."""
        rows, width = self.design.shape
        between = float(self.reml.variances[0].covariance[0, 0])
        within = float(self.reml.residual_variance or 0.0)
        parts = [np.eye(rows)] if self.reml.singular else [self.groups, np.eye(rows)]
        inverse = np.linalg.inv(between * self.groups + within * np.eye(rows))
        weighted = inverse @ self.design
        covariance = np.linalg.inv(self.design.T @ weighted)
        project = inverse - weighted @ covariance @ weighted.T
        turned = [project @ part for part in parts]
        information = np.array([[0.5 * float((a * b.T).sum()) for b in turned] for a in turned])
        direction = weighted @ covariance @ contrast
        slope = np.array([direction @ part @ direction for part in parts])
        variance = float(contrast @ covariance @ contrast)
        spread = float(slope @ np.linalg.solve(information, slope))
        return min(2.0 * variance**2 / spread, float(rows - width) if self.reml.singular else np.inf)

    def estimate(self, name: str, contrast: Floats) -> Estimate:
        """Test a contrast of the means in the REML fit."""
        value = float(contrast @ self.reml.estimates)
        se = float(np.sqrt(contrast @ self.reml.covariance @ contrast))
        df = self.satterthwaite(contrast)
        rows, regions = self.design.shape
        # nlme corrects the ML standard errors for the fixed effects that were estimated.
        se_ml = float(np.sqrt(contrast @ self.ml.covariance @ contrast * rows / (rows - regions)))
        t_ml = float(contrast @ self.ml.estimates) / se_ml
        t = value / se
        p, reach = two_sided_p(t, df), half_width(se, df, LEVEL)
        return Estimate(name, value, se, t, df, p, p, value - reach, value + reach, t_ml, self.df_ml)


def subregion_model(
    table: PerformanceTable, contrasts: Mapping[str, Mapping[str, float]], correction: str = "tukey"
) -> SubregionModel:
    """Fit the mixed model and test subregions against each other.

    Missing cells are left out; so are subjects with a single cell, who say nothing of differences.

    :param table: Fisher z of the subregions to compare.
    :param contrasts: name -> a weight for every subregion, summing to 0.
    :param correction: of the pairs: ``tukey`` (studentised range; Kramer's with cells missing) or ``holm``.
    :raises InputError: fewer than two subregions, or fewer than three subjects with two or more of them.
    """
    fitted, left_out = _fit(table)
    rank = len(table.regions)
    weights = {
        name: np.array([weights.get(region, 0.0) for region in table.regions])
        for name, weights in contrasts.items()
    }
    means = [fitted.estimate(name, row) for name, row in zip(table.regions, np.eye(rank), strict=True)]
    f, df, p = _wald_f(fitted)
    return SubregionModel(
        regions=table.regions,
        subjects=fitted.subjects,
        rows=len(fitted.design),
        likelihood_ratio=_ratio(fitted),
        f=f,
        f_df=(rank - 1, df),
        f_p=p,
        sd_subject=float(fitted.reml.variances[0].sd[0]),
        sd_residual=float(np.sqrt(fitted.reml.residual_variance or 0.0)),
        singular=fitted.reml.singular,
        means=tuple(means),
        contrasts=tuple(fitted.estimate(name, row) for name, row in weights.items()),
        pairs=_pairs(fitted, table.regions, correction),
        correction=correction,
        left_out=left_out,
    )


def _fit(table: PerformanceTable) -> tuple[_Fitted, tuple[str, ...]]:
    present = np.isfinite(table.values)
    enough = present.sum(axis=1) >= 2
    left_out = tuple(name for name, complete in zip(table.subjects, enough, strict=True) if not complete)
    if len(table.regions) < 2 or int(enough.sum()) < 3:
        raise InputError(
            "subregion model",
            f"{int(enough.sum())} subjects with two or more of the subregions {', '.join(table.regions)}",
            "three or more subjects, two or more subregions",
        )
    rows, columns = np.nonzero(present & enough[:, None])
    if len(np.unique(columns)) < len(table.regions):
        absent = [name for index, name in enumerate(table.regions) if index not in columns]
        raise InputError("subregion model", f"nobody has {', '.join(absent)}", "subregions with data")
    outcome = table.values[rows, columns]
    design = np.eye(len(table.regions))[columns]
    term = RandomTerm(SUBJECT, [table.subjects[row] for row in rows])
    reml, ml = (
        fit_linear(outcome, design, [term], names=table.regions, reml=choice) for choice in (True, False)
    )
    groups = (rows[:, None] == rows[None, :]).astype(np.float64)
    return _Fitted(reml, ml, design, groups, int(enough.sum()), outcome), left_out


def _ratio(fitted: _Fitted) -> LikelihoodRatio:
    """Compare equal means with free ones, both fitted by ML."""
    rows = len(fitted.design)
    term = RandomTerm(SUBJECT, fitted.groups.argmax(axis=1))
    reduced = fit_linear(fitted.outcome, np.ones((rows, 1)), [term], names=("intercept",), reml=False)
    return likelihood_ratio(fitted.ml, reduced)


def _wald_f(fitted: _Fitted) -> tuple[float, float, float]:
    """Test equal means by F, with the mean degrees of freedom of independent contrasts below."""
    rank = fitted.design.shape[1]
    basis = np.linalg.svd(np.eye(rank) - 1.0 / rank)[0][:, : rank - 1].T
    differences = basis @ fitted.reml.estimates
    value = float(differences @ np.linalg.solve(basis @ fitted.reml.covariance @ basis.T, differences))
    df = float(np.mean([fitted.satterthwaite(row) for row in basis]))
    f = value / (rank - 1)
    return f, df, float(stats.f.sf(f, rank - 1, df))


def _pairs(fitted: _Fitted, regions: Sequence[str], correction: str) -> tuple[Estimate, ...]:
    rank = len(regions)
    pairs = []
    for first, second in combinations(range(rank), 2):
        contrast = np.zeros(rank)
        contrast[first], contrast[second] = 1.0, -1.0
        pairs.append(fitted.estimate(f"{regions[first]} - {regions[second]}", contrast))
    if correction == "holm":
        adjusted = holm([pair.p for pair in pairs])
        level = 1 - (1 - LEVEL) / len(pairs)
        reaches = [half_width(pair.se, pair.df, level) for pair in pairs]
    else:
        adjusted = [tukey_p(pair.t, rank, pair.df) for pair in pairs]
        reaches = [_tukey_reach(rank, round(pair.df, 4)) * pair.se for pair in pairs]
    return tuple(_replaced(pair, p, reach) for pair, p, reach in zip(pairs, adjusted, reaches, strict=True))


@lru_cache(maxsize=256)
def _tukey_reach(means: int, df: float) -> float:
    """Return the half-width of a simultaneous interval in standard errors; slow, and often the same."""
    return float(stats.studentized_range.ppf(LEVEL, means, df)) / float(np.sqrt(2))


def _replaced(estimate: Estimate, p: float, reach: float) -> Estimate:
    changed = {
        "p_adjusted": p,
        "low": float(estimate.estimate - reach),
        "high": float(estimate.estimate + reach),
    }
    return Estimate(**{**asdict(estimate), **changed})
