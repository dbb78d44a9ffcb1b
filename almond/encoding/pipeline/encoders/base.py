"""The two kinds of encoding model: of one subject, and families of all subjects. Light, as the entries
are."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from almond.encoding.config.encoding_models import EncodingModel

if TYPE_CHECKING:
    from almond.encoding.artifacts.fit_index import FittedRegion
    from almond.encoding.config.fit_config import FitConfig
    from almond.encoding.models.estimators import Estimator
    from almond.encoding.multisubject.subject_arrays import SubjectArrays
    from almond.progress import Progress

    Fit = Callable[[FitConfig, Sequence[SubjectArrays], Path, Progress], list[FittedRegion]]


@dataclass(frozen=True, kw_only=True)
class SubjectModel(EncodingModel):
    """A model of one subject.

    :param make_estimator: makes the estimator from the configuration, the columns of each feature space among
        the predictors, and the number of voxels of the region. Regions with equal estimators are fitted in
        one call.
    """

    make_estimator: Callable[[FitConfig, Mapping[str, slice], int], Estimator]


@dataclass(frozen=True, kw_only=True)
class FamilyModel(EncodingModel):
    """A family: a model that learns from all subjects at once.

    :param path: dotted path of the function that fits every region of every subject, writes artifacts below a
        folder, and returns what was made from the same numbers and settings before. It reads ``voxels``, not
        their mean.
    """

    path: str

    def load_fit(self) -> Fit:
        """Import the function that fits."""
        module, _, name = self.path.partition(":")
        fit: Fit = getattr(importlib.import_module(module), name)
        return fit

    @property
    def all_subjects(self) -> bool:
        return True
