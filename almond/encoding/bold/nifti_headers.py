"""What the header of a NIfTI file says, checked before any of its data are read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.nifti1 import data_type_codes
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from almond.encoding.bold.gzipped import damaged
from almond.errors import InputError

CODES = ("unknown", "scanner", "aligned", "talairach", "mni")
SPACE = re.compile(r"(?:^|_)(?:space|tpl)-([A-Za-z0-9+]+)")
SMALLEST_VOXEL = 1e-9
"""Cubic millimetres."""

START = 544
"""Bytes that are enough for a header of either version."""

AGREE = 0.1
"""Of the shortest side of a voxel: sform and qform that place every voxel within it say the same."""

SIZES: dict[int, Any] = {348: nibabel.Nifti1Header, 540: nibabel.Nifti2Header}
"""Size of a header, its first number, to its version."""

ONE_FILE = "one .nii or .nii.gz file; convert others, such as .img with .hdr, .mgz or .HEAD"


@dataclass(frozen=True)
class Grid:
    """Shape (3,) and affine (4, 4), voxel indices to millimetres.

    ``space``: what the file's name calls its space (BIDS' entity), ``code``: what its header calls its
    coordinates (one of ``CODES``), ``name``: of the file; each empty or None where nothing is said.
    ``doubt``: what is doubtful about where it lies, and what was done; ``sided``: whether left and right are
    certain.
    """

    shape: tuple[int, ...]
    affine: NDArray[np.float64]
    space: str | None = None
    code: str = "unknown"
    name: str = ""
    doubt: str = ""
    sided: bool = True

    @classmethod
    def from_json(cls, grid: Mapping[str, Any]) -> Grid:
        """Read ``shape`` and ``affine`` as artifacts store them."""
        shape = tuple(int(side) for side in grid["shape"])
        return cls(shape, np.asarray(grid["affine"], np.float64))


@dataclass(frozen=True)
class NiftiImage:
    """An opened image: ``shape`` of 3 or more axes, ``affine`` (4, 4), and where its data lie in the file.

    A value is ``slope`` times the stored number of dtype ``kind``, plus ``shift``; ``offset`` counts bytes of
    the content, after decompression where ``compressed``.
    """

    path: Path
    header: Any
    shape: tuple[int, ...]
    affine: NDArray[np.float64]
    kind: np.dtype[Any]
    offset: int
    slope: float
    shift: float
    compressed: bool


def image_of(start: bytes, path: Path, size: int, *, compressed: bool) -> NiftiImage:
    """Read the header in the first bytes of a file whose content has ``size`` bytes.

    :raises InputError: it is none, cannot be right, or promises more than the file holds.
    """
    header = _header(start, path)
    shape, kind, offset = _shape(header, path), _kind(header, path), _offset(header, path)
    promised = offset + int(np.prod([1, *map(int, shape)], dtype=object)) * kind.itemsize
    if promised > size:
        raise damaged(path, f"its header promises {promised} bytes, it holds {size}")
    slope, shift = _scaling(header, path)
    affine = _affine(header, path)
    return NiftiImage(path, header, shape, affine, kind, offset, slope, shift, compressed)


def _header(start: bytes, path: Path) -> Any:
    for order in ("<", ">"):
        version = SIZES.get(int(np.frombuffer(start[:4].ljust(4, b"\0"), f"{order}i4")[0]))
        if version is not None and len(start) >= version.template_dtype.itemsize:
            break
    else:
        raise InputError(path, "is not a readable NIfTI file (it has no such header)", ONE_FILE)
    raw = start[: version.template_dtype.itemsize]
    magic = raw[4:8] if version is nibabel.Nifti2Header else raw[344:348]
    if magic[:2] == b"ni":
        raise InputError(path, "is the header of a pair of files", ONE_FILE)
    if magic[:2] != b"n+":
        raise InputError(path, "is not a readable NIfTI file (but an ANALYZE header, perhaps)", ONE_FILE)
    header = version(raw, order, check=False)
    _kind(header, path)  # here, as nibabel's own check names types by number
    try:
        header.check_fix()
        return header
    except (HeaderDataError, ValueError, KeyError, OverflowError) as error:
        raise InputError(path, f"is not a readable NIfTI file ({error})", "a valid header") from error


def _shape(header: Any, path: Path) -> tuple[int, ...]:
    """Read the lengths of its axes; axes of length 1 behind the fourth are left out."""
    count = int(header["dim"][0])
    if not 1 <= count <= 7:
        raise InputError(path, f"says that it has {count} axes", "3 or 4")
    shape = [int(length) for length in header["dim"][1 : count + 1]]
    if min(shape) < 1:
        raise InputError(path, f"has an empty axis: its header says the shape {tuple(shape)}", "voxels")
    while len(shape) > 4 and shape[-1] == 1:
        shape.pop()
    if len(shape) < 3:
        raise InputError(path, f"has shape {tuple(shape)}", "an image of three axes, or four with time")
    return tuple(shape)


def _kind(header: Any, path: Path) -> np.dtype[Any]:
    code = int(header["datatype"])
    label = str(data_type_codes.label[code]) if code in data_type_codes.label else f"{code}"
    kind = np.dtype(header.get_data_dtype()) if code in data_type_codes.label else np.dtype(np.void)
    if kind.kind not in "iuf":
        raise InputError(path, f"holds values of the kind {label}", "whole or real numbers")
    return kind


def _offset(header: Any, path: Path) -> int:
    offset, least = float(header["vox_offset"]), int(header.single_vox_offset)
    if not (least <= offset and offset.is_integer()):
        raise InputError(path, f"says that its data begin at byte {offset:g}", f"{least} or a later one")
    return int(offset)


def _scaling(header: Any, path: Path) -> tuple[float, float]:
    """Read slope and shift; a slope of 0 or NaN means that numbers are stored as they are."""
    slope, shift = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or np.isnan(slope):
        return 1.0, 0.0
    if not (np.isfinite(slope) and np.isfinite(shift)):
        raise InputError(path, f"scales its values by {slope:g} and {shift:g}", "finite numbers")
    return slope, shift


def _affine(header: Any, path: Path) -> NDArray[np.float64]:
    try:
        with np.errstate(all="ignore"):
            affine = np.asarray(header.get_best_affine(), np.float64)
            volume = abs(float(np.linalg.det(affine[:3, :3]))) if np.isfinite(affine).all() else 0.0
    except (HeaderDataError, ValueError) as error:
        raise InputError(path, f"its orientation cannot be read ({error})", "a valid header") from error
    if not SMALLEST_VOXEL < volume < np.inf:
        raise InputError(path, "has an affine without volume", "a valid header")
    return affine


def grid_of(image: NiftiImage, path: Path | None = None) -> Grid:
    """Take the voxel grid of an image, with what the name of its file and its header say of its space."""
    code = _code(image.header, "sform_code") or _code(image.header, "qform_code")
    known = CODES[code] if code < len(CODES) else "unknown"
    space = None if path is None else space_of(path)
    doubt, sided = _doubt(image)
    return Grid(image.shape[:3], image.affine, space, known, path.name if path else "", doubt, sided)


def _code(header: Any, field: str) -> int:
    return max(int(header[field]), 0)


def _doubt(image: NiftiImage) -> tuple[str, bool]:
    """Say what is doubtful about where an image lies, and whether left and right are certain."""
    with np.errstate(all="ignore"):
        return _compared(image)


def _compared(image: NiftiImage) -> tuple[str, bool]:
    codes = [_code(image.header, f"{form}_code") for form in ("sform", "qform")]
    if not any(codes):
        said = "does not say where it lies (sform and qform have code 0)"
        return f"{said}; the size of its voxels was used, with the first ones on the right", False
    if not all(codes):
        return "", True
    names = [CODES[code] if code < len(CODES) else str(code) for code in codes]
    try:
        other = np.asarray(image.header.get_qform(), np.float64)
    except (HeaderDataError, ValueError):
        other = np.full((4, 4), np.nan)
    if not np.isfinite(other).all():
        return "has a qform that cannot be read; the sform was used", True
    ends = np.array(list(np.ndindex(2, 2, 2))) * (np.array(image.shape[:3]) - 1)
    between = image.affine - other
    apart = np.linalg.norm(ends @ between[:3, :3].T + between[:3, 3], axis=1)
    if apart.max() <= AGREE * np.linalg.norm(image.affine[:3, :3], axis=0).min():
        return "", True
    turned = _sides_differ(image.affine, other)
    sides = ", left and right the other way round" if turned else ""
    said = f"has an sform ({names[0]}) and a qform ({names[1]}) that differ by up to {apart.max():.3g} mm"
    return f"{said}{sides}; the sform was used", not turned


def _sides_differ(first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    """Tell whether one affine mirrors the other, or turns its left to the right."""
    mirrored = np.linalg.det(first[:3, :3]) * np.linalg.det(second[:3, :3]) < 0
    return bool(mirrored or first[0, :3] @ second[0, :3] < 0)


def space_of(path: Path) -> str | None:
    """Read the entity ``space`` of a BIDS file name, or ``tpl`` of a template's."""
    match = SPACE.search(path.name)
    return match[1] if match else None
