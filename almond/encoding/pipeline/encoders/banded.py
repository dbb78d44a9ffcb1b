"""Banded ridge, a penalty per feature space and voxel: :mod:`almond.encoding.models.banded`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from almond.encoding.pipeline.encoders.base import SubjectModel

if TYPE_CHECKING:
    from almond.encoding.config.fit_config import FitConfig
    from almond.encoding.models.estimators import Estimator


def make_banded(config: FitConfig, bands: Mapping[str, slice], voxels: int) -> Estimator:
    from almond.encoding.models.banded import Banded

    return Banded(bands, config.penalties, config.seed)


BANDED = SubjectModel(
    needs_several_spaces=True,
    make_estimator=make_banded,
)
