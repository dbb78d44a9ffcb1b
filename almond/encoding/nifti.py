"""NIfTI files: opened lazily, read inside a mask."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from almond.errors import InputError

CHUNK_BYTES = 32 << 20


@dataclass(frozen=True)
class Grid:
    """Shape (3,) and affine (4, 4), voxel indices to millimetres."""

    shape: tuple[int, ...]
    affine: NDArray[np.float64]


def load_nifti(path: Path) -> Any:
    """A NIfTI image whose data stay on disk; ``InputError`` naming the file when it is none."""
    if not path.is_file():
        raise InputError(path, "file not found", "a NIfTI file")
    try:
        return nibabel.load(path, keep_file_open=True)
    except (ImageFileError, OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError(
            path, f"is not a readable NIfTI file ({error})", "an intact .nii or .nii.gz"
        ) from error


def grid_of(image: Any) -> Grid:
    return Grid(tuple(int(side) for side in image.shape[:3]), np.asarray(image.affine, np.float64))


def read_masked(
    path: Path, voxels: NDArray[np.int64], volumes: tuple[int, int] | None = None
) -> NDArray[np.float64]:
    """The time courses (n, V) of voxels (V, 3), read a few volumes at a time and kept inside the mask only.

    :raises InputError: not a 4-D NIfTI, truncated or damaged data, volumes beyond its end, values that are
        not numbers; the message names the file.
    """
    image = load_nifti(path)
    if len(image.shape) != 4:
        raise InputError(path, f"has shape {image.shape}", "a 4-D BOLD run")
    start, stop = volumes or (0, image.shape[3])
    if not 0 <= start < stop <= image.shape[3]:
        raise InputError(
            path, f"has {image.shape[3]} volumes, not {start} to {stop}", "volumes inside the file"
        )
    step = max(1, CHUNK_BYTES // (8 * int(np.prod(image.shape[:3]))))
    x, y, z = voxels.T
    courses = np.empty((stop - start, len(voxels)))
    for first in range(start, stop, step):
        last = min(first + step, stop)
        courses[first - start : last - start] = read_data(image, path, np.s_[..., first:last])[x, y, z].T
    if not np.isfinite(courses).all():
        raise InputError(path, "holds values inside the mask that are not numbers", "finite values")
    return courses


def read_data(image: Any, path: Path, index: Any = ...) -> NDArray[np.float64]:
    """Part of an image's data; ``InputError`` naming the file when they end early or are damaged."""
    try:
        return np.asarray(image.dataobj[index], np.float64)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError(
            path, f"its data end early or are damaged ({error})", "an intact NIfTI file"
        ) from error
