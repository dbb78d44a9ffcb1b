"""Arrays in numpy's files, checked before anything is allocated: a header may promise what is not there."""

from __future__ import annotations

import math
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from almond.errors import InputError

PIECE = 1 << 20
LONGEST_HEADER = 10_000
"""Bytes; numpy's own limit for headers of files that are not trusted."""

DAMAGE = (
    ValueError,
    TypeError,
    OSError,
    EOFError,
    KeyError,
    RuntimeError,
    NotImplementedError,
    SyntaxError,
    MemoryError,
    OverflowError,
    tokenize.TokenError,
    zlib.error,
    zipfile.BadZipFile,
)
"""What Python and numpy raise at bytes that are no array."""


def read_npy(path: Path) -> NDArray[Any]:
    """Read the array of an .npy file.

    :raises InputError: it is none, holds Python objects, or less than its header promises.
    """
    try:
        with path.open("rb") as stream:
            _check_promise(stream, path.stat().st_size, path, path.name)
            stream.seek(0)
            return _loaded(stream)
    except DAMAGE as error:
        raise _unreadable(path, error, "an .npy file") from error


def read_npz(path: Path, names: Iterable[str] | None = None) -> dict[str, NDArray[Any]]:
    """Read the arrays of an .npz file by their names: all of them, or those of ``names`` that it has.

    :raises InputError: it is none, an array holds Python objects, or less than its header promises, or a
        check sum does not fit.
    """
    wanted = None if names is None else set(names)
    arrays = {}
    try:
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            for entry in archive.infolist():
                name = entry.filename.removesuffix(".npy")
                if name != entry.filename and (wanted is None or name in wanted):
                    arrays[name] = _member(archive, entry, path)
    except DAMAGE as error:
        raise _unreadable(path, error, "an .npz file") from error
    return arrays


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> NDArray[Any]:
    with archive.open(entry) as inside:  # to the end, where zipfile looks at the check sum
        piece = min(PIECE, path.stat().st_size)
        size = sum(map(len, iter(lambda: inside.read(piece), b"")))
    with archive.open(entry) as inside:
        _check_promise(inside, size, path, entry.filename)
    with archive.open(entry) as inside:
        return _loaded(inside)


def _check_promise(stream: Any, size: int, path: Path, name: str) -> None:
    version = npy.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise InputError(
            path, f"{name} has the format {version[0]}.{version[1]}", "an array of plain numbers"
        )
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Python 2's own way to write a shape, which numpy still reads
        shape, _, kind = read(stream, max_header_size=LONGEST_HEADER)
    if kind.hasobject or kind.names is not None:
        raise InputError(path, f"{name} holds values of type {kind}", "an array of plain numbers or text")
    if any(not isinstance(length, int) or length < 0 for length in shape):
        raise InputError(path, f"{name} says that it has the shape {shape}", "lengths of 0 or more")
    promised = math.prod(shape) * kind.itemsize
    held = size - stream.tell()
    if promised > held:
        raise InputError(
            path,
            f"{name} ends early: its header promises {promised} bytes of values, it holds {held}",
            "an intact file: copy or write it again",
        )


def _loaded(stream: BinaryIO | Any) -> NDArray[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(npy.read_array(stream, allow_pickle=False, max_header_size=LONGEST_HEADER))


def _unreadable(path: Path, error: Exception, what: str) -> InputError:
    return InputError(path, f"cannot be read ({error})", what)
