"""Maps over subjects: per voxel a t test of Fisher z, false discoveries controlled; NIfTI on the BOLD grid.

Every voxel is tested by itself: no cluster enters. The rate of false discoveries is that of Benjamini &
Hochberg (1995), J. R. Stat. Soc. B 57, 289-300, over the tested voxels of one region's map.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from almond.encoding.bold import nifti
from almond.errors import InputError
from almond.group.performance import GroupMatrix, Places
from almond.typing import Floats

Grid = tuple[tuple[int, ...], Floats]


def benjamini_hochberg(p: Floats) -> Floats:
    """Adjusted p values (m,): rejecting all up to q holds false discoveries to the rate q. NaN stays."""
    values = np.asarray(p, np.float64)
    found: Floats = np.full(values.shape, np.nan)
    tested = np.flatnonzero(np.isfinite(values))
    if not len(tested):
        return found
    order = tested[np.argsort(values[tested], kind="stable")]
    count = len(order)
    scaled = values[order] * count / np.arange(1, count + 1)
    found[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return found


@dataclass(frozen=True)
class GroupMap:
    """Per voxel (V,): subjects ``n``, ``mean`` z, ``t``, two-sided ``p``, its adjusted ``q``; NaN untested.

    ``rate`` is the rate of false discoveries at which ``significant`` is decided, ``least`` the smallest
    number of subjects with which a voxel is tested.
    """

    voxels: Places
    n: Floats
    mean: Floats
    t: Floats
    p: Floats
    q: Floats
    rate: float
    least: int

    @property
    def significant(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        found: np.ndarray[Any, np.dtype[np.bool_]] = self.q <= self.rate
        return found

    @property
    def threshold(self) -> float | None:
        """The smallest abs(t) that is significant; None when nothing is."""
        chosen = np.abs(self.t[self.significant])
        return float(chosen.min()) if len(chosen) else None


def t_map(matrix: GroupMatrix, *, rate: float, least: int) -> GroupMap:
    """One-sample t of Fisher z over subjects at every voxel.

    :raises InputError: fewer than ``least`` subjects (at least three).
    """
    subjects, voxels = matrix.z.shape
    if subjects < max(least, 3):
        raise InputError(
            f"t map of {matrix.region}", f"{subjects} subjects", f"{max(least, 3)} or more with an encoder"
        )
    present = np.isfinite(matrix.z)
    n = present.sum(axis=0).astype(np.float64)
    tested = n >= max(least, 3)
    mean, t, p = (np.full(voxels, np.nan) for _ in range(3))
    z = matrix.z[:, tested]
    mean[tested] = np.nanmean(z, axis=0)
    spread = np.nanstd(z, axis=0, ddof=1)
    varies = spread > 0
    t[tested] = np.divide(
        mean[tested] * np.sqrt(n[tested]), spread, out=np.full(len(spread), np.nan), where=varies
    )
    p[tested] = 2 * stats.t.sf(np.abs(t[tested]), n[tested] - 1)
    return GroupMap(matrix.voxels, n, mean, t, p, benjamini_hochberg(p), rate, least)


def write_scanner_map(path: Path, grid: Grid, voxels: Places, values: Floats) -> None:
    """Write ``values`` (V,) at grid indices (V, 3) in scanner coordinates, NaN everywhere else."""
    nifti.write_map(path, values, voxels, nifti.Grid(*grid), code=1, compression=9)


def write_group_maps(folder: Path, found: GroupMap, grid: Grid) -> dict[str, str]:
    """Write ``mean_z``, ``t``, ``p``, ``q``, ``t_fdr`` (0 where not significant), ``n``: names -> files."""
    thresholded = np.where(np.isnan(found.t), np.nan, np.where(found.significant, found.t, 0.0))
    values = {
        "mean_z": found.mean,
        "t": found.t,
        "p": found.p,
        "q": found.q,
        "t_fdr": thresholded,
        "n": found.n,
    }
    for name, column in values.items():
        write_scanner_map(folder / f"group_{name}.nii.gz", grid, found.voxels, column)
    return {name: f"group_{name}.nii.gz" for name in values}
