"""Do images made for a region drive that region's encoders more than images made for others?

Two answers. The published one has two stages: per encoder subject a regression of the predicted response on
on- versus off-target (+1, -1), the target subject and low-level features, then a t test of its coefficient
over subjects (Jang & Kragel 2025, ``perform_ttest_artificial_stim_subregion``). It lets a subject's weights
judge the images that they made, and takes images as fixed. The other is a mixed model in which encoder
subjects, images (and base scenes) are random and only *other* subjects' weights judge an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from almond.errors import InputError
from almond.group.performance import OneSample, one_sample
from almond.stats.mixed import RandomTerm, Wald, fit_linear
from almond.typing import Floats

LARGEST_JOINT = 1500
"""Random effects up to which all regions are fitted in one model: its algebra is dense."""


@dataclass(frozen=True)
class Judged:
    """n images judged by the encoders of E subjects for R regions.

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
        """+1 for the images made for the region, -1 for the others (n,)."""
        return np.where(np.array(self.target_regions) == region, 1.0, -1.0)

    def standardised(self) -> Floats:
        """Predictions with mean 0 and standard deviation 1 over images, per encoder and region."""
        middle = self.predictions.mean(axis=1, keepdims=True)
        spread = self.predictions.std(axis=1, ddof=1, keepdims=True)
        found: Floats = (self.predictions - middle) / np.where(spread > 0, spread, 1.0)
        return found

    def covariates(self) -> Floats:
        """The nuisance columns, z-scored over images; constant ones are left out."""
        spread = self.nuisance.std(axis=0, ddof=1) if self.nuisance.size else np.zeros(0)
        kept = spread > 1e-12
        centred = self.nuisance[:, kept] - self.nuisance[:, kept].mean(axis=0)
        found: Floats = centred / spread[kept]
        return found


@dataclass(frozen=True)
class TwoStage:
    """``coefficients`` (E,) of on- versus off-target per encoder subject, and their t test."""

    region: str
    coefficients: Floats
    test: OneSample | None

    def to_json(self) -> dict[str, Any]:
        test = None if self.test is None else self.test.to_json()
        return {"region": self.region, "coefficients": self.coefficients.tolist(), "test": test}


def two_stage(data: Judged, *, own: bool = True) -> list[TwoStage]:
    """One test per region. ``own`` (as published) lets a subject's weights judge its own images too.

    Predictions are z-scored per encoder subject; the coefficient is half the difference on - off in SDs.

    :raises InputError: on- and off-target cannot be told from target subject and low-level features.
    """
    z = data.standardised()
    found = []
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
        found.append(TwoStage(region, slopes, one_sample(slopes)))
    return found


def _rows(data: Judged, encoder: str, own: bool) -> np.ndarray[Any, np.dtype[np.bool_]]:
    subjects = np.array(data.target_subjects)
    return np.ones(len(subjects), np.bool_) if own else subjects != encoder


def _coefficient(data: Judged, y: Floats, on: Floats, rows: np.ndarray[Any, np.dtype[np.bool_]]) -> float:
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


def crossed(data: Judged) -> list[Crossed]:
    """Per region: activation ~ on_off + nuisance + (on_off | encoder subject) + (1 | image) + (1 | scene).

    Only encoders of other subjects than the image's target judge it; REML; t with degrees of freedom from the
    random factor with the fewest units, less one. Within one region an image's effect is the image-by-region
    effect, without which images that happen to suit a region would count as many independent observations.
    """
    found = []
    for region in data.regions:
        if len(np.unique(data.on(region))) == 2:
            found.append(_fit(data, [region], region))
    if not found:
        raise InputError(
            "on- versus off-target", "no region has both kinds of images", "images for two regions"
        )
    return found


def joint(data: Judged) -> Crossed:
    """All regions in one model: the mean effect, with images by regions as a further random term.

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


def _fit(data: Judged, regions: Sequence[str], name: str) -> Crossed:
    z, covariates = data.standardised(), data.covariates()
    encoders, images, columns = _cells(data, regions)
    on = np.stack([data.on(region) for region in regions], axis=1)[images, columns]
    places = np.array([data.regions.index(region) for region in regions])
    outcome = z[encoders, images, places[columns]]
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


def _cells(data: Judged, regions: Sequence[str]) -> tuple[Any, Any, Any]:
    """Encoder, image and region numbers of every judgement by another subject's encoder."""
    subjects = np.array(data.target_subjects)
    others = np.array(data.encoders)[:, None] != subjects
    encoders, images = np.nonzero(others)
    if len(np.unique(encoders)) < 2:
        raise InputError(
            "on- versus off-target", "fewer than two judging subjects", "encoders of more subjects"
        )
    count = len(regions)
    return np.repeat(encoders, count), np.repeat(images, count), np.tile(np.arange(count), len(images))
