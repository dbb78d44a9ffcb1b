"""Reading a table of an export in parts, so that one of any size can be walked in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pandas as pd

from almond.design.trials.columns import TableSchema
from almond.errors import InputError
from almond.evidence.tables import read_export_table, typed_columns
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
            for first, rows in _parts(stream):
                # The header is put before every part, in the row before the part's first.
                text = header + rows
                yield typed_columns(parse_table(text, path, ",", ("",), exact=True, first=first - 1), table)
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
