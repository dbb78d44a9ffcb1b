"""Voxels of a run whose values say nothing: no numbers, or always the same one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from almond.encoding.bold.bids import Run
from almond.encoding.bold.cleaning import constant_voxels
from almond.errors import InputError
from almond.remarks import Remarks
from almond.typing import AnyFloats

NOTABLE_SHARE = 0.1
"""Of a region's voxels: from here on constant ones are worth a remark."""

FEW = 10
"""Volumes that an error lists."""


@dataclass(frozen=True)
class VoxelQuality:
    """Voxels (V,) of a run that hold a NaN or infinity, those that never change, and volumes (n,) without any
    number."""

    not_finite: NDArray[np.bool_]
    constant: NDArray[np.bool_]
    blank: NDArray[np.bool_]

    @classmethod
    def of(cls, courses: AnyFloats) -> VoxelQuality:
        """Look at time courses (n, V)."""
        finite = np.isfinite(courses)
        numbers = np.asarray(finite.all(axis=0), np.bool_)
        return cls(~numbers, constant_voxels(courses) & numbers, np.asarray(~finite.any(axis=1), np.bool_))

    @classmethod
    def joined(cls, parts: Sequence[VoxelQuality]) -> VoxelQuality:
        """Put chunks of voxels of the same run side by side."""
        return cls(
            np.concatenate([part.not_finite for part in parts]),
            np.concatenate([part.constant for part in parts]),
            np.all([part.blank for part in parts], axis=0),
        )

    @property
    def unusable(self) -> NDArray[np.bool_]:
        return np.asarray(self.not_finite | self.constant, np.bool_)

    def remark(self, run: Run, places: Mapping[str, NDArray[np.int64]], remarks: Remarks) -> None:
        """Say per region how many of the run's voxels are left out.

        :param places: region -> positions of its voxels among all (V,).
        :raises InputError: no voxel holds numbers throughout; names the file, and volumes without any.
        """
        self._check(run)
        for region, inside in places.items():
            strange = int(self.not_finite[inside].sum())
            if strange:
                text = f"({run.name}) holds values that are not numbers in {strange} of {len(inside)} voxels"
                remarks.add("bold-values", run.bold, f"{text}; they were left out", about=region)
            constant = int(self.constant[inside].sum())
            if constant > NOTABLE_SHARE * len(inside):
                text = f"({run.name}) never changes in {constant} of {len(inside)} voxels"
                remarks.add("constant-voxels", run.bold, f"{text}; they were left out", about=region)

    def _check(self, run: Run) -> None:
        if not self.not_finite.all():
            return
        volumes = np.flatnonzero(self.blank) + 1
        if len(volumes) in (0, len(self.blank)):
            problem = f"({run.name}) holds values that are not numbers in every voxel of the regions"
            raise InputError(run.bold, problem, "measured data")
        listed = ", ".join(map(str, volumes[:FEW])) + (" and more" if len(volumes) > FEW else "")
        raise InputError(
            run.bold,
            f"({run.name}) holds no numbers in {len(volumes)} of {len(self.blank)} volumes: {listed}",
            "measured data, or `censor` with 0 for these volumes",
        )
