"""Map over subjects a t test of Fisher z per voxel, with the false-discovery rate, as NIfTI on the BOLD grid.

Every voxel is tested by itself: no cluster enters. The false-discovery rate is that over the tested voxels of
one region's map.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from almond.encoding.bold import nifti
from almond.errors import InputError
from almond.group.performance import GroupMatrix
from almond.stats.multiple import benjamini_hochberg
from almond.stats.ttest import one_sample_columns
from almond.typing import Floats, Indices

Grid = tuple[tuple[int, ...], Floats]


@dataclass(frozen=True)
class GroupMap:
    """Per voxel (V,): subjects ``n``, ``mean`` z, ``t``, two-sided ``p``, its adjusted ``q``; NaN untested.

    ``rate`` is the false-discovery rate at which ``significant`` is decided, ``least`` the smallest
    number of subjects with which a voxel is tested.
    """

    voxels: Indices
    n: Floats
    mean: Floats
    t: Floats
    p: Floats
    q: Floats
    rate: float
    least: int

    @property
    def significant(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Whether each voxel (V,) is significant at the false-discovery rate."""
        significant: np.ndarray[Any, np.dtype[np.bool_]] = self.q <= self.rate
        return significant

    @property
    def threshold(self) -> float | None:
        """Return the smallest abs(t) that is significant; None when nothing is."""
        passed = np.abs(self.t[self.significant])
        return float(passed.min()) if len(passed) else None


def t_map(matrix: GroupMatrix, *, rate: float, least: int) -> GroupMap:
    """Test Fisher z over subjects at every voxel.

    :param rate: false-discovery rate at which a voxel is significant.
    :param least: subjects that a voxel needs, three or more.
    :raises InputError: fewer than ``least`` subjects.
    """
    enough = max(least, 3)
    subjects = len(matrix.z)
    if subjects < enough:
        raise InputError(
            f"t map of {matrix.region}", f"{subjects} subjects", f"{enough} or more with an encoder"
        )
    n, mean, t, p = one_sample_columns(matrix.z, least=enough)
    mean = np.where(n >= enough, mean, np.nan)
    return GroupMap(matrix.voxels, n, mean, t, p, benjamini_hochberg(p), rate, least)


def write_scanner_map(path: Path, grid: Grid, voxels: Indices, values: Floats) -> None:
    """Write ``values`` (V,) at grid indices (V, 3) in scanner coordinates, NaN everywhere else."""
    nifti.write_map(path, values, voxels, nifti.Grid(*grid), code=1, compression=9)


def write_group_maps(folder: Path, group_map: GroupMap, grid: Grid) -> dict[str, str]:
    """Write ``mean_z``, ``t``, ``p``, ``q``, ``t_fdr`` (0 where not significant), ``n``: names -> files."""
    thresholded = np.where(np.isnan(group_map.t), np.nan, np.where(group_map.significant, group_map.t, 0.0))
    values = {
        "mean_z": group_map.mean,
        "t": group_map.t,
        "p": group_map.p,
        "q": group_map.q,
        "t_fdr": thresholded,
        "n": group_map.n,
    }
    for name, column in values.items():
        write_scanner_map(folder / f"group_{name}.nii.gz", grid, group_map.voxels, column)
    return {name: f"group_{name}.nii.gz" for name in values}
