"""Map over voxels the correlation of their predictions with valence, arousal and their product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from almond.norms.predictions import REGRESSORS, VoxelEffects
from almond.significance import max_statistic_p
from almond.stats.correlation import fisher_z
from almond.stats.multiple import benjamini_hochberg
from almond.stats.permutation import Order
from almond.stats.ttest import one_sample_columns
from almond.typing import Floats

FDR = 0.05
"""Rate of false discoveries of corrected maps."""


@dataclass(frozen=True, eq=False)
class VoxelMap:
    """One regressor over the voxels (V,) of a region; NaN where fewer than two subjects have the voxel.

    ``mean_r`` is the hyperbolic tangent of the mean Fisher z; ``t`` and ``p`` are over subjects; ``q`` is p
    adjusted by Benjamini & Hochberg over the region's voxels. ``p_images`` is the family-wise p of the mean
    correlation when images are permuted, None where no permutations were made.
    """

    regressor: str
    mean_r: Floats
    t: Floats
    df: Floats
    p: Floats
    q: Floats
    p_images: Floats | None


def voxel_maps(
    effects: VoxelEffects, orders: Mapping[str, Order] | None, designs: Mapping[str, Floats]
) -> list[VoxelMap]:
    """Compute the maps of a region, Fisher z averaged over image sets.

    :param orders: per set (B, n) orders of its images, or None for no permutation.
    :param designs: per set z valence, z arousal and their product (n, 3), z-scored.
    """
    z = np.mean([fisher_z(r) for r in effects.r.values()], axis=0)
    return [
        _map(name, z[..., column], _family_wise(effects, orders, designs, column))
        for column, name in enumerate(REGRESSORS)
    ]


def _map(name: str, z: Floats, p_images: Floats | None) -> VoxelMap:
    n, mean, t, p = one_sample_columns(z)
    return VoxelMap(name, np.tanh(mean), t, n - 1.0, p, benjamini_hochberg(p), p_images)


def _family_wise(
    effects: VoxelEffects, orders: Mapping[str, Order] | None, designs: Mapping[str, Floats], column: int
) -> Floats | None:
    """Test absolute mean correlations (V,) against the largest over voxels, images permuted.

    The correlation averaged over subjects is that of the rating with the mean z-scored prediction, times a
    number that no permutation changes: one matrix product stands for all subjects.
    """
    if orders is None:
        return None
    ratings = {name: designs[name][:, column] for name in effects.mean_z}
    observed = np.sum([ratings[name] @ mean_z for name, mean_z in effects.mean_z.items()], axis=0)
    null = np.sum([ratings[name][orders[name]] @ mean_z for name, mean_z in effects.mean_z.items()], axis=0)
    return max_statistic_p(np.abs(null).max(axis=1), np.abs(observed))


def passing(values: Floats, p: Floats, limit: float) -> Floats:
    """Return the values where p lies below a limit, NaN elsewhere."""
    return np.asarray(np.where(p < limit, values, np.nan), np.float64)


def describe(voxel_map: VoxelMap, effects: VoxelEffects, alpha: float) -> dict[str, Any]:
    """Count the voxels that pass each threshold, and locate the largest absolute t."""
    affine = None if effects.grid is None else np.asarray(effects.grid["affine"], np.float64)
    return {
        "regressor": voxel_map.regressor,
        "voxels": int(np.isfinite(voxel_map.t).sum()),
        "mean_r": float(voxel_map.mean_r.mean()),
        "uncorrected": int((voxel_map.p < alpha).sum()),
        "fdr": int((voxel_map.q < FDR).sum()),
        "family_wise": None if voxel_map.p_images is None else int((voxel_map.p_images < 0.05).sum()),
        "smallest_p_images": None if voxel_map.p_images is None else float(voxel_map.p_images.min()),
        "peak": _peak(voxel_map, effects.voxels, affine),
    }


def _peak(voxel_map: VoxelMap, voxels: NDArray[np.int64], affine: Floats | None) -> dict[str, Any] | None:
    """Return index, millimetres where a grid is known, t and r of the voxel with the largest absolute t."""
    if not np.isfinite(voxel_map.t).any():
        return None
    index = int(np.nanargmax(np.abs(voxel_map.t)))
    voxel = [int(value) for value in voxels[index]]
    world = None if affine is None else [float(v) for v in (affine @ [*voxel, 1.0])[:3]]
    return {"voxel": voxel, "mm": world, "t": float(voxel_map.t[index]), "r": float(voxel_map.mean_r[index])}
