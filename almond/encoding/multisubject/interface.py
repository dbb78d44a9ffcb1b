"""What the families of multi-subject models are given and give back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from almond.encoding.artifacts.fit_index import FittedRegion
from almond.encoding.config.fit_config import FitConfig
from almond.encoding.config.model import FAMILIES
from almond.encoding.features.card import FeatureSpaceCard
from almond.errors import InputError
from almond.progress import Progress
from almond.typing import Floats


@dataclass(frozen=True)
class SubjectArrays:
    """The prepared data of one subject, all runs one after the other.

    Predictors ``x`` (n, D), BOLD ``bold`` (n, V) of the grid positions ``voxels`` (V, 3); ``columns``: region
    -> which columns of ``bold`` are its voxels that vary; ``lengths``: volumes of each run; ``tr`` in
    seconds. ``null_x`` (n, D') are noise predictors for the control, if any.

    What only the artifacts need: ``feature_space``, region -> digest of its mask, region -> ``dropped``
    (K, 3) voxels, the BOLD's grid and the provenance.
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


def fit_family(
    model: str, config: FitConfig, data: Sequence[SubjectArrays], out: Path, progress: Progress
) -> list[FittedRegion]:
    """Fit the family ``model`` (``shared`` or ``flow``) to all subjects at once; artifacts below ``out``.

    What was made from exactly these numbers and settings before is found and returned. ``shared`` writes an
    ordinary encoder per subject and region, ``flow`` one folder (``almond-flow/1``) that all of them name.

    :raises InputError: an unknown family, no subject, or data that do not fit together.
    """
    if model not in FAMILIES:
        raise InputError("model", f"is {model!r}", f"one of {', '.join(FAMILIES)}")
    check_together(data)
    if config.target != "voxels":
        raise InputError("target", f"is {config.target}, but {model} maps to voxels", "voxels")
    if model == "shared":
        from almond.encoding.multisubject.shared_fit import fit_shared

        return fit_shared(config, data, out, progress)
    # Late, because torch takes seconds to load and no other model needs it.
    from almond.encoding.multisubject.flow_fit import fit_flow

    return fit_flow(config, data, out, progress)


def check_together(data: Sequence[SubjectArrays]) -> None:
    """One feature space, one TR, each subject once."""
    if not data:
        raise InputError("subjects", "none to fit", "one or more")
    names = [one.subject for one in data]
    if len(set(names)) < len(names):
        raise InputError("subjects", f"{', '.join(names)} repeat", "each subject once")
    first = data[0]
    for one in data[1:]:
        if one.feature_space != first.feature_space or one.x.shape[1] != first.x.shape[1]:
            raise InputError(
                f"sub-{one.subject}",
                f"has features {one.feature_space.name} ({one.x.shape[1]} columns), unlike "
                f"sub-{first.subject} with {first.feature_space.name} ({first.x.shape[1]})",
                "one feature space for all subjects",
            )
        if abs(one.tr - first.tr) > 1e-3:
            raise InputError(f"sub-{one.subject}", f"has a TR of {one.tr:g} s", f"{first.tr:g} s")
