"""Reading many rows by column, as arrays of Arrow: no value is an object of Python on its way.

PostgreSQL packs each column into one value, which costs it less than sending rows and nothing to take apart.
Rows of other databases are read as Django reads them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection, connections
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast
from psycopg.pq import Format

Columns = dict[str, pa.Array]
"""Columns that were read, of equal length, by name."""

DIGITS_OF_UUID, LETTERS_OF_UUID = 32, 36
HYPHENS = (8, 13, 18, 23)
EPOCH = np.datetime64("2000-01-01", "us")
"""From which PostgreSQL counts."""


@dataclass(frozen=True)
class ColumnKind:
    """How values of one kind are read.

    :param packed: SQL by which PostgreSQL writes a value as bytes (``send`` of its type).
    :param unpacked: makes an array of these bytes, one value after the other.
    :param listed: makes an array of values as Django reads them from another database.
    :param cast: whether they are read from there as text.
    """

    packed: str
    unpacked: Callable[[bytes], pa.Array]
    listed: Callable[[Sequence[Any]], pa.Array]
    cast: bool = False


@dataclass(frozen=True)
class TextKind:
    """Text; ``coded`` where few values stand again and again: it is then dictionary-encoded."""

    coded: bool = False

    @property
    def type(self) -> pa.DataType:
        return pa.dictionary(pa.int32(), pa.string()) if self.coded else pa.string()


Kinds = Mapping[str, ColumnKind | TextKind]
"""What is read, field or annotation, and as what."""


def _numbers(dtype: str) -> Callable[[bytes], pa.Array]:
    """Read numbers as PostgreSQL sends them, the most significant byte first."""
    return lambda data: pa.array(np.frombuffer(data, f">{dtype}").astype(f"={dtype}"))


def _moments(data: bytes) -> pa.Array:
    return pa.array(np.frombuffer(data, ">i8").astype("timedelta64[us]") + EPOCH)


def _uuids(digits: bytes) -> pa.Array:
    """Write UUIDs, given as 32 digits one after the other, with their hyphens."""
    count = len(digits) // DIGITS_OF_UUID
    letters = np.full((count, LETTERS_OF_UUID), ord("-"), np.uint8)
    places = [place for place in range(LETTERS_OF_UUID) if place not in HYPHENS]
    letters[:, places] = np.frombuffer(digits, np.uint8).reshape(count, DIGITS_OF_UUID)
    ends = np.arange(count + 1, dtype=np.int32) * LETTERS_OF_UUID
    return pa.StringArray.from_buffers(count, pa.py_buffer(ends), pa.py_buffer(letters))


INTEGER = ColumnKind("int8send({}::int8)", _numbers("i8"), lambda values: pa.array(values, pa.int64()))
NUMBER = ColumnKind("float8send({}::float8)", _numbers("f8"), lambda values: pa.array(values, pa.float64()))
FLAG = ColumnKind(
    "boolsend({})",
    lambda data: pa.array(np.frombuffer(data, np.bool_)),
    lambda values: pa.array(values, pa.bool_()),
)
MOMENT = ColumnKind(
    "timestamptz_send({})",
    _moments,
    lambda values: pc.cast(pa.array(values, pa.string()), pa.timestamp("us")),
    cast=True,
)
"""Moments in UTC, to the microsecond; other databases keep them in UTC, without an offset."""

UUID = ColumnKind(
    "uuid_send({})",
    lambda data: _uuids(data.hex().encode()),
    lambda values: _uuids("".join(values).encode()),
    cast=True,
)
"""UUIDs as text with hyphens; other databases keep the digits alone."""

TEXT, CODED = TextKind(), TextKind(coded=True)


def read_columns(rows: QuerySet[Any, Any], kinds: Kinds) -> Columns:
    """Read rows by column. Only texts may be null.

    :raises ValueError: a value that is null and no text.
    """
    if connection.vendor == "postgresql":
        return _packed(rows, kinds)
    texts = {f"{name}_read": Cast(name, TextField()) for name, kind in kinds.items() if _is_cast(kind)}
    asked = [f"{name}_read" if f"{name}_read" in texts else name for name in kinds]
    read = list(zip(*rows.annotate(**texts).values_list(*asked).iterator(), strict=True))
    columns = zip(kinds.items(), read or [()] * len(kinds), strict=True)
    arrays = {
        name: pa.array(cells, kind.type) if isinstance(kind, TextKind) else kind.listed(cells)
        for (name, kind), cells in columns
    }
    return _whole(arrays, kinds)


def _is_cast(kind: ColumnKind | TextKind) -> bool:
    return isinstance(kind, ColumnKind) and kind.cast


def _packed(rows: QuerySet[Any, Any], kinds: Kinds) -> Columns:
    """Let PostgreSQL, whose encoding is UTF-8, join each column to one value; all in the same order."""
    statement, values = rows.values_list(*kinds).query.sql_with_params()
    names = [f"c{place}" for place in range(len(kinds))]
    joined = ["count(*)"]
    for name, kind in zip(names, kinds.values(), strict=True):
        sizes = f"coalesce(octet_length({name}), -1)"
        packed = f"int4send({sizes})" if isinstance(kind, TextKind) else kind.packed.format(name)
        joined.append(f"string_agg({packed}, ''::bytea)")
        if isinstance(kind, TextKind):
            joined.append(f"convert_to(string_agg({name}, ''), 'UTF8')")
    # With OFFSET PostgreSQL computes a column once, however often it is named outside.
    inner = f"SELECT * FROM ({statement}) asked OFFSET 0"
    with connection.cursor() as cursor:
        cursor.cursor.format = Format.BINARY
        cursor.execute(f"SELECT {', '.join(joined)} FROM ({inner}) part ({', '.join(names)})", values)
        count, *sent = cursor.fetchone()
    parts = iter(part or b"" for part in sent)
    arrays = {
        name: _text(next(parts), next(parts), kind)
        if isinstance(kind, TextKind)
        else kind.unpacked(next(parts))
        for name, kind in kinds.items()
    }
    return _whole(arrays, kinds, count)


def _text(sizes: bytes, letters: bytes, kind: TextKind) -> pa.Array:
    """Make an array of text of the lengths of values in bytes, -1 of null, and of all their bytes."""
    lengths = np.frombuffer(sizes, ">i4")
    ends = np.concatenate([[0], np.cumsum(np.maximum(lengths, 0))]).astype(np.int32)
    absent = None
    if (lengths < 0).any():
        absent = pa.py_buffer(np.packbits(lengths >= 0, bitorder="little"))
    texts = pa.StringArray.from_buffers(len(lengths), pa.py_buffer(ends), pa.py_buffer(letters), absent)
    return texts.dictionary_encode() if kind.coded else texts


def _whole(arrays: Columns, kinds: Kinds, count: int | None = None) -> Columns:
    """Return columns of as many rows as there are, without null but in texts."""
    rows = max(map(len, arrays.values())) if count is None else count
    for name, cells in arrays.items():
        if len(cells) != rows or (cells.null_count and not isinstance(kinds[name], TextKind)):
            raise ValueError(f"{name} is null in some rows")
    return arrays


def read_ahead(parts: Iterable[QuerySet[Any, Any]], kinds: Kinds) -> Iterator[Columns]:
    """Yield the columns of one part of the rows after the other, as :func:`read_columns` reads them.

    PostgreSQL sends the next part while the caller is busy with the one before, through a connection of its
    own; not within a transaction, into which no other connection sees.
    """
    if connection.vendor != "postgresql" or connection.in_atomic_block:
        for part in parts:
            yield read_columns(part, kinds)
        return
    waiting: deque[Future[Columns]] = deque()
    with ThreadPoolExecutor(1, "rows", initializer=_join_by_index) as thread:
        try:
            for part in parts:
                waiting.append(thread.submit(read_columns, part, kinds))
                if len(waiting) > 1:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            thread.submit(connections.close_all)  # those of that thread


def _join_by_index() -> None:
    """Let this thread's connection look up what is joined: each part is a small share of large tables, of
    which PostgreSQL would else read the whole for every part."""
    with connection.cursor() as cursor:
        cursor.execute("SET enable_hashjoin = off; SET enable_mergejoin = off")
