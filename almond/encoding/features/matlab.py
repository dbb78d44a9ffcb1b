"""Arrays in MATLAB files: version 5 (and 4) by scipy, version 7.3, which is HDF5, by h5py.

What a file promises is held against its size first: both libraries allocate what they are told to.
"""

from __future__ import annotations

import io
import math
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import scipy.io
from numpy.typing import NDArray
from scipy.io.matlab import MatReadError

from almond.errors import InputError

NUMERIC = (
    "double",
    "single",
    "logical",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
)
"""MATLAB's classes that hold numbers."""

WHAT = {
    "cell": "a cell array; use cell2mat",
    "char": "text",
    "struct": "a struct; save the field as a variable of its own",
    "sparse": "a sparse matrix; save full(x)",
    "opaque": "an object, such as a table; use table2array",
    "object": "an object; save its numbers",
    "function": "a function",
    "unknown": "no array that MATLAB wrote",
}


MATRIX, COMPRESSED = 14, 15
"""Types of elements in a file of version 5 that hold others."""

FIRST = 128
"""Byte of a file of version 5 at which its elements begin."""

DEEPEST = 32
MOST_DEFLATED = 1032
"""Times that a compressed piece can grow: the bound of the method."""


class Variable(NamedTuple):
    """A variable of a file; ``shape`` as MATLAB shows it, ``kind`` its MATLAB class."""

    name: str
    shape: tuple[int, ...]
    kind: str

    @property
    def is_array(self) -> bool:
        """Whether it holds numbers, and more than one of them."""
        return self.kind in NUMERIC and math.prod(map(int, self.shape)) > 1

    def __str__(self) -> str:
        return f"{self.name} ({' x '.join(map(str, self.shape))} {self.kind})"


def read_variable(path: Path, name: str | None) -> NDArray[np.float64]:
    """Read a numeric array in the orientation that MATLAB shows, as float64.

    Without a name the file must hold one such array; scalars, text, cells and structs are no candidates.

    :raises InputError: no MATLAB file, no such variable, several candidates, not real numbers.
    """
    if not path.is_file():
        raise InputError(path, "file not found", "a .mat file")
    try:
        if h5py.is_hdf5(path):
            variable = _choose(path, _listed_hdf(path), name)
            array = _read_hdf(path, variable.name)
        else:
            content = _whole(path.read_bytes())
            variable = _choose(path, _listed_old(content), name)
            array = _read_old(content, variable.name)
    except (
        MatReadError,
        struct.error,
        AttributeError,
        IndexError,
        NotImplementedError,
        OverflowError,
        MemoryError,
        RecursionError,
        zlib.error,
        ValueError,
        TypeError,
        KeyError,
        EOFError,
        OSError,
        RuntimeError,
    ) as error:
        raise InputError(path, f"cannot be read ({error})", "a MATLAB file of version 4 to 7.3") from error
    if np.iscomplexobj(array) or array.dtype.names:
        raise InputError(path, f"{variable.name} holds complex numbers", "real numbers")
    if array.dtype.kind not in "biuf":
        raise InputError(path, f"{variable.name} holds values of type {array.dtype}", "real numbers")
    return array.astype(np.float64, copy=False)


def _choose(path: Path, variables: list[Variable], name: str | None) -> Variable:
    arrays = [variable for variable in variables if variable.is_array]
    listed = ", ".join(map(str, variables)) or "nothing"
    if name is None:
        if len(arrays) != 1:
            problem = "holds several arrays" if arrays else "holds no array of numbers"
            raise InputError(path, f"{problem}: {listed}", "variable: NAME" if arrays else "an array")
        return arrays[0]
    named = [variable for variable in variables if variable.name == name]
    if not named:
        raise InputError(path, f"has no variable {name}", f"one of {listed}")
    if named[0].kind not in NUMERIC:
        raise InputError(path, f"{name} is {WHAT.get(named[0].kind, named[0].kind)}", "an array of numbers")
    return named[0]


def _whole(raw: bytes) -> bytes:
    """Unpack a file of version 5, whose parts must all lie inside it; others as they are.

    :raises ValueError: an element says that it is longer than what holds it.
    """
    order = {b"IM": "<", b"MI": ">"}.get(raw[FIRST - 2 : FIRST])
    if order is None or 0 in raw[:4]:
        return raw
    elements = [raw[:FIRST]]
    for kind, start, stop in _elements(raw, FIRST, len(raw), order):
        element = zlib.decompress(raw[start:stop]) if kind == COMPRESSED else raw[start - 8 : stop]
        _check_inside(element, 0, len(element), order)
        elements.append(element.ljust(-(-len(element) // 8) * 8, b"\0"))
    return b"".join(elements)


def _elements(raw: bytes, start: int, stop: int, order: str) -> Iterator[tuple[int, int, int]]:
    """Yield type, first and last byte of each element between two bytes."""
    while start + 8 <= stop:
        kind, size = struct.unpack_from(f"{order}II", raw, start)
        small = kind >> 16  # up to four bytes that stand in the tag itself
        first = start + (4 if small else 8)
        size, kind = (small, kind & 0xFFFF) if small else (size, kind)
        if size > (4 if small else stop - first):
            raise ValueError(f"an element at byte {start} promises {size} bytes, {stop - first} are left")
        yield kind, first, first + size
        # Elements are padded to eight bytes, all but compressed ones.
        start = start + 8 if small else first + size + (0 if kind == COMPRESSED else -size % 8)


def _check_inside(raw: bytes, start: int, stop: int, order: str, depth: int = 0) -> None:
    if depth > DEEPEST:
        raise ValueError(f"its parts are nested deeper than {DEEPEST} levels")
    for kind, first, last in _elements(raw, start, stop, order):
        if kind == MATRIX:
            _check_inside(raw, first, last, order, depth + 1)


def _listed_old(content: bytes) -> list[Variable]:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        listed = scipy.io.whosmat(io.BytesIO(content))
    return [Variable(name, tuple(shape), kind) for name, shape, kind in listed]


def _read_old(content: bytes, name: str) -> NDArray[Any]:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(scipy.io.loadmat(io.BytesIO(content), variable_names=[name])[name])


def _listed_hdf(path: Path) -> list[Variable]:
    with h5py.File(path, "r") as stored:
        return [_variable(name, stored[name]) for name in stored if not name.startswith("#")]


def _variable(name: str, item: Any) -> Variable:
    """Describe a dataset, whose axes are reversed, or a group: a struct or a sparse matrix."""
    matlab_class = item.attrs.get("MATLAB_class", b"unknown")
    kind = matlab_class.decode() if isinstance(matlab_class, bytes) else str(matlab_class)
    if isinstance(item, h5py.Group):
        return Variable(name, (1, 1), "sparse" if "MATLAB_sparse" in item.attrs else "struct")
    if "MATLAB_empty" in item.attrs:
        return Variable(name, (0, 0), kind)
    return Variable(name, tuple(item.shape[::-1]), kind)


def _read_hdf(path: Path, name: str) -> NDArray[Any]:
    with h5py.File(path, "r") as stored:
        if not isinstance(stored.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{name} lies in another place")
        dataset = stored[name]
        _check_stored(dataset, path.stat().st_size)
        return np.asarray(dataset[()]).T


def _check_stored(dataset: Any, size: int) -> None:
    """Refuse a dataset that is not all in the file: HDF5 fills with zeros what was never written.

    :raises ValueError: it is not.
    """
    if dataset.is_virtual or dataset.external:
        raise ValueError(f"{dataset.name} lies in another file")
    promised = math.prod(map(int, dataset.shape)) * dataset.dtype.itemsize
    held = int(dataset.id.get_storage_size())
    most = held
    if dataset.chunks:
        wanted = math.prod(-(-n // chunk) for n, chunk in zip(dataset.shape, dataset.chunks, strict=True))
        if dataset.id.get_num_chunks() < wanted:
            raise ValueError(f"{dataset.id.get_num_chunks()} of {wanted} pieces of {dataset.name} are there")
        most = held * MOST_DEFLATED if dataset.id.get_create_plist().get_nfilters() else held
    if promised > most or held > size:
        raise ValueError(f"{dataset.name} promises {promised} bytes, {held} are stored")
