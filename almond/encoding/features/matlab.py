"""Arrays in MATLAB files: version 5 (and 4) by scipy, version 7.3, which is HDF5, by h5py."""

from __future__ import annotations

import zlib
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


class Variable(NamedTuple):
    """A variable of a file; ``shape`` as MATLAB shows it, ``kind`` its MATLAB class."""

    name: str
    shape: tuple[int, ...]
    kind: str

    @property
    def is_array(self) -> bool:
        """Whether it holds numbers, and more than one of them."""
        return self.kind in NUMERIC and int(np.prod(self.shape)) > 1

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
        hdf = bool(h5py.is_hdf5(path))
        variables = _listed_hdf(path) if hdf else _listed_old(path)
        variable = _choose(path, variables, name)
        array = _read_hdf(path, variable.name) if hdf else _read_old(path, variable.name)
    except (
        MatReadError,
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


def _listed_old(path: Path) -> list[Variable]:
    return [Variable(name, tuple(shape), kind) for name, shape, kind in scipy.io.whosmat(str(path))]


def _read_old(path: Path, name: str) -> NDArray[Any]:
    array = scipy.io.loadmat(str(path), variable_names=[name])[name]
    return np.asarray(array)


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
        return np.asarray(stored[name][()]).T
