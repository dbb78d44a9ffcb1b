"""Which models are fitted, what they choose from and what computes them. Light: no numbers are read here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from almond.encoding.config.encoding_models import ENCODING_MODELS
from almond.encoding.config.section import (
    ConfigSection,
    Count,
    OneOrMany,
    Positive,
)
from almond.encoding.models.solvers.options import BACKENDS, DEVICES, PRECISIONS
from almond.shapes import OneOf

TARGETS = ("voxels", "mean")
COMPONENTS = (1, 2, 3, 4, 6, 8, 12, 16, 20)
PENALTIES = tuple(10.0**power for power in range(-3, 4))

_PAPER: Mapping[str, Any] = {
    "detrend": "none",
    "standardise": False,
    "hrf": "spm",
    "model": "pls",
    "components": 20,
    "crossvalidation": "random",
    "folds": 5,
}
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper-amygdala": {**_PAPER, "order": "paper-amygdala"},
    "paper-subregions": {**_PAPER, "order": "paper-subregions"},
}
"""Settings of the published analysis of a film; any key given beside a preset overrides it."""


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


class ModelSettings(ConfigSection):
    """The encoding models of each region."""

    preset: Annotated[str, OneOf(PRESETS)] | None = None
    """a published analysis' settings, see below; any key beside it wins"""
    models: Annotated[OneOrMany[Annotated[str, OneOf(ENCODING_MODELS)]], AfterValidator(_each_once)] = Field(
        default=("pls",), alias="model"
    )
    """one or a list: `pls` (SIMPLS, all voxels of a region at once), `ridge` (a penalty per voxel), `banded`
    (a penalty per space and voxel), `shared`, `flow` ([families.md](families.md))"""
    components: OneOrMany[Count] = COMPONENTS
    """a list is chosen from by contiguous inner folds, per region; one number is taken as it is; under a
    `paper` order at most the region's voxels"""
    penalties: OneOrMany[Positive] = PENALTIES
    """the same for ridge, in units of the mean eigenvalue of X'X"""
    target: Annotated[str, OneOf(TARGETS)] = "voxels"
    """one model per voxel, or one of the mean over the region's voxels"""
    backend: Annotated[str, OneOf(BACKENDS)] = "numpy"
    """the same numbers within rounding"""
    device: Annotated[str, OneOf(DEVICES)] = "cpu"
    """`cuda` with `backend: torch`, also for extracting features"""
    precision: Annotated[str, OneOf(PRECISIONS)] = "float64"
    """`float32` is faster and warns where it matters"""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Refuse a graphics card for numpy."""
        if self.device == "cuda" and self.backend != "torch":
            yield "device", "is cuda, which needs backend: torch"
