"""Encoding models by name. Adding one is one module with one entry in this registry. Light: nothing is fitted
here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from almond.registry import Registry


@dataclass(frozen=True)
class EncodingModel:
    """What is declared of an encoding model, whatever it learns from.

    ``needs_several_spaces``: it weighs feature spaces against each other and has no meaning for one.
    ``region_weights``: its artifacts hold one weight per feature and voxel of a region.
    """

    needs_several_spaces: bool = False
    region_weights: bool = True

    @property
    def all_subjects(self) -> bool:
        """Whether it is a family: one fit learns from all subjects at once."""
        return False


_ENTRIES = "almond.encoding.pipeline.encoders"

ENCODING_MODELS: Registry[EncodingModel] = Registry(
    "model",
    {
        "pls": (f"{_ENTRIES}.pls:PLS", "partial least squares (SIMPLS)"),
        "ridge": (f"{_ENTRIES}.ridge:RIDGE", "ridge regression"),
        "banded": (f"{_ENTRIES}.banded:BANDED", "banded ridge regression, several feature spaces"),
        "shared": (f"{_ENTRIES}.shared:SHARED", "shared space of all subjects, ridge regression to each"),
        "flow": (f"{_ENTRIES}.flow:FLOW", "convolutional anchor with flow matching"),
    },
)


def with_region_weights(names: Iterable[str]) -> tuple[str, ...]:
    """Return those of the models whose artifacts hold weights of regions."""
    return tuple(name for name in names if ENCODING_MODELS.load(name).region_weights)
