"""A convolutional anchor with flow matching: :mod:`almond.encoding.multisubject.flow_model`."""

from __future__ import annotations

from almond.encoding.pipeline.encoders.base import FamilyModel

FLOW = FamilyModel(region_weights=False, path="almond.encoding.multisubject.flow_fit:fit_flow")
