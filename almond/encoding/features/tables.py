"""Feature tables computed elsewhere: CSV, TSV, Parquet, .npy, .npz, .mat. One row per frame, volume or
stimulus once they are read, whichever way the file holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from almond.encoding.config.features import TABLES
from almond.encoding.features.matlab import read_variable
from almond.errors import InputError
from almond.files.arrays import read_npy, read_npz
from almond.tables import read_numbers

KEY = "stim_file"
"""The column (or array in an .npz) that names the stimulus of each row, as BIDS events do."""

ROWS = ("time", "features")

VALUES = "values"
"""The array of an .npz that is taken when none is named."""

WITH_HEADER = (".csv", ".tsv", ".parquet")


@dataclass(frozen=True)
class FeatureTable:
    """Features (n, D) float64 with the names of the columns; ``keys`` name the rows' stimuli where given."""

    names: tuple[str, ...]
    values: NDArray[np.float64]
    keys: tuple[str, ...] | None = None


@dataclass(frozen=True)
class _Matrix:
    """A file's matrix as it stands; names and keys only where the file gives them."""

    values: NDArray[np.float64]
    names: tuple[str, ...] | None = None
    keys: tuple[str, ...] | None = None

    @property
    def labelled(self) -> bool:
        """Whether the file itself says which axis holds the features."""
        return self.names is not None or self.keys is not None


def load_table(
    path: Path,
    *,
    variable: str | None = None,
    rows: str | None = None,
    expected_rows: int | None = None,
) -> FeatureTable:
    """Read a table of features.

    CSV, TSV (see ``read_numbers``) and Parquet have named columns; a column ``stim_file`` names the stimuli,
    every other column is a feature. An .npy holds one matrix; an .npz the array ``values`` (or ``variable``)
    and optionally ``names`` and ``stim_file``; a .mat one matrix, or ``variable`` of several.

    :param rows: ``time``: a row of the file is a frame, volume or stimulus; ``features``: a row is a feature.
        Not given, the file is taken as it stands, (n, D), if nothing speaks against it: a square matrix
        without names, a number of rows that is not ``expected_rows``, and a .mat whose expected rows are
        unknown are errors that say what both readings would be.
    :param expected_rows: how many rows the caller needs (frames, volumes), where it knows.
    :raises InputError: no such file, another kind of file, not numbers, not two-dimensional, missing values,
        an orientation that is not certain.
    """
    if path.suffix not in TABLES or not path.is_file():
        raise InputError(path, "is not a table of features", f"a {', '.join(TABLES)} file")
    if rows is not None and rows not in ROWS:
        raise InputError("rows", f"is {rows!r}", " or ".join(ROWS))
    try:
        matrix = _read(path, variable or None)
    except (ValueError, EOFError, OSError, KeyError) as error:
        raise InputError(
            path, f"cannot be read ({error})", "a table of numbers with one header row"
        ) from error
    if matrix.values.ndim != 2 or 0 in matrix.values.shape:
        raise InputError(path, f"has shape {matrix.values.shape}", "rows and columns of features")
    if rows is None:
        _check_as_it_stands(matrix, expected_rows, path)
    return _checked(_turned(matrix) if rows == "features" else matrix, expected_rows, path)


def _read(path: Path, variable: str | None) -> _Matrix:
    if path.suffix == ".mat":
        array = read_variable(path, variable)
        return _Matrix(array if array.ndim == 2 else array.squeeze())  # 1 x 1 x D x n, as layers give it
    if path.suffix == ".npz":
        return _read_npz(path, variable)
    if variable is not None:
        raise InputError(path, "holds one table, so that variable has no meaning", "no variable")
    if path.suffix == ".npy":
        return _Matrix(_numbers(read_npy(path), path))
    return _read_parquet(path) if path.suffix == ".parquet" else _read_text(path)


def _read_text(path: Path) -> _Matrix:
    table = read_numbers(path, text=(KEY,))
    return _Matrix(table.values, table.names, table.texts[KEY].texts() if KEY in table.texts else None)


def _read_parquet(path: Path) -> _Matrix:
    frame = pd.read_parquet(path)
    keys = None
    if KEY in frame:
        column = frame.pop(KEY)
        if column.isna().any():
            raise InputError(path, f"row {int(column.isna().argmax()) + 1} has no {KEY}", "one in every row")
        keys = tuple(column.astype(str))
    words = [str(name) for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
    if words:
        raise InputError(path, f"column {words[0]} does not hold numbers", f"numbers, or a column {KEY}")
    return _Matrix(frame.to_numpy(np.float64), tuple(map(str, frame.columns)), keys)


def _read_npz(path: Path, variable: str | None) -> _Matrix:
    arrays = read_npz(path)
    name = variable or _only_matrix(arrays, path)
    if name not in arrays:
        raise InputError(path, f"has no array {name}", f"one of {', '.join(arrays)}")
    values = _numbers(arrays[name], path)
    return _Matrix(values, _texts(arrays, "names", path), _texts(arrays, KEY, path))


def _texts(arrays: Mapping[str, NDArray[Any]], name: str, path: Path) -> tuple[str, ...] | None:
    if name not in arrays:
        return None
    if arrays[name].ndim != 1:
        raise InputError(path, f"{name} has shape {arrays[name].shape}", "a list of names")
    return tuple(map(str, arrays[name]))


def _only_matrix(arrays: Mapping[str, NDArray[Any]], path: Path) -> str:
    if VALUES in arrays:
        return VALUES
    matrices = [name for name, array in arrays.items() if array.ndim == 2 and array.dtype.kind in "biuf"]
    if len(matrices) == 1:
        return str(matrices[0])
    listed = ", ".join(f"{name} {array.shape}" for name, array in arrays.items()) or "nothing"
    problem = "holds several matrices" if matrices else "holds no matrix of numbers"
    raise InputError(path, f"{problem}: {listed}", "variable: NAME" if matrices else f"an array {VALUES}")


def _numbers(array: NDArray[Any], path: Path) -> NDArray[np.float64]:
    if array.dtype.kind not in "biuf":
        raise InputError(path, f"holds values of type {array.dtype}", "real numbers")
    return np.asarray(array, np.float64)


def _check_as_it_stands(matrix: _Matrix, expected: int | None, path: Path) -> None:
    """Refuse a matrix whose orientation could only be guessed."""
    n, d = matrix.values.shape
    both = f"rows: time would read {n} rows of {d} features, rows: features {d} rows of {n} features"
    if n == d and not matrix.labelled:
        raise InputError(path, f"is square ({n} x {d}); {both}", "rows: time or rows: features")
    if expected is None:
        if path.suffix == ".mat":
            raise InputError(path, f"does not say what its rows are; {both}", "rows: time or rows: features")
    elif n != expected:
        raise InputError(path, f"is {n} x {d}; {both}", f"{expected} rows: {_advice(d == expected)}")


def _advice(other_fits: bool) -> str:
    return "rows: features would fit" if other_fits else "neither reading fits"


def _turned(matrix: _Matrix) -> _Matrix:
    """Turn columns of the file into rows; their names go, so that a column of keys makes no sense."""
    return _Matrix(np.ascontiguousarray(matrix.values.T))


def _checked(matrix: _Matrix, expected: int | None, path: Path) -> FeatureTable:
    values = matrix.values
    names = matrix.names
    if names is None:
        names = tuple(f"feature_{index}" for index in range(values.shape[1]))
    if expected is not None and len(values) != expected:
        n, d = values.shape
        raise InputError(path, f"has {n} rows of {d} features as rows says", f"{expected} rows")
    if len(names) != values.shape[1]:
        raise InputError(path, f"names {len(names)} columns of {values.shape[1]}", "a name per column")
    if len(set(names)) < len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise InputError(path, f"has the column {repeated} twice", "each name once")
    finite = np.isfinite(values).all(0)
    if not finite.all():
        column = int(np.argmin(finite))
        row = int(np.argmin(np.isfinite(values[:, column])))
        raise InputError(path, f"row {row + 1}, column {names[column]} is not a number", "numbers only")
    if matrix.keys is not None:
        if len(matrix.keys) != len(values):
            raise InputError(path, f"names {len(matrix.keys)} rows of {len(values)}", f"a {KEY} per row")
        if len(set(matrix.keys)) < len(matrix.keys):
            raise InputError(path, f"names a stimulus twice in {KEY}", "one row per stimulus")
    return FeatureTable(names, values, matrix.keys)
