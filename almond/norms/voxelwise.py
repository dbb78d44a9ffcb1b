"""Maps over voxels: does what a voxel predicts go with valence, arousal, or their product?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from almond.norms.predictions import REGRESSORS, VoxelEffects
from almond.stats.permutation import Order
from almond.stats.ttest import fisher
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
    """The maps of a region, Fisher z averaged over image sets.

    :param orders: per set (B, n) orders of its images, or None for no permutation.
    :param designs: per set z valence, z arousal and their product (n, 3), z-scored.
    """
    z = np.mean([fisher(r) for r in effects.r.values()], axis=0)
    return [
        _map(name, z[..., column], _family_wise(effects, orders, designs, column))
        for column, name in enumerate(REGRESSORS)
    ]


def _map(name: str, z: Floats, p_images: Floats | None) -> VoxelMap:
    present = np.isfinite(z)
    count = present.sum(axis=0).astype(np.float64)
    enough = count >= 2
    filled = np.where(present, z, 0.0)
    mean = filled.sum(axis=0) / np.maximum(count, 1.0)
    squares = np.where(present, (z - mean) ** 2, 0.0).sum(axis=0)
    se = np.sqrt(squares / np.maximum(count - 1.0, 1.0) / np.maximum(count, 1.0))
    usable = enough & (se > 0)
    t = np.where(usable, mean / np.where(usable, se, 1.0), np.nan)
    p = np.where(usable, 2.0 * stats.t.sf(np.abs(t), np.maximum(count - 1.0, 1.0)), np.nan)
    return VoxelMap(name, np.tanh(mean), t, count - 1.0, p, adjusted(p), p_images)


def adjusted(p: Floats) -> Floats:
    """Benjamini & Hochberg's adjusted p values (V,) over those that are numbers."""
    found = np.full(p.shape, np.nan)
    known = np.isfinite(p)
    if known.any():
        found[known] = stats.false_discovery_control(p[known])
    return found


def _family_wise(
    effects: VoxelEffects, orders: Mapping[str, Order] | None, designs: Mapping[str, Floats], column: int
) -> Floats | None:
    """p (V,) of the largest absolute mean correlation over voxels, images permuted.

    The correlation averaged over subjects is that of the rating with the mean z-scored prediction, times a
    number that no permutation changes: one matrix product stands for all subjects.
    """
    if orders is None:
        return None
    ratings = {name: designs[name][:, column] for name in effects.mean_z}
    observed = np.sum([ratings[name] @ mean_z for name, mean_z in effects.mean_z.items()], axis=0)
    null = np.sum([ratings[name][orders[name]] @ mean_z for name, mean_z in effects.mean_z.items()], axis=0)
    largest: NDArray[np.float64] = np.sort(np.abs(null).max(axis=1))
    reached = len(largest) - np.searchsorted(largest, np.abs(observed) * (1 - 1e-12), side="left")
    return np.asarray((1 + reached) / (1 + len(largest)), np.float64)


def passing(values: Floats, p: Floats, limit: float) -> Floats:
    """The values where p lies below a limit, NaN elsewhere."""
    return np.asarray(np.where(p < limit, values, np.nan), np.float64)


def describe(one: VoxelMap, effects: VoxelEffects, alpha: float) -> dict[str, Any]:
    """How many voxels pass which threshold, and where the largest t lies."""
    affine = None if effects.grid is None else np.asarray(effects.grid["affine"], np.float64)
    return {
        "regressor": one.regressor,
        "voxels": int(np.isfinite(one.t).sum()),
        "mean_r": float(one.mean_r.mean()),
        "uncorrected": int((one.p < alpha).sum()),
        "fdr": int((one.q < FDR).sum()),
        "family_wise": None if one.p_images is None else int((one.p_images < 0.05).sum()),
        "smallest_p_images": None if one.p_images is None else float(one.p_images.min()),
        "peak": _peak(one, effects.voxels, affine),
    }


def _peak(one: VoxelMap, voxels: NDArray[np.int64], affine: Floats | None) -> dict[str, Any] | None:
    """Index, millimetres where a grid is known, t and r of the voxel with the largest absolute t."""
    if not np.isfinite(one.t).any():
        return None
    index = int(np.nanargmax(np.abs(one.t)))
    place = [int(value) for value in voxels[index]]
    world = None if affine is None else [float(v) for v in (affine @ [*place, 1.0])[:3]]
    return {"voxel": place, "mm": world, "t": float(one.t[index]), "r": float(one.mean_r[index])}
