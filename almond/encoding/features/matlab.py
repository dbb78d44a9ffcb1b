"""Arrays in MATLAB files: versions 5 and 4, and version 7.3, which is HDF5, by h5py.

What a file promises is held against its size first: libraries allocate what they are told to.
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
from almond.files.arrays import DAMAGE

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

ORDERS = {b"IM": "<", b"MI": ">"}
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""Types of elements in a file of version 5 that hold numbers."""

CLASSES = {
    **dict(enumerate(("cell", "struct", "object", "char", "sparse", "double", "single"), start=1)),
    **dict(enumerate((f"{sign}int{bits}" for bits in (8, 16, 32, 64) for sign in ("", "u")), start=8)),
    **dict(enumerate(("function", "opaque", "object"), start=16)),
}
"""Classes of variables in a file of version 5."""

LOGICAL, COMPLEX = 0x200, 0x800
"""Flags of a variable in a file of version 5."""

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
            called = _choose(path, _listed_hdf(path), name).name
            array = _read_hdf(path, called)
        else:
            raw = path.read_bytes()
            is_5 = raw[FIRST - 2 : FIRST] in ORDERS and 0 not in raw[:4]
            called, array = (_read_5 if is_5 else _read_4)(path, raw, name)
    except (*DAMAGE, MatReadError, struct.error, StopIteration, AttributeError, IndexError) as error:
        raise InputError(path, f"cannot be read ({error})", "a MATLAB file of version 4 to 7.3") from error
    if np.iscomplexobj(array) or array.dtype.names:
        raise InputError(path, f"{called} holds complex numbers", "real numbers")
    if array.dtype.kind not in "biuf":
        raise InputError(path, f"{called} holds values of type {array.dtype}", "real numbers")
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


class Matrix(NamedTuple):
    """A variable of a file of version 5 and where its real part lies: its type, and the bytes of it."""

    variable: Variable
    kind: int
    data: memoryview
    is_complex: bool


def _matrices(raw: bytes) -> list[Matrix]:
    """List the variables of a file of version 5.

    Our own instead of scipy's reader, which crashes the process at some damaged files.

    :raises ValueError: an element says that it is longer than what holds it, or two variables have one name.
    """
    order = ORDERS[raw[FIRST - 2 : FIRST]]
    matrices = []
    for kind, content in _elements(memoryview(raw)[FIRST:], order):
        inside = [(kind, content)]
        if kind == COMPRESSED:
            inside = list(_elements(memoryview(zlib.decompress(content)), order))
        matrices += [_matrix(part, order) for kind, part in inside if kind == MATRIX and len(part)]
    named = [matrix for matrix in matrices if matrix.variable.name]  # others hold parts of objects
    names = [matrix.variable.name for matrix in named]
    if len(set(names)) < len(names):
        raise ValueError(f"two variables are called {max(names, key=names.count)}")
    return named


def _elements(raw: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Yield type and content of each element."""
    start = 0
    while start + 8 <= len(raw):
        kind, size = struct.unpack_from(f"{order}II", raw, start)
        small = kind >> 16  # up to four bytes that stand in the tag itself
        first = start + (4 if small else 8)
        size, kind = (small, kind & 0xFFFF) if small else (size, kind)
        if size > (4 if small else len(raw) - first):
            raise ValueError(f"an element promises {size} bytes, {len(raw) - first} are left")
        yield kind, raw[first : first + size]
        # Elements are padded to eight bytes, all but compressed ones.
        start = start + 8 if small else first + size + (0 if kind == COMPRESSED else -size % 8)


def _matrix(raw: memoryview, order: str) -> Matrix:
    """Read flags, shape, name and where the real part is; objects have neither shape nor real part."""
    parts = _elements(raw, order)
    flags = struct.unpack_from(f"{order}I", next(parts)[1])[0]
    kind = "logical" if flags & LOGICAL else CLASSES.get(flags & 0xFF, "unknown")
    if kind not in (*NUMERIC, "cell", "struct", "char", "sparse", "object"):
        return Matrix(
            Variable(bytes(next(parts)[1]).decode("latin-1"), (1, 1), kind), 0, memoryview(b""), False
        )
    axes = next(parts)[1]
    shape = struct.unpack(f"{order}{len(axes) // 4}i", axes[: len(axes) // 4 * 4])
    variable = Variable(bytes(next(parts)[1]).decode("latin-1"), shape, kind)
    data = next(parts, (0, memoryview(b"")))
    return Matrix(variable, *data, bool(flags & COMPLEX))


def _numbers_of(matrix: Matrix, order: str) -> NDArray[Any]:
    if matrix.is_complex:
        return np.zeros(1, np.complex128)
    variable, kind = matrix.variable, np.dtype(f"{order}{STORED[matrix.kind]}")
    wanted = math.prod(variable.shape)
    if min(variable.shape, default=0) < 0 or len(matrix.data) != wanted * kind.itemsize:
        raise ValueError(f"{variable} has {len(matrix.data)} bytes of numbers")
    return np.frombuffer(matrix.data, kind).reshape(variable.shape, order="F")


def _read_5(path: Path, raw: bytes, name: str | None) -> tuple[str, NDArray[Any]]:
    matrices = {matrix.variable.name: matrix for matrix in _matrices(raw)}
    variable = _choose(path, [matrix.variable for matrix in matrices.values()], name)
    return variable.name, _numbers_of(matrices[variable.name], ORDERS[raw[FIRST - 2 : FIRST]])


def _read_4(path: Path, raw: bytes, name: str | None) -> tuple[str, NDArray[Any]]:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        listed = scipy.io.whosmat(io.BytesIO(raw))
        variable = _choose(path, [Variable(name, tuple(shape), kind) for name, shape, kind in listed], name)
        array = scipy.io.loadmat(io.BytesIO(raw), variable_names=[variable.name])[variable.name]
    return variable.name, np.asarray(array)


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
