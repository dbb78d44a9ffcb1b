"""The shared-subject space: :mod:`almond.encoding.multisubject.shared`."""

from __future__ import annotations

from almond.encoding.pipeline.encoders.base import FamilyModel

SHARED = FamilyModel(path="almond.encoding.multisubject.shared_fit:fit_shared")
