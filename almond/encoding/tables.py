"""Feature tables computed elsewhere: .csv, .tsv, .npy, .npz. One row per frame, volume or stimulus."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from almond.errors import InputError

KEY = "stim_file"
"""The column (or array in an .npz) that names the stimulus of each row, as BIDS events do."""

SUFFIXES = (".csv", ".tsv", ".npy", ".npz")


@dataclass(frozen=True)
class FeatureTable:
    """Features (n, D) float64 with the names of the columns; ``keys`` name the rows' stimuli where given."""

    names: tuple[str, ...]
    values: NDArray[np.float64]
    keys: tuple[str, ...] | None = None


def load_table(path: Path) -> FeatureTable:
    """Read a table of features.

    CSV and TSV have a header; a column ``stim_file`` names the stimuli, every other column is a feature. An
    .npy holds one (n, D) array, an .npz the array ``values`` and optionally ``names`` and ``stim_file``.

    :raises InputError: no such file, another kind of file, not numbers, not two-dimensional, missing values.
    """
    if path.suffix not in SUFFIXES or not path.is_file():
        raise InputError(path, "is not a table of features", f"a {', '.join(SUFFIXES)} file")
    try:
        table = _read_text(path) if path.suffix in (".csv", ".tsv") else _read_numpy(path)
    except (ValueError, EOFError, OSError, KeyError, UnicodeDecodeError) as error:
        raise InputError(
            path, f"cannot be read ({error})", "a table of numbers with one header row"
        ) from error
    return _checked(table, path)


def _read_text(path: Path) -> FeatureTable:
    frame = pd.read_csv(path, sep="\t" if path.suffix == ".tsv" else ",")
    keys = tuple(frame.pop(KEY).astype(str)) if KEY in frame else None
    words = [str(name) for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
    if words:
        raise InputError(path, f"column {words[0]} does not hold numbers", f"numbers, or a column {KEY}")
    return FeatureTable(tuple(map(str, frame.columns)), frame.to_numpy(np.float64), keys)


def _read_numpy(path: Path) -> FeatureTable:
    loaded: Any = np.load(path, allow_pickle=False)
    if path.suffix == ".npy":
        return FeatureTable(_default_names(loaded), np.asarray(loaded, np.float64))
    with loaded:
        values = np.asarray(loaded["values"], np.float64)
        names = tuple(map(str, loaded["names"])) if "names" in loaded else _default_names(values)
        keys = tuple(map(str, loaded[KEY])) if KEY in loaded else None
    return FeatureTable(names, values, keys)


def _default_names(values: NDArray[Any]) -> tuple[str, ...]:
    return tuple(f"feature_{index}" for index in range(values.shape[1] if values.ndim == 2 else 0))


def _checked(table: FeatureTable, path: Path) -> FeatureTable:
    values = table.values
    if values.ndim != 2 or 0 in values.shape:
        raise InputError(path, f"has shape {values.shape}", "rows and columns of features")
    if len(table.names) != values.shape[1]:
        raise InputError(path, f"names {len(table.names)} columns of {values.shape[1]}", "a name per column")
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise InputError(path, f"row {row + 1}, column {table.names[column]} is not a number", "numbers only")
    if table.keys is not None:
        if len(table.keys) != len(values):
            raise InputError(path, f"names {len(table.keys)} rows of {len(values)}", f"a {KEY} per row")
        if len(set(table.keys)) < len(table.keys):
            raise InputError(path, f"names a stimulus twice in {KEY}", "one row per stimulus")
    return table
