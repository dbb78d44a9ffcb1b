"""The data of one subject: predictors and BOLD of all runs, prepared run by run and then stacked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from almond.encoding.align import align
from almond.encoding.config import FitConfig
from almond.encoding.nifti import read_masked
from almond.encoding.predictors import RunFeatures, Scan
from almond.encoding.prepare import constant_voxels, standardised, without_trend
from almond.encoding.regions import Region
from almond.errors import InputError

Matrix = NDArray[np.float64]
TR_TOLERANCE = 1e-3


@dataclass(frozen=True)
class SubjectData:
    """Predictors ``x`` (n, D), BOLD ``bold`` (n, V) of the grid positions ``voxels`` (V, 3).

    ``dropped`` (V,) marks voxels that are constant in a run; ``lengths`` are the volumes of the runs in
    order.
    """

    x: Matrix
    bold: Matrix
    voxels: NDArray[np.int64]
    dropped: NDArray[np.bool_]
    lengths: tuple[int, ...]
    tr: float

    def columns(self, region: Region, subject: str) -> NDArray[np.int64]:
        """Which columns of ``bold`` are the region's voxels that vary; ``InputError`` when none does."""
        place = {tuple(voxel): index for index, voxel in enumerate(self.voxels.tolist())}
        inside = np.array([place[tuple(voxel)] for voxel in region.voxels.tolist()])
        kept = inside[~self.dropped[inside]]
        if len(kept) == 0:
            raise InputError(
                region.path, f"every voxel of {region.name} is constant in sub-{subject}", "measured data"
            )
        return np.asarray(kept, np.int64)


def read_subject(
    config: FitConfig, regions: Sequence[Region], scans: Sequence[Scan], features: Sequence[RunFeatures]
) -> SubjectData:
    """Read the voxels of all regions once. Nothing crosses the border of a run."""
    check_one_tr(scans)
    voxels = np.unique(np.concatenate([region.voxels for region in regions]), axis=0)
    dropped = np.zeros(len(voxels), bool)
    xs, ys = [], []
    for scan, rows in zip(scans, features, strict=True):
        bold = read_masked(scan.run.bold, voxels, scan.run.volumes)
        dropped |= constant_voxels(bold)
        bold = without_trend(bold, config.detrend)
        ys.append(standardised(bold) if config.standardise else bold)
        xs.append(without_trend(aligned(config, scan, rows), config.detrend))
    lengths = tuple(scan.n_volumes for scan in scans)
    return SubjectData(np.concatenate(xs), np.concatenate(ys), voxels, dropped, lengths, scans[0].tr)


def aligned(config: FitConfig, scan: Scan, features: RunFeatures) -> Matrix:
    """Predictors (n_volumes, D) of one run."""
    return align(
        features.values,
        interval=features.interval,
        n_volumes=scan.n_volumes,
        tr=scan.tr,
        hrf=config.hrf == "spm",
        source=features.source,
    )


def check_one_tr(scans: Sequence[Scan]) -> None:
    trs = sorted({scan.tr for scan in scans})
    if trs[-1] - trs[0] > TR_TOLERANCE:
        text = ", ".join(f"{tr:g} s" for tr in trs)
        raise InputError(f"sub-{scans[0].run.subject}", f"has runs with TRs of {text}", "one TR per subject")
