"""Writing one table of an export, chunk by chunk: checked, sorted, as CSV and Parquet, in bounded memory."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from almond.design.trials.columns import Coded, Column, TableSchema
from almond.design.trials.responses import Cells, listed_cells
from almond.digest import digest_file
from almond.errors import InputError
from almond.evidence.cell_columns import Problems, chunk_texts, holds_any
from almond.evidence.parquet_files import ParquetFile
from almond.evidence.tables import check_columns, csv_bytes
from almond.exchange.layout import parquet_file, table_file
from almond.typing import Ints

CHUNK = 1 << 13
"""Rows that are converted at once."""

QUOTED = ',"\n\r'
"""What makes a cell stand in quotes."""

Hashes = np.ndarray[Any, np.dtype[np.uint64]]
Chunk = Mapping[str, Cells]
"""Columns of equal length, by name."""


@dataclass(frozen=True)
class SortedChunks:
    """Rows too many to hold at once: every chunk has the same columns, and no row of a chunk sorts before
    one of an earlier chunk. Within a chunk rows may come in any order."""

    chunks: Iterable[Chunk]


Rows = pd.DataFrame | Iterable[Mapping[str, Any]] | SortedChunks


@dataclass(frozen=True)
class WrittenTable:
    """A table that was written: its columns, rows, digests of its files, and the names found in columns."""

    columns: tuple[Column, ...]
    rows: int
    digests: Mapping[str, str]
    names: Mapping[str, set[str]]


class TableWriter:
    """Writes one table below ``folder``. ``close`` raises what was wrong with any of its rows; left without
    it, as a context, it closes its files all the same.

    Rows go to the files in a thread of their own, while the next are read from a database and checked; at
    most one chunk waits for it.

    :param watched: columns whose distinct values are collected, few of them in any table.
    """

    def __init__(self, folder: Path, table: TableSchema, watched: Sequence[str] = ()) -> None:
        self.folder, self.table = folder, table
        self.csv, self.parquet = folder / table_file(table.name), folder / parquet_file(table.name)
        self.problems = Problems()
        self.names: dict[str, set[str]] = {name: set() for name in watched}
        self.rows = 0
        self.keys: list[Hashes] = []
        self.last: tuple[object, ...] = ()
        self.columns: tuple[Column, ...] = ()
        self.open = ExitStack()
        self.waiting: Future[None] | None = None

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.open.close()

    def start(self, present: Sequence[str]) -> None:
        """Open both files for a table with these columns; raises ``InputError`` for others than it has."""
        self.columns = check_columns(self.table, present)
        self.csv.parent.mkdir(parents=True, exist_ok=True)
        self.stream, self.digest = self.open.enter_context(self.csv.open("wb")), hashlib.sha256()
        self.typed = ParquetFile(self.parquet, self.columns)
        self.open.callback(self.typed.close)
        self.thread = self.open.enter_context(ThreadPoolExecutor(1, "table"))
        self._put(csv_bytes([column.name for column in self.columns], ()))

    def add(self, chunk: Chunk) -> None:
        """Check and write further rows, none of which sorts before an earlier one."""
        if not self.columns:
            self.start(list(chunk))
        elif missing := [column.name for column in self.columns if column.name not in chunk]:
            raise InputError(f"table {self.table.name}", f"lacks {', '.join(missing)} in some rows")
        self.write(chunk_texts(self.columns, chunk, self.rows + 1, self.problems))

    def write(self, texts: Sequence[pa.Array]) -> None:
        """Sort and write rows that were checked, by column."""
        if not len(texts[0]):
            return
        self.rows += len(texts[0])
        if self.problems.count:
            return  # nothing of it will be kept
        texts = self._sorted(texts)
        places = {column.name: place for place, column in enumerate(self.columns)}
        self.keys.append(array_hashes([texts[places[name]] for name in self.table.unique]))
        for name, known in self.names.items():
            if name in places:
                known.update(pc.unique(texts[places[name]]).to_pylist())
        self._wait()
        self.waiting = self.thread.submit(self._put_rows, texts)

    def _put_rows(self, texts: Sequence[pa.Array]) -> None:
        for start in range(0, len(texts[0]), CHUNK):
            part = [column.slice(start, CHUNK) for column in texts]
            self._put(csv_bytes_of(part))
            self.typed.add(part)

    def _wait(self) -> None:
        """Wait until the rows before are in the files; raises what went wrong with them."""
        if self.waiting is not None:
            self.waiting.result()

    def _sorted(self, texts: Sequence[pa.Array]) -> Sequence[pa.Array]:
        keys = sort_keys(self.columns, texts, self.table.sorted_by)
        order = sorted_rows(keys)
        first, last = (tuple(key[int(order[end])].as_py() for key in keys) for end in (0, -1))
        if self.last > first:
            raise InputError(f"table {self.table.name}", "its chunks of rows do not come sorted")
        self.last = last
        if (order == np.arange(len(order))).all():
            return texts
        return [column.take(pa.array(order)) for column in texts]

    def _put(self, data: bytes) -> None:
        self.digest.update(data)
        self.stream.write(data)

    def close(self) -> WrittenTable:
        """Finish both files; ``InputError`` names the wrong cells, and keys that stand twice."""
        if not self.columns:
            self.start([column.name for column in self.table.columns])
        self._wait()
        self.open.close()
        if not self.problems.count:
            self.problems.add(self._repeated())
        if self.problems.count:
            raise InputError(f"table {self.table.name}", str(self.problems))
        digests = {
            table_file(self.table.name): self.digest.hexdigest(),
            parquet_file(self.table.name): digest_file(self.parquet),
        }
        return WrittenTable(self.columns, self.rows, digests, self.names)

    def _repeated(self) -> list[str]:
        """Say which keys stand twice: hashes find the candidates, the file has the words."""
        hashes = np.sort(np.concatenate(self.keys)) if self.keys else np.zeros(0, np.uint64)
        twice = set(hashes[1:][hashes[1:] == hashes[:-1]].tolist())
        if not twice:
            return []
        places = [[column.name for column in self.columns].index(name) for name in self.table.unique]
        seen: dict[tuple[str, ...], int] = {}
        with self.csv.open(encoding="utf-8", newline="") as stream:
            for number, row in enumerate(csv.reader(stream)):
                key = tuple(row[place] for place in places)
                if number and int(key_hashes([[part] for part in key])[0]) in twice:
                    seen[key] = seen.get(key, 0) + 1
        names = " + ".join(self.table.unique)
        return [f"{names} {' '.join(key)!r} stands twice" for key, times in sorted(seen.items()) if times > 1]


def csv_bytes_of(texts: Sequence[pa.Array]) -> bytes:
    """Write rows of a CSV file from columns, cells quoted where CSV needs it, as ``csv.writer`` does."""
    cells = [quoted(column) for column in texts]
    if len(cells) == 1:  # an empty row would be no row
        cells = [pc.if_else(pc.equal(cells[0], ""), '""', cells[0])]
    lines = pc.binary_join_element_wise(*cells[:-1], pc.binary_join_element_wise(cells[-1], "\n", ""), ",")
    # The rows lie one after the other in the array's buffer, which may be longer than they are.
    _, ends, data = lines.buffers()
    rows: bytes = data.slice(0, int(np.frombuffer(ends, np.int32)[len(lines)])).to_pybytes()
    return rows


def quoted(cells: pa.Array) -> pa.Array:
    """Quote the cells of a column that hold a comma, a quotation mark or the end of a line; distinct ones
    once where they are coded."""
    if isinstance(cells, pa.DictionaryArray):
        return quoted(cells.dictionary).take(cells.indices)
    if not holds_any(cells, QUOTED):
        return cells
    needed = pc.match_substring_regex(cells, f"[{QUOTED}]")
    inside = pc.replace_substring(cells, '"', '""')
    return pc.if_else(needed, pc.binary_join_element_wise('"', inside, '"', ""), cells)


def decoded(cells: pa.Array) -> pa.Array:
    return cells.dictionary_decode() if isinstance(cells, pa.DictionaryArray) else cells


def sort_keys(columns: Sequence[Column], texts: Sequence[pa.Array], by: Sequence[str]) -> list[pa.Array]:
    """Return what rows are sorted by: whole numbers as such, anything else by its code points."""
    places = {column.name: place for place, column in enumerate(columns)}
    keys = []
    for name in by:
        cells = texts[places[name]]
        if columns[places[name]].type == "integer":
            cells = pc.cast(pc.if_else(pc.equal(decoded(cells), ""), "0", decoded(cells)), pa.int64())
        keys.append(cells)
    return keys


def sorted_rows(keys: Sequence[pa.Array]) -> Ints:
    """Sort rows by several keys, the first most: their numbers (n,), equal ones in their order."""
    ranks = []
    for cells in keys:
        values = cells.dictionary if isinstance(cells, pa.DictionaryArray) else cells
        # Arrow compares the bytes of UTF-8, whose order is that of code points.
        rank = pc.rank(values, tiebreaker="dense").to_numpy(zero_copy_only=False)
        ranks.append(rank[cells.indices.to_numpy()] if isinstance(cells, pa.DictionaryArray) else rank)
    order: Ints = np.lexsort(ranks[::-1])
    return order


def array_hashes(columns: Sequence[pa.Array]) -> Hashes:
    """Hash the keys of rows (n,), given as columns of text, to 64 bits each."""
    return key_hashes(
        [
            Coded(cells.dictionary.to_pylist(), cells.indices.to_numpy())
            if isinstance(cells, pa.DictionaryArray)
            else cells.to_pylist()
            for cells in columns
        ]
    )


def key_hashes(columns: Sequence[Sequence[str] | Coded]) -> Hashes:
    """Hash the keys of rows (n,) to 64 bits each."""
    hashes = np.zeros(len(columns[0]), np.uint64)
    for cells in columns:
        values = np.array(cells.values if isinstance(cells, Coded) else cells, dtype=object)
        own = pd.util.hash_array(values, categorize=False)
        # An odd multiplier (Knuth) makes the order of the parts count; sums wrap around.
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + (
            own[cells.codes] if isinstance(cells, Coded) else own
        )
    return hashes


def write_table(folder: Path, table: TableSchema, rows: Rows, watched: Sequence[str] = ()) -> WrittenTable:
    """Write a table from rows in any order, or from chunks that come sorted.

    :raises InputError: columns or cells that are not as the codebook says, and keys that stand twice.
    """
    with TableWriter(folder, table, watched) as writer:
        if isinstance(rows, SortedChunks):
            for chunk in rows.chunks:
                writer.add(chunk)
        else:
            _write_whole(writer, columns_of(rows, table))
        return writer.close()


def _write_whole(writer: TableWriter, chunk: Chunk) -> None:
    """Check all rows of a table in their order, then sort and write them."""
    writer.start(list(chunk))
    whole = [chunk_texts(writer.columns, part, start + 1, writer.problems) for start, part in _slices(chunk)]
    if whole:
        writer.write([pa.concat_arrays(map(decoded, parts)) for parts in zip(*whole, strict=True)])


def _slices(chunk: Chunk) -> Iterable[tuple[int, Chunk]]:
    columns = {name: listed_cells(values) for name, values in chunk.items()}
    count = len(next(iter(columns.values())))
    for start in range(0, count, CHUNK):
        yield start, {name: values[start : start + CHUNK] for name, values in columns.items()}


def columns_of(rows: pd.DataFrame | Iterable[Mapping[str, Any]], table: TableSchema) -> Chunk:
    """Turn rows into columns of objects: no whole number becomes a float beside an empty cell."""
    if isinstance(rows, pd.DataFrame):
        names = list(map(str, rows.columns))
        if len(set(names)) < len(names):
            raise InputError(f"table {table.name}", "has a column twice", "the columns of the codebook")
        return {str(name): rows[name].tolist() for name in rows.columns}
    records = list(rows)
    if not records:
        return {column.name: [] for column in table.columns}
    names = list(dict.fromkeys(str(name) for row in records for name in row))
    return {name: [row.get(name) for row in records] for name in names}
