"""NIfTI files: opened lazily, read inside a mask; maps of values at voxels written."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from almond.encoding.bold.sidecars import check_fetched
from almond.errors import InputError
from almond.files import write_atomically
from almond.typing import AnyFloats, Indices

BLOCK = 1 << 20
"""Bytes of a compressed file that are read at a time."""

CODES = ("unknown", "scanner", "aligned", "talairach", "mni")
SPACE = re.compile(r"(?:^|_)(?:space|tpl)-([A-Za-z0-9+]+)")
SMALLEST_VOXEL = 1e-9
"""Cubic millimetres."""

GZIP = 31
"""Window size that makes zlib read gzip's own header and check sum."""


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

    @classmethod
    def from_json(cls, grid: Mapping[str, Any]) -> Grid:
        """Read ``shape`` and ``affine`` as artifacts store them."""
        shape = tuple(int(side) for side in grid["shape"])
        return cls(shape, np.asarray(grid["affine"], np.float64))


def load_nifti(path: Path) -> Any:
    """Open a NIfTI image whose data stay on disk.

    :raises InputError: it is none; the message names the file.
    """
    check_fetched(path)
    if not path.is_file():
        raise InputError(path, "file not found", "a NIfTI file")
    try:
        image = nibabel.load(path)
    except (ImageFileError, OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError(
            path, f"is not a readable NIfTI file ({error})", "an intact .nii or .nii.gz"
        ) from error
    if not isinstance(image, nibabel.nifti1.Nifti1Image):
        raise InputError(path, f"is {type(image).__name__}, not NIfTI", "a .nii or .nii.gz file")
    return image


def grid_of(image: Any, path: Path | None = None) -> Grid:
    """Read the voxel grid of an image, with what the name of its file and its header say of its space.

    :raises InputError: an affine that maps no volume.
    """
    volume = abs(float(np.linalg.det(image.affine[:3, :3])))
    if not volume > SMALLEST_VOXEL:
        raise InputError(path or image.get_filename(), "has an affine without volume", "a valid header")
    shape = tuple(int(side) for side in image.shape[:3])
    code = int(image.header["sform_code"]) or int(image.header["qform_code"])
    known = CODES[code] if 0 <= code < len(CODES) else "unknown"
    space = None if path is None else space_of(path)
    return Grid(shape, np.asarray(image.affine, np.float64), space, known, path.name if path else "")


def space_of(path: Path) -> str | None:
    """Read the entity ``space`` of a BIDS file name, or ``tpl`` of a template's."""
    match = SPACE.search(path.name)
    return match[1] if match else None


def read_masked(
    path: Path,
    voxels: NDArray[np.int64],
    volumes: tuple[int, int] | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Read the time courses (n, V) of voxels (V, 3), one volume at a time, inside the mask only.

    Only pages of the file that hold these voxels are read where it is uncompressed (a memory map); a
    compressed file is streamed through once, from its start to the last volume wanted. Beside the result one
    volume is held. ``out`` takes the numbers instead of a new float64 array, such as a float32 memory map.

    Values that are not numbers stay as they are.

    :raises InputError: not a 4-D NIfTI, truncated or damaged data, volumes beyond its end, voxels outside it;
        the message names the file.
    """
    image = load_nifti(path)
    if len(image.shape) != 4:
        raise InputError(path, f"has shape {image.shape}", "a 4-D BOLD run")
    start, stop = volumes or (0, image.shape[3])
    if not 0 <= start < stop <= image.shape[3]:
        raise InputError(
            path, f"has {image.shape[3]} volumes, not {start} to {stop}", "volumes inside the file"
        )
    if len(voxels) and ((voxels < 0) | (voxels >= image.shape[:3])).any():
        raise InputError(path, f"has shape {image.shape}, the mask has voxels outside it", "the mask's grid")
    flat = np.ravel_multi_index(tuple(voxels.T), image.shape[:3], order="F")
    courses = np.empty((stop - start, len(voxels))) if out is None else out
    slope, shift = float(image.dataobj.slope), float(image.dataobj.inter)
    for row, volume in enumerate(_volumes(image, path, start, stop)):
        courses[row] = volume[flat] * slope + shift
    return courses


def _volumes(image: Any, path: Path, start: int, stop: int) -> Iterator[NDArray[Any]]:
    """Yield the unscaled volumes of a 4-D image, each flat in the file's order (x fastest)."""
    kind = np.dtype(image.dataobj.dtype)
    if kind.kind not in "iuf":
        raise InputError(path, f"holds values of the kind {kind}", "whole or real numbers")
    length, offset = int(np.prod(image.shape[:3])), int(image.dataobj.offset)
    if path.name.endswith(".gz"):
        size = length * kind.itemsize
        yield from (
            np.frombuffer(raw, kind) for raw in _unzipped(path, offset + start * size, size, stop - start)
        )
        return
    try:
        data = np.memmap(path, kind, mode="r", offset=offset, shape=(image.shape[3], length))
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error
    yield from data[start:stop]


def _unzipped(path: Path, offset: int, size: int, count: int) -> Iterator[bytearray]:
    """Yield ``count`` pieces of ``size`` bytes of a gzip file's content from ``offset`` on; never go back."""
    piece, filled, done = bytearray(size), 0, 0
    for data in _inflated(path):
        view = memoryview(data)
        skipped = min(offset, len(view))
        view, offset = view[skipped:], offset - skipped
        while len(view):
            taken = min(size - filled, len(view))
            piece[filled : filled + taken] = view[:taken]
            view, filled = view[taken:], filled + taken
            if filled == size:
                yield piece
                filled, done = 0, done + 1
                if done == count:
                    return
    raise _damaged(path, f"{done} of {count} volumes")


def _inflated(path: Path) -> Iterator[bytes]:
    """Yield the content of a gzip file, of one or several members, in pieces of bounded size."""
    try:
        with path.open("rb") as stream:
            unzip = zlib.decompressobj(GZIP)
            data = stream.read(BLOCK)
            while data:
                yield unzip.decompress(data, 4 * BLOCK)
                if unzip.eof and unzip.unused_data.strip(b"\0"):
                    data, unzip = unzip.unused_data, zlib.decompressobj(GZIP)
                else:
                    data = unzip.unconsumed_tail
                data = data or stream.read(BLOCK)
    except (OSError, zlib.error) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, why: object) -> InputError:
    return InputError(path, f"its data end early or are damaged ({why})", "an intact NIfTI file")


def read_data(image: Any, path: Path, index: Any = ...) -> NDArray[np.float64]:
    """Read part of an image's data.

    :raises InputError: they end early or are damaged; the message names the file.
    """
    try:
        return np.asarray(image.dataobj[index], np.float64)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise _damaged(path, error) from error


def volume_of(values: AnyFloats, voxels: Indices, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Put values (V,) at their voxels (V, 3) into a volume that is NaN elsewhere.

    :raises InputError: a voxel outside the grid.
    """
    if len(voxels) and (voxels.min() < 0 or (voxels.max(axis=0) >= np.array(shape)).any()):
        raise InputError("grid", f"a voxel lies outside {shape}", "the grid of the BOLD")
    volume = np.full(shape, np.nan, np.float32)
    volume[tuple(voxels.T)] = values
    return volume


def write_map(
    path: Path,
    values: AnyFloats,
    voxels: Indices,
    grid: Grid,
    *,
    code: int | None = None,
    units: str | None = "mm",
    compression: int = 1,
) -> None:
    """Write a map as float32 NIfTI, whole or not at all; the same values give the same bytes.

    :param values: (V,) one per voxel; everything else is NaN.
    :param voxels: (V, 3) indices on the grid.
    :param code: of sform and qform, such as 1 for scanner coordinates; None: sform 2 (aligned), qform 0.
    :param units: of space, as the header says them; None says nothing.
    :param compression: of gzip, 1 (fast) to 9, where the name ends in ``.gz``.
    :raises InputError: a voxel outside the grid.
    """
    image: Any = nibabel.Nifti1Image(volume_of(values, voxels, grid.shape), grid.affine)  # type: ignore[no-untyped-call]
    if units is not None:
        image.header.set_xyzt_units(units)
    if code is not None:
        image.set_sform(grid.affine, code=code)
        image.set_qform(grid.affine, code=code)
    content: bytes = image.to_bytes()
    if path.name.endswith(".gz"):
        packed = io.BytesIO()
        with gzip.GzipFile("", "wb", compression, packed, mtime=0) as stream:
            stream.write(content)
        content = packed.getvalue()
    write_atomically(path, content)
