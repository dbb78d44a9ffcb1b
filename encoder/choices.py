"""Names that forms offer, read from the library's own lists: a further feature kind, region kind, encoding
model, preset or kind of report needs no migration and no change here.

Model fields take these functions as their ``choices``; Django calls them whenever a form is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from almond.encoding.config import features
from almond.encoding.config.encoding_models import ENCODING_MODELS
from almond.encoding.config.features import FEATURE_KINDS
from almond.encoding.config.model import PRESETS
from almond.encoding.config.regions import FORMS

Choices = list[tuple[str, str]]

WEIGHTS_ONLY = "weights"
"""The kind of a region, and of a dataset, of which the site knows fitted weights and no voxels or runs."""

IMPORTED = "imported"
"""The model of an encoder whose weights were fitted elsewhere."""

REGION_LABELS: Mapping[str, str] = {
    "mask": "a mask: every non-zero voxel",
    "atlas": "areas of an atlas, by label",
    "map": "a map above or below a threshold",
    "union": "the union of other regions",
    "difference": "a region minus other regions",
}
PRESET_LABELS: Mapping[str, str] = {
    "paper-amygdala": "paper-amygdala: whole amygdala and control regions, as published",
    "paper-subregions": "paper-subregions: subregions of the amygdala, as published",
}
REPORT_KINDS: Mapping[str, str] = {
    "evaluation": "group evaluation",
    "validation": "validation on images with norms",
}
"""Section of a configuration that describes the report -> label; ``encoder.services.reports`` has its job."""


def labelled(names: Iterable[str], labels: Mapping[str, str]) -> Choices:
    """Pair each name with its label, or with itself where it has none."""
    return [(name, labels.get(name, name)) for name in names]


def feature_kinds() -> Choices:
    """List the kinds of feature spaces."""
    return FEATURE_KINDS.choices()


def feature_keys(kind: str) -> tuple[str, ...]:
    """List the keys that a feature kind declares; none for an unknown kind."""
    return features.feature_keys(kind) if kind in FEATURE_KINDS.names() else ()


def is_network(kind: str) -> bool:
    """Whether a feature kind computes features of new images."""
    return kind in features.network_kinds()


def region_kinds() -> Choices:
    """List the kinds of regions that can be described by hand."""
    return labelled(FORMS, REGION_LABELS)


def stored_region_kinds() -> Choices:
    """List the kinds of regions, with those that are known by their weights alone."""
    return [*region_kinds(), (WEIGHTS_ONLY, "known by its weights alone")]


def fitted_models() -> Choices:
    """List the encoding models that can be fitted."""
    return ENCODING_MODELS.choices()


def encoder_models() -> Choices:
    """List the encoding models, with weights that were fitted elsewhere."""
    return [*fitted_models(), (IMPORTED, "weights fitted elsewhere")]


def fits_all_subjects(model: str) -> bool:
    """Whether an encoding model is fitted to all subjects together."""
    return _is_fitted(model) and ENCODING_MODELS.load(model).all_subjects


def gives_weights(model: str) -> bool:
    """Whether an encoding model has a weight for each feature, as targets and group statistics need."""
    return not _is_fitted(model) or ENCODING_MODELS.load(model).region_weights


def takes_several_spaces(model: str) -> bool:
    """Whether an encoding model predicts from several feature spaces."""
    return _is_fitted(model) and ENCODING_MODELS.load(model).needs_several_spaces


def _is_fitted(model: str) -> bool:
    return model in ENCODING_MODELS.names()


def presets() -> Choices:
    """List the presets of a fit."""
    return labelled(PRESETS, PRESET_LABELS)


def report_kinds() -> Choices:
    """List the kinds of reports over subjects."""
    return list(REPORT_KINDS.items())
