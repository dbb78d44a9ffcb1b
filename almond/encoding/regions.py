"""Regions of interest: NIfTI masks on the grid of the BOLD runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from almond.digest import digest_file
from almond.encoding.nifti import Grid, grid_of, load_nifti, read_data
from almond.errors import InputError

AFFINE_TOLERANCE = 1e-3
"""In millimetres per entry: headers are float32."""


@dataclass(frozen=True)
class Region:
    """The voxels (V, 3) of a mask, in index order, with the digest of its file."""

    name: str
    path: Path
    digest: str
    grid: Grid
    voxels: NDArray[np.int64]


def load_region(name: str, path: Path) -> Region:
    """Read a mask: every voxel that is neither 0 nor NaN belongs to the region.

    :raises InputError: not a NIfTI file, not three-dimensional, or empty.
    """
    image = load_nifti(path)
    shape = tuple(image.shape)
    if len(shape) != 3 and not (len(shape) == 4 and shape[3] == 1):
        raise InputError(path, f"has shape {shape}", "a 3-D mask")
    values = read_data(image, path).reshape(shape[:3])
    voxels = np.argwhere(np.nan_to_num(values) != 0)
    if len(voxels) == 0:
        raise InputError(path, "is empty", "a mask with voxels that are not 0")
    return Region(name, path, digest_file(path), grid_of(image), voxels.astype(np.int64))


def check_same_grid(region: Region, bold: Path) -> None:
    """That a mask and a BOLD run share shape and affine; the message of the ``InputError`` shows both."""
    found = grid_of(load_nifti(bold))
    if region.grid.shape != found.shape:
        raise InputError(
            region.path,
            f"mask of {region.name} has shape {region.grid.shape}, {bold.name} has {found.shape}",
            "a mask on the grid of the BOLD runs",
        )
    if not np.allclose(region.grid.affine, found.affine, atol=AFFINE_TOLERANCE, rtol=0):
        raise InputError(
            region.path,
            f"mask of {region.name} has affine {_text(region.grid)}, {bold.name} has {_text(found)}",
            "a mask in the space of the BOLD runs",
        )


def _text(grid: Grid) -> str:
    return str(np.round(grid.affine[:3], 3).tolist())
