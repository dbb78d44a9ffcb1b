"""A convolutional anchor with flow matching: :mod:`almond.encoding.multisubject.flow_model`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from almond.encoding.pipeline.encoders.base import FamilyModel

if TYPE_CHECKING:
    from almond.encoding.artifacts.fit_index import FittedRegion
    from almond.encoding.config.fit_config import FitConfig
    from almond.encoding.multisubject.subject_arrays import SubjectArrays
    from almond.progress import Progress


def _fit(
    config: FitConfig, subjects: Sequence[SubjectArrays], out: Path, progress: Progress
) -> list[FittedRegion]:
    """Fit it: one folder (``almond-flow/1``) for all subjects and regions."""
    from almond.encoding.multisubject.flow_fit import fit_flow  # torch takes seconds to load

    return fit_flow(config, subjects, out, progress)


FLOW = FamilyModel(region_weights=False, fit=_fit)
