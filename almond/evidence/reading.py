"""Reading a table of an export in parts, so that one of any size can be walked in bounded memory.

A part that is written plainly, as an export nearly always is, is read by whole columns. Whatever is not
(quotation marks, other ways to write a number, anything wrong) goes through ``almond.tables``, row by row,
which also says what is wrong: what a table may hold is said there alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from almond.design.trials.columns import Column, TableSchema
from almond.errors import InputError
from almond.evidence.tables import NUMERIC, check_columns, read_export_table, typed_columns
from almond.tables import parse_table

PART = 1 << 21
"""Characters of a part: a few thousand rows."""


def read_parts(path: Path, table: TableSchema) -> Iterator[pd.DataFrame]:
    """Yield the rows of a table in parts, each as ``read_export_table`` types it; one at least.

    :raises InputError: as ``read_export_table``, for the first part that is not as the codebook says.
    """
    if not path.is_file() or path.stat().st_size <= PART:
        yield read_export_table(path, table)
        return
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            header = stream.readline()
            names = parse_table(header, path, ",", ("",), exact=True).names
            columns = check_columns(table, names)
            for first, rows in _parts(stream):
                frame = plain_part(names, columns, rows)
                if frame is None:
                    # The header is put before the part, in the row before the part's first.
                    text = parse_table(header + rows, path, ",", ("",), exact=True, first=first - 1)
                    frame = typed_columns(text, table)
                yield frame
    except UnicodeDecodeError as error:
        raise InputError(path, f"is not UTF-8 ({error.reason})", "a table that Almond wrote") from error


def _parts(stream: TextIO) -> Iterator[tuple[int, str]]:
    """Yield the number of each part's first row, and its text, which ends with a row."""
    row = first = 2
    lines: list[str] = []
    size, inside = 0, False
    for line in stream:
        if "\0" in line:
            raise InputError(stream.name, f"row {row} holds the control character '\\x00'", "text")
        lines.append(line)
        size += len(line)
        inside ^= line.count('"') % 2 == 1  # a line break inside quotes ends no row
        if inside:
            continue
        row += 1
        if size >= PART:
            yield first, "".join(lines)
            first, lines, size = row, [], 0
    if lines:
        yield first, "".join(lines)


def plain_part(names: Sequence[str], columns: Sequence[Column], rows: str) -> pd.DataFrame | None:
    """Read rows without a quotation mark, typed as ``typed_columns`` types them; None for any other, and for
    rows with other cells than ``names`` or cells that are not written as a number of their column is."""
    if '"' in rows or len(names) < 2:
        return None
    try:
        text = pacsv.read_csv(
            pa.BufferReader(rows.encode()),
            pacsv.ReadOptions(column_names=list(names), use_threads=False, block_size=len(rows) * 4 + 1),
            pacsv.ParseOptions(quote_char=False, double_quote=False),
            pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
        )
        typed = {column.name: _plain_column(text[column.name], column) for column in columns}
    except pa.ArrowInvalid:
        return None
    if any(series is None for series in typed.values()):
        return None
    return pd.DataFrame(typed)


def _plain_column(cells: Any, column: Column) -> pd.Series[Any] | None:
    """Convert the cells of a column; None where one of them is not written as Almond writes it.

    :raises pyarrow.ArrowInvalid: a cell that is no number.
    """
    if column.type not in NUMERIC:
        return pd.Series(cells.to_pandas(), dtype="str")
    empty = pc.equal(cells, "")
    known = pc.if_else(empty, pa.scalar(None, pa.string()), cells)
    if column.type == "number":
        # Arrow takes the numbers that ``almond.cells`` takes, and those that are not finite.
        numbers = pc.cast(known, pa.float64())
        finite = pc.all(pc.is_finite(numbers), min_count=0).as_py()
        return pd.Series(numbers.to_pandas(), dtype="float64") if finite else None
    whole = pc.cast(known, pa.int64())
    if not pc.all(pc.equal(pc.cast(whole, pa.string()), known), min_count=0).as_py():
        return None
    if column.needed:
        return None if pc.any(empty).as_py() else pd.Series(whole.to_pandas(), dtype="int64")
    return pd.Series(whole.to_pandas(types_mapper=lambda _: pd.Int64Dtype()), dtype="Int64")
