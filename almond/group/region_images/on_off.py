"""Compare the responses predicted to images made for a region (on target) and for others (off target).

The published test has two stages: per encoder subject a regression of the predicted response on
on- versus off-target (+1, -1), the target subject and low-level features, then a t test of its coefficient
over subjects (Jang & Kragel 2025, ``perform_ttest_artificial_stim_subregion``). Its predictions for an image
include those by the weights that generated it, which is circular, and it takes images as fixed. The other
test is a mixed model of cross-subject predictions, in which encoder subjects, images (and base scenes) are
random: an image is predicted only by the weights of *other* subjects than the one it was made for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from almond.errors import InputError
from almond.group.performance import GroupTTest, group_t_test
from almond.stats.correlation import zscore
from almond.stats.mixed import RandomTerm, Wald, fit_linear
from almond.typing import Floats

LARGEST_JOINT = 1500
"""Random effects up to which all regions are fitted in one model: its algebra is dense."""


@dataclass(frozen=True)
class ImagePredictions:
    """Responses to n images predicted by the encoders of E subjects for R regions.

    ``predictions`` (E, n, R); ``target_regions`` and ``target_subjects`` (n,) say for whom an image was made;
    ``nuisance`` (n, K) with ``nuisance_names``; ``scenes`` (n,) or None.
    """

    encoders: tuple[str, ...]
    regions: tuple[str, ...]
    predictions: Floats
    target_regions: tuple[str, ...]
    target_subjects: tuple[str, ...]
    nuisance: Floats
    nuisance_names: tuple[str, ...]
    scenes: tuple[str, ...] | None = None

    def on(self, region: str) -> Floats:
        """Code images (n,): +1 made for the region, -1 made for another."""
        return np.where(np.array(self.target_regions) == region, 1.0, -1.0)

    def standardised(self) -> Floats:
        """Scale predictions (E, n, R) to mean 0 and standard deviation 1 over images."""
        return zscore(self.predictions, axis=1)

    def covariates(self) -> Floats:
        """Scale the nuisance columns to z over images; constant ones are left out."""
        # Not by zscore, whose sums round in another order: the search of the mixed model would end 1e-8 away.
        spread = self.nuisance.std(axis=0, ddof=1)
        varying = self.nuisance[:, spread > 1e-12]
        return np.asarray((varying - varying.mean(axis=0)) / spread[spread > 1e-12], np.float64)


@dataclass(frozen=True)
class TwoStage:
    """``coefficients`` (E,) of on- versus off-target per encoder subject, and their t test."""

    region: str
    coefficients: Floats
    test: GroupTTest | None

    def to_json(self) -> dict[str, Any]:
        test = None if self.test is None else self.test.to_json()
        return {"region": self.region, "coefficients": self.coefficients.tolist(), "test": test}


def two_stage(data: ImagePredictions, *, own: bool = True) -> list[TwoStage]:
    """Test each region in two stages; ``own`` (as published) includes a subject's own images.

    Predictions are z-scored per encoder subject; the coefficient is half the difference on - off in SDs.

    :raises InputError: target subject and low-level features determine what is on and off target.
    """
    z = data.standardised()
    tests = []
    for column, region in enumerate(data.regions):
        on = data.on(region)
        if len(np.unique(on)) < 2:
            continue
        slopes = np.array(
            [
                _coefficient(data, z[row, :, column], on, _rows(data, encoder, own))
                for row, encoder in enumerate(data.encoders)
            ]
        )
        tests.append(TwoStage(region, slopes, group_t_test(slopes)))
    return tests


def _rows(data: ImagePredictions, encoder: str, own: bool) -> np.ndarray[Any, np.dtype[np.bool_]]:
    subjects = np.array(data.target_subjects)
    return np.ones(len(subjects), np.bool_) if own else subjects != encoder


def _coefficient(
    data: ImagePredictions, y: Floats, on: Floats, rows: np.ndarray[Any, np.dtype[np.bool_]]
) -> float:
    subjects = np.array(data.target_subjects)[rows]
    dummies = (subjects[:, None] == np.unique(subjects)).astype(np.float64)
    others = np.column_stack([dummies, data.covariates()[rows]])
    basis, spread, _ = np.linalg.svd(others, full_matrices=False)
    basis = basis[:, spread > 1e-9 * spread[0]]
    free = on[rows] - basis @ (basis.T @ on[rows])
    length = float(free @ free)
    if length <= 1e-9 * len(free) or len(free) <= basis.shape[1] + 1:
        raise InputError(
            "on- versus off-target",
            "target subject and low-level features determine it",
            "more images, or fewer low-level features",
        )
    return float(free @ y[rows]) / length


@dataclass(frozen=True)
class Crossed:
    """On- versus off-target in a mixed model: half the difference on - off, in SDs over images.

    ``sd``: estimated standard deviations of the random effects by name. ``singular``: one is zero.
    """

    region: str
    test: Wald
    sd: dict[str, float]
    rows: int
    levels: dict[str, int]
    singular: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def crossed(data: ImagePredictions) -> list[Crossed]:
    """Fit per region activation ~ on_off + nuisance + (on_off | encoder subject) + (1 | image) + (1 | scene).

    Cross-subject predictions only: an image is not predicted by the subject it was made for. REML; t with
    degrees of freedom from the random factor with the fewest units, less one. Within one region an image's
    effect is the image-by-region effect, without which images that happen to suit a region would count as
    many independent observations.

    :raises InputError: no region has images of both kinds.
    """
    models = []
    for region in data.regions:
        if len(np.unique(data.on(region))) == 2:
            models.append(_fit(data, [region], region))
    if not models:
        raise InputError(
            "on- versus off-target", "no region has both kinds of images", "images for two regions"
        )
    return models


def joint(data: ImagePredictions) -> Crossed:
    """Fit all regions in one model: the mean effect, with images by regions as a further random term.

    :raises InputError: more random effects than dense algebra handles in reasonable time.
    """
    regions = [region for region in data.regions if len(np.unique(data.on(region))) == 2]
    effects = len(data.target_regions) * (1 + len(regions))
    if len(regions) < 2 or effects > LARGEST_JOINT:
        raise InputError(
            "one model of all regions",
            f"{len(regions)} regions and {effects} random effects of images",
            f"two or more regions, at most {LARGEST_JOINT} effects",
        )
    return _fit(data, regions, "all regions")


def _fit(data: ImagePredictions, regions: Sequence[str], name: str) -> Crossed:
    z, covariates = data.standardised(), data.covariates()
    encoders, images, columns = _cells(data, regions)
    on = np.stack([data.on(region) for region in regions], axis=1)[images, columns]
    region_columns = np.array([data.regions.index(region) for region in regions])
    outcome = z[encoders, images, region_columns[columns]]
    ones = np.eye(len(regions))[columns]
    fixed = np.column_stack([on, ones, covariates[images]])
    names = (
        "on_off",
        *(f"mean {region}" for region in regions),
        *(f"n{k}" for k in range(covariates.shape[1])),
    )
    terms = [
        RandomTerm("encoder subject", encoders, np.column_stack([np.ones(len(on)), on]), ("mean", "on_off")),
        RandomTerm("image", images),
    ]
    if len(regions) > 1:
        terms.append(RandomTerm("image by region", images * len(regions) + columns))
    if data.scenes is not None and 1 < len(set(data.scenes)) < len(data.scenes):
        terms.append(RandomTerm("scene", np.array(data.scenes)[images]))
    fit = fit_linear(outcome, fixed, terms, names=names)
    sd = {
        f"{term.name}: {column}" if len(term.column_names) > 1 else term.name: float(value)
        for term in fit.variances
        for column, value in zip(term.column_names, term.sd, strict=True)
    }
    sd["residual"] = float(np.sqrt(fit.residual_variance or 0.0))
    return Crossed(name, fit.wald("on_off"), sd, fit.rows, dict(fit.levels), fit.singular)


def _cells(data: ImagePredictions, regions: Sequence[str]) -> tuple[Any, Any, Any]:
    """Number the encoder, image and region of every cross-subject prediction."""
    subjects = np.array(data.target_subjects)
    others = np.array(data.encoders)[:, None] != subjects
    encoders, images = np.nonzero(others)
    if len(np.unique(encoders)) < 2:
        raise InputError(
            "on- versus off-target", "fewer than two encoder subjects", "encoders of more subjects"
        )
    count = len(regions)
    return np.repeat(encoders, count), np.repeat(images, count), np.tile(np.arange(count), len(images))
