"""NIfTI files: opened lazily, read inside a mask; maps of values at voxels written."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from almond.encoding.bold.gzipped import content_size, damaged, inflated, is_gzip
from almond.encoding.bold.nifti_headers import START, Grid, NiftiImage, grid_of, image_of
from almond.encoding.bold.sidecars import check_fetched
from almond.errors import InputError
from almond.files.writing import write_atomically
from almond.typing import AnyFloats, Indices

__all__ = [
    "Grid",
    "NiftiImage",
    "grid_of",
    "load_nifti",
    "read_data",
    "read_masked",
    "volume_of",
    "write_map",
]


def load_nifti(path: Path) -> NiftiImage:
    """Open a NIfTI image whose data stay on disk.

    Compressed or not is told by the first bytes, not by the name. A compressed file is read to its check sum
    the first time that a process opens it.

    :raises InputError: it is none, its header cannot be right, it holds less than its header promises, or its
        check sum does not fit; the message names the file.
    """
    check_fetched(path)
    if not path.is_file():
        raise InputError(path, "file not found", "a NIfTI file")
    try:
        compressed = is_gzip(path)
        size = content_size(path) if compressed else path.stat().st_size
        start = _start(path, compressed)
    except OSError as error:
        raise InputError(path, f"cannot be read ({error})", "a .nii or .nii.gz file") from error
    return image_of(start, path, size, compressed=compressed)


def _start(path: Path, compressed: bool) -> bytes:
    if not compressed:
        with path.open("rb") as stream:
            return stream.read(START)
    start = b""
    for piece in inflated(path):
        start += piece[: START - len(start)]
        if len(start) == START:
            break
    return start


def read_masked(
    path: Path,
    voxels: NDArray[np.int64],
    volumes: tuple[int, int] | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Read the time courses (n, V) of voxels (V, 3), one volume at a time, inside the mask only.

    Only pages of the file that hold these voxels are read where it is uncompressed (a memory map); a
    compressed file is streamed through, from its start to the last volume wanted. Beside the result one
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
    for row, volume in enumerate(_volumes(image, start, stop)):
        with np.errstate(over="ignore", invalid="ignore"):
            courses[row] = volume[flat] * image.slope + image.shift
    return courses


def read_data(image: NiftiImage, count: int | None = None) -> NDArray[np.float64]:
    """Read an image's data, or its first ``count`` volumes, in the image's shape.

    :raises InputError: they end early or are damaged; the message names the file.
    """
    total = int(np.prod(image.shape[3:], dtype=np.int64))
    count = total if count is None else min(count, total)
    values = np.empty((*image.shape[:3], count), np.float64, order="F")
    with np.errstate(over="ignore", invalid="ignore"):
        for number, volume in enumerate(_volumes(image, 0, count)):
            values[..., number] = volume.reshape(image.shape[:3], order="F")
        if (image.slope, image.shift) != (1.0, 0.0):
            values *= image.slope
            values += image.shift
    return values.reshape(image.shape if count == total else values.shape, order="F")


def _volumes(image: NiftiImage, start: int, stop: int) -> Iterator[NDArray[Any]]:
    """Yield the unscaled volumes of an image, each flat in the file's order (x fastest)."""
    length = int(np.prod(image.shape[:3], dtype=np.int64))
    if image.compressed:
        size = length * image.kind.itemsize
        pieces = _pieces(image.path, image.offset + start * size, size)
        for number in range(start, stop):
            raw = next(pieces, None)
            if raw is None:
                raise damaged(image.path, f"{number} of {stop} volumes")
            yield np.frombuffer(raw, image.kind)
        return
    total = int(np.prod(image.shape[3:], dtype=np.int64))
    try:
        data = np.memmap(image.path, image.kind, mode="r", offset=image.offset, shape=(total, length))
    except (OSError, ValueError) as error:
        raise damaged(image.path, error) from error
    yield from data[start:stop]


def _pieces(path: Path, offset: int, size: int) -> Iterator[bytearray]:
    """Yield pieces of ``size`` bytes of a gzip file's content from ``offset`` on, each in the same memory."""
    piece, filled = bytearray(size), 0
    for data in inflated(path):
        view = memoryview(data)
        skipped = min(offset, len(view))
        view, offset = view[skipped:], offset - skipped
        while len(view):
            taken = min(size - filled, len(view))
            piece[filled : filled + taken] = view[:taken]
            view, filled = view[taken:], filled + taken
            if filled == size:
                yield piece
                filled = 0


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
