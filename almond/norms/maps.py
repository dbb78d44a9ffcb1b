"""Values of voxels as NIfTI files on the grid of the BOLD."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from almond.errors import InputError
from almond.typing import Floats


def volume(values: Floats, voxels: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return a volume of the grid's ``shape`` with values (V,) at their voxels (V, 3), NaN elsewhere.

    :raises InputError: a voxel outside the grid.
    """
    if len(voxels) and (voxels.min() < 0 or (voxels.max(axis=0) >= np.array(shape)).any()):
        raise InputError("grid", f"a voxel lies outside {shape}", "the grid of the BOLD")
    grid_values = np.full(shape, np.nan, np.float32)
    grid_values[tuple(voxels.T)] = values
    return grid_values


def save_map(path: Path, values: Floats, voxels: NDArray[np.int64], grid: Mapping[str, Any]) -> None:
    """Write a map; voxels without a value hold NaN, as do those outside the region."""
    data = volume(values, voxels, tuple(int(side) for side in grid["shape"]))
    image: Any = nibabel.Nifti1Image(data, np.asarray(grid["affine"], np.float64))  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm")
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)
