"""A table of an export as Parquet, beside the CSV file that has authority: typed, the same bytes always.

Text and digests are strings (dictionary-encoded in the file, null where a cell is empty), integers int64,
numbers float64, flags booleans, times moments in UTC with microseconds. Row groups have a fixed number of
rows, whatever the chunks in which rows come. The bytes depend on the rows and on pyarrow's version alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from almond.design.trials.columns import Column
from almond.errors import InputError

ROWS = 1 << 15
"""Rows of a row group."""

TYPES = {
    "text": pa.string(),
    "digest": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "flag": pa.bool_(),
    "time": pa.timestamp("us", tz="UTC"),
}


class ParquetFile:
    """Writes one table, of which the cells come as the text that stands in its CSV file: arrays of strings,
    or dictionary-encoded ones."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.columns = path, columns
        self.schema = pa.schema([pa.field(column.name, TYPES[column.type]) for column in columns])
        self.writer = pq.ParquetWriter(path, self.schema, compression="zstd", use_dictionary=True)
        self.waiting: list[Any] = []
        self.rows = 0

    def add(self, texts: Sequence[pa.Array]) -> None:
        """Take further rows, by column."""
        pairs = zip(self.columns, texts, strict=True)
        arrays = [typed(self.path, column, cells) for column, cells in pairs]
        self.waiting.append(pa.Table.from_arrays(arrays, schema=self.schema))
        self.rows += len(texts[0])
        if self.rows >= ROWS:
            self._write(self.rows - self.rows % ROWS)

    def _write(self, rows: int) -> None:
        whole = pa.concat_tables(self.waiting).combine_chunks()
        for start in range(0, rows, ROWS):
            self.writer.write_table(whole.slice(start, min(ROWS, rows - start)), row_group_size=ROWS)
        self.rows -= rows
        # A copy: a slice would keep all rows that were written.
        rest = whole.slice(rows)
        self.waiting = [rest.take(pa.array(range(self.rows)))] if self.rows else []

    def close(self) -> None:
        if self.rows:
            self._write(self.rows)
        self.writer.close()


def typed(path: Path, column: Column, cells: pa.Array) -> pa.Array:
    """Convert cells to an array of the column's type.

    :raises InputError: a whole number beyond 64 bits.
    """
    if isinstance(cells, pa.DictionaryArray):
        distinct = typed(path, column, cells.dictionary)
        return distinct.take(cells.indices)
    if not column.needed:
        cells = pc.if_else(pc.equal(cells, ""), pa.scalar(None, pa.string()), cells)
    try:
        return pc.cast(cells, TYPES[column.type])
    except pa.ArrowInvalid as error:
        raise InputError(
            path.name, f"column {column.name}: {error}", f"a cell of type {column.type}"
        ) from error
