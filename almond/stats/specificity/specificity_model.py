"""One mixed model of the predicted responses of a study's images: on target against off target, by region.

    activation[i, r] ~ region * (direction + on + direction:on) + (1 | image) + (1 | scene)
                       + (1 + direction:on | theme)

with ``direction`` +1/2 for images guided up, -1/2 down, and ``on`` +1/2 where region r is the image's target,
-1/2 where not: the coefficient of direction:on, averaged over regions, is the shift on target minus
the shift off target. Where no image was guided down, images guided up alone have ``on`` in its place. It
stands beside the t test over themes (see ``almond.group.region_images.on_off`` for the same over encoder
subjects, who are one mean here). Without the themes' slopes prompts that happen to suit a target would count
as many independent observations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from almond.errors import InputError
from almond.stats.correlation import zscore
from almond.stats.mixed import RandomTerm, fit_linear
from almond.typing import Floats

LARGEST = 1500
"""Random effects up to which the model is fitted: its algebra is dense."""


@dataclass(frozen=True)
class SpecificityModel:
    """The effect with its 95 % interval and Wald t, degrees of freedom from the fewest units less one.

    ``sd``: standard deviations of the random effects and of the residual.
    """

    estimate: float
    se: float
    t: float
    df: float
    p: float
    low: float
    high: float
    sd: dict[str, float]
    singular: bool
    rows: int
    images: int
    themes: int


def specificity_model(
    stimuli: pd.DataFrame,
    columns: Sequence[str],
    targets: Sequence[str],
    *,
    covariates: Sequence[str] = (),
) -> SpecificityModel:
    """Fit the model to the guided images, of which ``columns`` are the scores of ``targets``, in their order.

    :param covariates: columns of images' features, such as low-level ones, held constant: standardised, with
        a slope for every region. One that does not vary is left out.
    :raises InputError: fewer than two targets, too many images, or a design in which effects are confounded.
    """
    rows = stimuli[stimuli["intended_target"].isin(targets) & (stimuli["direction"] != 0)]
    rows = rows.dropna(subset=list(columns)).reset_index(drop=True)
    signed = bool((rows["direction"] == -1).any())
    effects = len(rows) + rows["base_scene"].nunique() + 2 * rows["theme"].nunique()
    if len(targets) < 2 or effects > LARGEST:
        raise InputError(
            "mixed model of predicted responses",
            f"{len(targets)} targets and {effects} random effects",
            f"two or more targets, at most {LARGEST} effects",
        )
    image, region = np.divmod(np.arange(len(rows) * len(targets)), len(targets))
    intended = rows["intended_target"].map(list(targets).index).to_numpy(dtype=np.intp)
    on = np.where(intended[image] == region, 0.5, -0.5)
    direction = rows["direction"].to_numpy(dtype=np.float64)[image] / 2.0
    effect = direction * on if signed else on
    fixed, names = _fixed_effects(region, len(targets), [direction, on] if signed else [], effect)
    fixed, names = _with_covariates(fixed, names, rows[list(covariates)].to_numpy(np.float64)[image], region)
    outcome = rows[list(columns)].to_numpy(dtype=np.float64).ravel()
    fit = fit_linear(outcome, fixed, _random_terms(rows, image, effect), names=names)
    wald = fit.wald("effect")
    sd = {
        f"{term.name}: {column}": float(value)
        for term in fit.variances
        for column, value in zip(term.column_names, term.sd, strict=True)
    } | {"residual": float(np.sqrt(fit.residual_variance or 0.0))}
    return SpecificityModel(
        estimate=wald.estimate,
        se=wald.se,
        t=wald.t,
        df=wald.df,
        p=wald.p,
        low=wald.low,
        high=wald.high,
        sd=sd,
        singular=fit.singular,
        rows=fit.rows,
        images=len(rows),
        themes=int(rows["theme"].nunique()),
    )


def _fixed_effects(
    region: np.ndarray[tuple[int, ...], np.dtype[np.intp]],
    regions: int,
    others: Sequence[Floats],
    effect: Floats,
) -> tuple[Floats, tuple[str, ...]]:
    """Cross ``effect`` and ``others`` with regions, coded so that main effects are means over regions."""
    means = np.eye(regions)[region]
    # Sum coding: the last region is -1 in every column, so that contrasts add up to zero over regions.
    contrasts = means[:, :-1] - means[:, -1:]
    columns, names = [means, effect[:, None]], [*(f"mean {k}" for k in range(regions)), "effect"]
    for number, column in enumerate(others):
        columns.append(column[:, None])
        names.append(f"main {number}")
    for number, column in enumerate((effect, *others)):
        columns.append(column[:, None] * contrasts)
        names += [f"main {number} x {k}" for k in range(regions - 1)]
    return np.column_stack(columns), tuple(names)


def _with_covariates(
    fixed: Floats,
    names: tuple[str, ...],
    values: Floats,
    region: np.ndarray[tuple[int, ...], np.dtype[np.intp]],
) -> tuple[Floats, tuple[str, ...]]:
    """Add a slope per region of every covariate (rows, K), standardised, to the fixed effects."""
    scaled = zscore(values, axis=0)[:, np.ptp(values, axis=0) > 0]
    means = np.eye(int(region.max()) + 1)[region]
    slopes = [scaled[:, [column]] * means for column in range(scaled.shape[1])]
    added = [f"covariate {column} x {k}" for column in range(len(slopes)) for k in range(means.shape[1])]
    return np.column_stack([fixed, *slopes]), (*names, *added)


def _random_terms(
    rows: pd.DataFrame, image: np.ndarray[tuple[int, ...], np.dtype[np.intp]], effect: Floats
) -> list[RandomTerm]:
    theme, scene = (rows[name].to_numpy(dtype=str)[image] for name in ("theme", "base_scene"))
    terms = [
        RandomTerm("theme", theme, np.column_stack([np.ones(len(effect)), effect]), ("mean", "specificity")),
        RandomTerm("image", image),
    ]
    if rows["theme"].nunique() < rows["base_scene"].nunique() < len(rows):
        terms.append(RandomTerm("scene", scene))
    return terms
