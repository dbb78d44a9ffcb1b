"""Ridge regression, a penalty per voxel: :mod:`almond.encoding.models.ridge_cv`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from almond.encoding.pipeline.encoders.base import SubjectModel

if TYPE_CHECKING:
    from almond.encoding.config.fit_config import FitConfig
    from almond.encoding.models.estimators import Estimator


def make_ridge(config: FitConfig, bands: Mapping[str, slice], voxels: int) -> Estimator:
    from almond.encoding.models.estimators import Ridge

    return Ridge(config.penalties)


RIDGE = SubjectModel(make_estimator=make_ridge)
