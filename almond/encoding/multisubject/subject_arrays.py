"""The prepared data of each subject, from which multi-subject models are fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from almond.encoding.features.card import FeatureSpaceCard
from almond.errors import InputError
from almond.typing import Floats


@dataclass(frozen=True)
class SubjectArrays:
    """The prepared data of one subject, all runs one after the other.

    Predictors ``x`` (n, D), BOLD ``bold`` (n, V) of the grid positions ``voxels`` (V, 3); ``columns``: region
    -> which columns of ``bold`` are its voxels that vary; ``lengths``: volumes of each run; ``tr`` in
    seconds. ``null_x`` (n, D') are noise predictors for the control, if any.

    What only the artifacts need: ``feature_space``, region -> digest of its mask, region -> ``dropped``
    (K, 3) voxels, the BOLD's grid, the provenance, and region -> metrics that hold its ``remarks``.
    """

    subject: str
    x: Floats
    bold: Floats
    voxels: NDArray[np.int64]
    columns: Mapping[str, NDArray[np.int64]]
    lengths: tuple[int, ...]
    tr: float
    feature_space: FeatureSpaceCard
    mask_digests: Mapping[str, str]
    dropped: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    grid: Mapping[str, Any] | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    null_x: Floats | None = None
    remarks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = sum(self.lengths)
        if len(self.x) != n or len(self.bold) != n or self.bold.shape[1] != len(self.voxels):
            raise InputError(
                f"sub-{self.subject}",
                f"has {len(self.x)} rows of features and BOLD {self.bold.shape} of {len(self.voxels)} voxels",
                f"{n} volumes of both (runs of {', '.join(map(str, self.lengths))})",
            )
        missing = [name for name in self.columns if name not in self.mask_digests]
        if missing:
            raise InputError(
                f"sub-{self.subject}", f"no digest of the mask of {missing[0]}", "one per region"
            )


def check_together(data: Sequence[SubjectArrays]) -> None:
    """Check that subjects have one feature space and one TR, and that none occurs twice."""
    if not data:
        raise InputError("subjects", "none to fit", "one or more")
    names = [arrays.subject for arrays in data]
    if len(set(names)) < len(names):
        raise InputError("subjects", f"{', '.join(names)} repeat", "each subject once")
    first = data[0]
    for arrays in data[1:]:
        if arrays.feature_space != first.feature_space or arrays.x.shape[1] != first.x.shape[1]:
            raise InputError(
                f"sub-{arrays.subject}",
                f"has features {arrays.feature_space.name} ({arrays.x.shape[1]} columns), unlike "
                f"sub-{first.subject} with {first.feature_space.name} ({first.x.shape[1]})",
                "one feature space for all subjects",
            )
        if abs(arrays.tr - first.tr) > 1e-3:
            raise InputError(f"sub-{arrays.subject}", f"has a TR of {arrays.tr:g} s", f"{first.tr:g} s")
