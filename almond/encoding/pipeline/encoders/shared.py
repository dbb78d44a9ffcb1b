"""The shared-subject space: :mod:`almond.encoding.multisubject.shared`."""

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
    """Fit it: an ordinary encoder per subject and region."""
    from almond.encoding.multisubject.shared_fit import fit_shared

    return fit_shared(config, subjects, out, progress)


SHARED = FamilyModel(fit=_fit)
