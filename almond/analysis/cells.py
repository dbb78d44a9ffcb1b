"""Typed cells of a table of an export: what is wrong is told with its column and row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from almond.cells import is_number
from almond.design.trials.columns import Column, TableSchema
from almond.errors import InputError
from almond.exchange.schema import measurements, table_columns
from almond.tables import read_table

SHOWN_PROBLEMS = 10


@dataclass(frozen=True)
class Cells:
    """What the cells of a column may hold; ``empty`` cells are allowed where a value can be absent."""

    kind: str
    low: float = -np.inf
    high: float = np.inf
    allowed: tuple[str, ...] = ()
    empty: bool = False

    @property
    def expected(self) -> str:
        if self.allowed:
            return " or ".join(self.allowed)
        if self.kind == "text":
            return "a text that is not empty"
        bounds = [f"at least {self.low:g}"] if np.isfinite(self.low) else []
        bounds += [f"at most {self.high:g}"] if np.isfinite(self.high) else []
        noun = "a whole number" if self.kind == "integer" else "a number"
        return " ".join([noun, " and ".join(bounds)]).strip()


MEASUREMENT = Cells("number", empty=True)
"""Scores, norms and other measurements of stimuli: any number, empty where an image has none."""


def cells_of(column: Column) -> Cells:
    """Read from a column of the export's format what its cells may hold."""
    if column.type in ("text", "digest", "time"):
        allowed = tuple(re.split(r", | or ", column.range)) if column.range else ()
        return Cells("text", allowed=allowed, empty=not column.needed)
    ends = [float(number) for number in re.findall(r"-?[\d.]+", column.range)]
    low = min(ends, default=-np.inf)
    high = np.inf if column.range.endswith(" or more") else max(ends, default=np.inf)
    kind = "number" if column.type == "number" else "integer"
    return Cells(kind, low=low, high=high, empty=not column.needed)


def read_cells(path: Path, table: TableSchema) -> pd.DataFrame:
    """Read one table with typed columns: text as str, whole numbers as int64, numbers as float64.

    Row numbers in messages are those of a spreadsheet: the header is row 1.
    """
    text = read_table(path, exact=True)
    frame = {name: pd.Series(text.column(name).cells, dtype="str") for name in text.names}
    cells = _cells_of_table(table, text.names)
    missing = [name for name in cells if name not in frame]
    if missing:
        raise InputError(path, f"lacks the columns {', '.join(missing)}", ", ".join(cells))
    problems: list[str] = []
    columns = {name: _typed_column(frame[name], kind, name, problems) for name, kind in cells.items()}
    values = pd.DataFrame(columns)
    if not problems:
        repeated = values.duplicated(list(table.unique))
        keys = " and ".join(table.unique)
        problems += [
            f"row {row + 2} repeats the {keys} of an earlier row" for row in np.flatnonzero(repeated)
        ]
    if problems:
        more = len(problems) - SHOWN_PROBLEMS
        said = "; ".join(problems[:SHOWN_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")
        raise InputError(path, said)
    return values


def _cells_of_table(table: TableSchema, present: Sequence[str]) -> dict[str, Cells]:
    """List the columns read: those of the format, later ones that are there, measurements in stimuli.csv."""
    measured = {column.name for column in measurements(present)}
    cells = {column.name: cells_of(column) for column in table_columns(table, set(present) - measured)}
    if table.name == "stimuli":
        cells |= {name: MEASUREMENT for name in present if name not in cells}
    return cells


def _typed_column(column: pd.Series[str], cells: Cells, name: str, problems: list[str]) -> pd.Series[Any]:
    """Convert a column's values; what is wrong is added to ``problems`` with its row."""
    empty = column == ""
    if not cells.empty:
        _note(problems, name, empty, column, cells)
    if cells.kind == "text":
        if cells.allowed:
            _note(problems, name, ~empty & ~column.isin(cells.allowed), column, cells)
        return column
    numbers = pd.Series([float(cell) if is_number(cell) else np.nan for cell in column], dtype="float64")
    wrong = ~empty & numbers.isna()
    if cells.kind == "integer":
        wrong |= ~empty & (numbers % 1 != 0)
    wrong |= (numbers < cells.low) | (numbers > cells.high)
    _note(problems, name, wrong, column, cells)
    if cells.kind == "integer" and not cells.empty and not problems:
        return numbers.astype("int64")
    return numbers


def _note(
    problems: list[str], name: str, wrong: pd.Series[bool], column: pd.Series[str], cells: Cells
) -> None:
    for row in np.flatnonzero(wrong.to_numpy()):
        problems.append(f"column {name}, row {row + 2}: {column.iloc[row]!r} is not {cells.expected}")


def require(path: Path, cells: pd.Series[Any], holds: pd.Series[bool], expected: str) -> None:
    """Raise ``InputError`` for the first of the cells of which the rule does not hold."""
    rows = np.flatnonzero(~holds.to_numpy(dtype=bool))
    if rows.size:
        others = f" and {rows.size - 1} further rows" if rows.size > 1 else ""
        problem = f"column {cells.name}, row {rows[0] + 2}: {cells.iloc[rows[0]]!r}{others}"
        raise InputError(path, problem, expected)
