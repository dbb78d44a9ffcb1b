"""Partial least squares: :mod:`almond.encoding.models.pls_cv`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from almond.encoding.config.section import DEFAULT
from almond.encoding.pipeline.encoders.base import SubjectModel

if TYPE_CHECKING:
    from almond.encoding.config.fit_config import FitConfig
    from almond.encoding.models.estimators import Estimator


def make_pls(config: FitConfig, bands: Mapping[str, slice], voxels: int) -> Estimator:
    """Make the estimator; the published scripts take no more components than a region has voxels."""
    from almond.encoding.models.estimators import Pls

    limited = config.order != DEFAULT and config.target == "voxels"
    return Pls(tuple(sorted({min(number, voxels) if limited else number for number in config.components})))


PLS = SubjectModel(make_estimator=make_pls)
