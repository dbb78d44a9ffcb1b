"""Masks from one voxel grid to another, nearest neighbour through both affines."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from almond.encoding.bold.nifti import Grid

SLAB = 16
"""Slices of the target that are worked on at a time, which bounds memory for masks of the whole brain."""

TIE = 1e-4
"""In voxels: centres that lie halfway between two voxels take the upper one whatever rounding did."""


def _between(source: Grid, target: Grid) -> NDArray[np.float64]:
    """Compute the affine (4, 4) from voxel indices of the target to those of the source: S^-1 T."""
    return np.asarray(np.linalg.solve(source.affine, target.affine), np.float64)


def onto_grid(inside: NDArray[np.bool_], source: Grid, target: Grid) -> tuple[NDArray[np.bool_], int]:
    """Bring a mask of ``source`` onto ``target``: each target voxel takes the source voxel at its centre.

    Return it with the number of mask voxels whose centre lies outside the target's field of view. Only the
    box of the target around the mask is looked at.
    """
    resampled = np.zeros(target.shape, np.bool_)
    voxels = np.argwhere(inside)
    outside = int((~_within(voxels, _between(target, source), target.shape)).sum())
    box = _box(voxels, source, target)
    if any(low >= high for low, high in box):
        return resampled, outside
    mapping = _between(source, target)
    for first in range(*box[0], SLAB):
        part = [(first, min(first + SLAB, box[0][1])), *box[1:]]
        resampled[tuple(slice(low, high) for low, high in part)] = _looked_up(inside, mapping, part)
    return resampled, outside


def _looked_up(
    inside: NDArray[np.bool_], mapping: NDArray[np.float64], box: list[tuple[int, int]]
) -> NDArray[np.bool_]:
    """Look up the source voxel at the centre of each target voxel of a box; False outside the source."""
    axes = np.ogrid[tuple(slice(low, high) for low, high in box)]
    lookup: list[NDArray[np.int64]] = []
    valid = np.ones([high - low for low, high in box], np.bool_)
    for row, length in zip(mapping[:3], inside.shape, strict=True):
        # Index along one axis of the source of the centre of target voxel (i, j, k): (A i + b), rounded.
        position = row[0] * axes[0] + row[1] * axes[1] + row[2] * axes[2] + row[3]
        index = np.floor(position + 0.5 + TIE).astype(np.int64)
        valid &= (index >= 0) & (index < length)
        lookup.append(np.clip(index, 0, length - 1))
    return np.asarray(valid & inside[tuple(lookup)], np.bool_)


def _within(
    voxels: NDArray[np.int64], mapping: NDArray[np.float64], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    positions = voxels @ mapping[:3, :3].T + mapping[:3, 3]
    edge = np.array(shape) - 0.5
    return np.asarray(((positions >= -0.5 - TIE) & (positions <= edge + TIE)).all(axis=1), np.bool_)


def _box(voxels: NDArray[np.int64], source: Grid, target: Grid) -> list[tuple[int, int]]:
    """Bound the target's indices that can touch the mask, half-open: the corners of its voxels, mapped."""
    low, high = voxels.min(axis=0) - 1.0, voxels.max(axis=0) + 1.0
    corners = np.array(list(itertools.product(*zip(low, high, strict=True))))
    back = _between(target, source)
    positions = corners @ back[:3, :3].T + back[:3, 3]
    first = np.maximum(np.floor(positions.min(axis=0)), 0).astype(int)
    last = np.minimum(np.ceil(positions.max(axis=0)) + 1, target.shape).astype(int)
    return [(int(a), int(b)) for a, b in zip(first, last, strict=True)]


def field_of_view_overlaps(source: Grid, target: Grid) -> bool:
    """Tell whether the boxes of two grids share any volume (separating axes along the edges of both)."""
    a, b = _corners(source), _corners(target)
    axes = [*np.linalg.inv(source.affine[:3, :3]), *np.linalg.inv(target.affine[:3, :3])]
    edges = itertools.product(source.affine[:3, :3].T, target.affine[:3, :3].T)
    axes += [np.cross(a_edge, b_edge) for a_edge, b_edge in edges]
    for axis in axes:
        if np.linalg.norm(axis) < 1e-9:
            continue
        p, q = a @ axis, b @ axis
        if p.max() <= q.min() or q.max() <= p.min():
            return False
    return True


def _corners(grid: Grid) -> NDArray[np.float64]:
    ends = itertools.product(*[(-0.5, length - 0.5) for length in grid.shape])
    return np.array(list(ends)) @ grid.affine[:3, :3].T + grid.affine[:3, 3]
