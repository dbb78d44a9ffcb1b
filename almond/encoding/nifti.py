"""NIfTI files: opened lazily, read inside a mask."""

from __future__ import annotations

import re
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
CODES = ("unknown", "scanner", "aligned", "talairach", "mni")
SPACE = re.compile(r"(?:^|_)space-([A-Za-z0-9+]+)")


@dataclass(frozen=True)
class Grid:
    """Shape (3,) and affine (4, 4), voxel indices to millimetres.

    ``space``: what the file's name calls its space (BIDS' entity), ``code``: what its header calls its
    coordinates (one of ``CODES``), ``name``: of the file; each empty or None where nothing is said.
    """

    shape: tuple[int, ...]
    affine: NDArray[np.float64]
    space: str | None = None
    code: str = "unknown"
    name: str = ""


def load_nifti(path: Path) -> Any:
    """A NIfTI image whose data stay on disk; ``InputError`` naming the file when it is none."""
    if not path.is_file():
        raise InputError(path, "file not found", "a NIfTI file")
    try:
        image = nibabel.load(path, keep_file_open=True)
    except (ImageFileError, OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError(
            path, f"is not a readable NIfTI file ({error})", "an intact .nii or .nii.gz"
        ) from error
    if not isinstance(image, nibabel.nifti1.Nifti1Pair):
        raise InputError(path, f"is {type(image).__name__}, not NIfTI", "a .nii or .nii.gz file")
    return image


def grid_of(image: Any, path: Path | None = None) -> Grid:
    """The voxel grid of an image, with what the name of its file and its header say of its space."""
    shape = tuple(int(side) for side in image.shape[:3])
    code = int(image.header["sform_code"]) or int(image.header["qform_code"])
    known = CODES[code] if 0 <= code < len(CODES) else "unknown"
    space = None if path is None else space_of(path)
    return Grid(shape, np.asarray(image.affine, np.float64), space, known, path.name if path else "")


def space_of(path: Path) -> str | None:
    """The entity ``space`` of a BIDS file name."""
    found = SPACE.search(path.name)
    return found[1] if found else None


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
