"""Tables to CSV and back, with nothing lost: the same table always gives the same bytes.

UTF-8, one line feed per row, cells quoted only where CSV needs it, numbers in the shortest form that reads
back to the same value, rows sorted, empty cells for what does not apply.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from almond.cells import is_whole
from almond.design.trials.columns import Column, TableSchema
from almond.errors import InputError
from almond.exchange.schema import table_columns
from almond.shapes import is_digest
from almond.tables import TextColumn, TextTable, read_table

OWN_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
SHOWN_PROBLEMS = 20
NUMERIC = ("integer", "number", "flag")


def check_columns(table: TableSchema, present: Sequence[str]) -> tuple[Column, ...]:
    """Return the columns of a table; raises ``InputError`` for missing, unknown or repeated ones.

    Unknown columns are refused, not dropped, so that nothing personal leaves the lab by accident.
    """
    columns = table_columns(table, present)
    names = [column.name for column in columns]
    missing = [name for name in names if name not in present]
    unknown = [name for name in present if name not in names]
    problems = [f"lacks {', '.join(missing)}"] if missing else []
    problems += [f"has unknown columns {', '.join(unknown)}"] if unknown else []
    problems += ["has a column twice"] if len(set(present)) < len(present) else []
    if problems:
        raise InputError(f"table {table.name}", "; ".join(problems), "the columns of the codebook")
    return columns


def cell(column: Column, value: object, where: str, problems: list[str]) -> str:
    """Write one value as text; what is wrong with it is added to ``problems``."""
    if is_empty(value):
        if column.needed:
            problems.append(f"{where}: {column.name} is empty")
        return ""
    try:
        text = WRITERS[column.type](value)
    except (ValueError, TypeError, OverflowError):
        problems.append(f"{where}: {column.name} is {value!r}, not of type {column.type}")
        return ""
    if column.name == "participant_id" and not OWN_NAME.fullmatch(text):
        problems.append(f"{where}: participant_id is not one of our own names")
    if column.range and not in_range(column.range, text):
        problems.append(f"{where}: {column.name} is {text}, not {column.range}")
    return text


def is_empty(value: object) -> bool:
    if value is None or value is pd.NA or value is pd.NaT or value == "":
        return True
    return isinstance(value, float | np.floating) and math.isnan(float(value))


def in_range(span: str, text: str) -> bool:
    """Tell whether a cell lies in a range: ``a to b``, ``a or more``, or a list such as ``left or right``."""
    if span.endswith(" or more"):
        return float(text) >= float(span.removesuffix(" or more"))
    if " to " in span:
        low, high = span.split(" to ")
        return float(low) <= float(text) <= float(high)
    return text in re.split(r", | or ", span)


def write_text(value: object) -> str:
    text = str(value)
    if "\x00" in text:
        raise ValueError("a text with a zero byte")
    return text


def write_integer(value: object) -> str:
    number = float(str(value))
    if not number.is_integer():
        raise ValueError("not a whole number")
    return str(int(number)) if isinstance(value, float | np.floating) else str(int(str(value)))


def write_number(value: object) -> str:
    number = float(str(value))
    if not math.isfinite(number):
        raise ValueError("not finite")
    return repr(number)


def write_flag(value: object) -> str:
    if isinstance(value, bool | np.bool_):
        return str(int(value))
    return write_integer(value)


def write_digest(value: object) -> str:
    if not is_digest(value):
        raise ValueError("not a digest")
    return str(value)


def write_time(value: object) -> str:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    if moment.tzinfo is None:
        raise ValueError("a time without its offset from UTC")
    return moment.isoformat()


WRITERS = {
    "text": write_text,
    "integer": write_integer,
    "number": write_number,
    "flag": write_flag,
    "digest": write_digest,
    "time": write_time,
}


def csv_bytes(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue().encode()


def codebook_bytes(tables: Mapping[str, Sequence[Column]]) -> bytes:
    """Write codebook.csv: one row per column of every table."""
    rows = [
        [table, column.name, column.type, column.unit, column.range, column.description]
        for table, columns in tables.items()
        for column in columns
    ]
    return csv_bytes(["table", "column", "type", "unit", "range", "description"], rows)


def read_export_table(path: Path, table: TableSchema) -> pd.DataFrame:
    """Read a table of an export with typed columns: text as str (empty: ""), numbers as float64 or Int64.

    Raises ``InputError`` when the file is missing, is no CSV, its columns are not those of the table, or a
    cell is not of its column's type.
    """
    return typed_columns(read_table(path, exact=True), table)


def typed_columns(text: TextTable, table: TableSchema) -> pd.DataFrame:
    """Convert the cells of a table; raises ``InputError`` as ``read_export_table``."""
    columns = check_columns(table, text.names)
    return pd.DataFrame({column.name: typed_column(text.column(column.name), column) for column in columns})


def typed_column(cells: TextColumn, column: Column) -> pd.Series[Any]:
    if column.type not in NUMERIC:
        return pd.Series(cells.cells, dtype="str")
    if column.type == "number":
        return pd.Series(cells.numbers(missing=True), dtype="float64")
    whole = [_whole_cell(cells, index) for index in range(len(cells.cells))]
    if column.needed:
        cells.texts()
    return pd.Series(whole, dtype="int64" if column.needed else "Int64")


def _whole_cell(cells: TextColumn, index: int) -> Any:
    """Convert a cell to a whole number, ``pd.NA`` where it is empty."""
    text = cells.cells[index]
    if text and not is_whole(text):
        said = f"row {cells.rows[index]}, column {cells.name} is {text[:60]!r}"
        raise InputError(cells.source, said, "a whole number")
    return int(text) if text else pd.NA
