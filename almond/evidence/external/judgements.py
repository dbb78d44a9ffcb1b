"""From a table that others wrote to one row per judgement, with the numbers of its rows in the table."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from almond.cells import MISSING
from almond.errors import InputError
from almond.evidence.external.table_map import TableMap
from almond.files.text import read_text
from almond.stimuli.norms import separator_of
from almond.tables import COUNTED, TextColumn, TextTable, parse_table, shown_names
from almond.typing import Floats

SEPARATOR = {"tab": "\t", "semicolon": ";", "comma": ","}
SHOWN = 10
FACTS = ("scene", "theme", "condition", "direction", "image")
"""What a table may say of a stimulus, the same in all of its rows."""


@dataclass(frozen=True)
class Judgements:
    """One row per judgement, and how many cells of the table hold none.

    ``frame`` has ``row`` (its number in the table, from 1 with the header), ``person``, ``stimulus``,
    ``construct``, ``value`` (on its own scale), and those of ``FACTS``, ``list``, ``time`` and ``rt_ms`` that
    the map names.
    """

    source: Path
    frame: pd.DataFrame
    rows: int
    empty: int
    ignored: int


def read_judgements(path: Path, table_map: TableMap) -> Judgements:
    """Read a table by its map.

    :raises InputError: the table cannot be read, lacks a column, or a value is no number or outside
        its scale: named by row.
    """
    table = read_external_table(Path(path), table_map)
    whole = row_facts(table, table_map)
    parts = list(value_parts(table, table_map, whole))
    frame = pd.concat(parts, ignore_index=True)
    counted = frame["construct"].isin(table_map.ignore)
    ignored, frame = int(counted.sum()), frame[~counted]
    check_constructs(path, frame, table_map)
    present = frame["value"].notna()
    empty, frame = int((~present).sum()), frame[present].reset_index(drop=True)
    if not len(frame):
        raise InputError(path, "holds no judgement", "a value in some row")
    check_ranges(path, frame, table_map)
    return Judgements(Path(path), frame, len(table), empty, ignored)


def read_external_table(path: Path, table_map: TableMap) -> TextTable:
    """Read the table as text; its separator is the map's, a tab for ``.tsv``, or that of its header."""
    text = read_text(path)
    header = next((line for line in text.splitlines() if line.strip()), "")
    by_name = "\t" if path.suffix.lower() == ".tsv" else separator_of(header)
    separator = SEPARATOR[table_map.separator] if table_map.separator else by_name
    table = parse_table(text, path, separator, (*MISSING, *table_map.missing), nameless=True)
    if not len(table):
        raise InputError(path, "has no rows", "a header and one row per judgement or trial")
    return table


def row_facts(table: TextTable, table_map: TableMap) -> pd.DataFrame:
    """Read what each row of the table says beside its values (rows, facts)."""
    facts: dict[str, object] = {"row": table.rows, "person": joined_cells(table, table_map.person)}
    if table_map.stimulus:
        facts["stimulus"] = joined_cells(table, table_map.stimulus)
    for name in ("scene", "theme"):
        if columns := getattr(table_map, name):
            facts[name] = joined_cells(table, columns)
    if table_map.condition:
        facts["condition"] = [cell or "" for cell in table.column(table_map.condition).known]
    if table_map.direction:
        facts["direction"] = whole_numbers(table.column(table_map.direction), (-1, 1), empty=0)
    if table_map.list_column:
        facts["list"] = whole_numbers(table.column(table_map.list_column), (0, 2**31))
    if table_map.image:
        facts["image"] = table.column(table_map.image).texts()
    if table_map.time:
        facts["time"] = times(table.column(table_map.time), table_map.utc_offset)
    if table_map.response_time:
        factor = 1000.0 if table_map.response_time.unit == "s" else 1.0
        column = plain_decimals(table.column(table_map.response_time.column), table_map)
        facts["rt_ms"] = response_times(column) * factor
    return pd.DataFrame(facts)


def value_parts(table: TextTable, table_map: TableMap, whole: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield the judgements of each column of values."""
    only = next(iter(table_map.constructs), "")
    construct: Sequence[str] | str = (
        table.column(table_map.construct_column).texts() if table_map.construct_column else only
    )
    if columns := table_map.stimulus_columns:
        beside = joined_cells(table, columns.beside) if columns.beside else [""] * len(table)
        for name in columns_between(table, columns.first, columns.last):
            stimuli = [f"{before} {name}".strip() for before in beside]
            column = values(table, name, table_map, construct)
            yield whole.assign(construct=construct, stimulus=stimuli, value=column)
    elif table_map.value:
        column = values(table, table_map.value, table_map, construct)
        yield whole.assign(construct=construct, value=column)
    else:
        for construct_name, scale in table_map.constructs.items():
            column = values(table, str(scale.column), table_map, construct_name)
            yield whole.assign(construct=construct_name, value=column)


def values(table: TextTable, name: str, table_map: TableMap, construct: Sequence[str] | str) -> Floats:
    """Convert a column of judgements to numbers, NaN where there is none or the map ignores its construct."""
    column = plain_decimals(table.column(name), table_map)
    if table_map.ignore:
        words = [construct] * len(table) if isinstance(construct, str) else construct
        pairs = zip(column.cells, words, strict=True)
        cells = tuple("" if word in table_map.ignore else cell for cell, word in pairs)
        column = dataclasses.replace(column, cells=cells)
    return column.numbers(missing=True, what="judgements")


def plain_decimals(column: TextColumn, table_map: TableMap) -> TextColumn:
    """Write decimal commas as points, where the map says that the table has them."""
    if table_map.decimal == "point":
        return column
    return dataclasses.replace(column, cells=tuple(cell.replace(",", ".") for cell in column.cells))


def columns_between(table: TextTable, first: str, last: str) -> tuple[str, ...]:
    """List the columns of the header from one to another."""
    for name in (first, last):
        table.column(name)
    start, stop = table.names.index(first), table.names.index(last)
    if stop < start:
        raise InputError(table.source, f"has {last} before {first}", "stimulus_columns in the header's order")
    return table.names[start : stop + 1]


def joined_cells(table: TextTable, names: Sequence[str]) -> list[str]:
    """Join the cells of columns with a space, none of them missing."""
    columns = [table.column(name).texts() for name in names]
    return [" ".join(cells) for cells in zip(*columns, strict=True)]


def whole_numbers(column: TextColumn, span: tuple[int, int], *, empty: int | None = None) -> list[int]:
    """Convert to whole numbers within a span; missing cells become ``empty`` where one is given."""
    numbers = column.numbers(missing=empty is not None, what="whole numbers")
    filled = np.where(np.isnan(numbers), 0 if empty is None else empty, numbers)
    wrong = np.flatnonzero((filled % 1 != 0) | (filled < span[0]) | (filled > span[1]))
    if wrong.size:
        said = f"row {column.rows[wrong[0]]}, column {column.name} is {column.cells[wrong[0]]!r}"
        raise InputError(column.source, said, f"a whole number from {span[0]} to {span[1]}; {COUNTED}")
    return [int(number) for number in filled]


def response_times(column: TextColumn) -> Floats:
    """Convert response times, NaN where none is told; ``InputError`` for a negative one."""
    numbers = column.numbers(missing=True, what="times")
    wrong = np.flatnonzero(numbers < 0)
    if wrong.size:
        said = f"row {column.rows[wrong[0]]}, column {column.name} is {column.cells[wrong[0]]!r}"
        raise InputError(column.source, said, f"a time of 0 or more; {COUNTED}")
    return numbers


def times(column: TextColumn, utc_offset: str | None) -> list[datetime]:
    """Read times with their offset from UTC, or with the map's where they have none."""
    moments = []
    for row, cell in zip(column.rows, column.texts(), strict=True):
        try:
            moment = datetime.fromisoformat(cell)
            moment = moment if moment.tzinfo else datetime.fromisoformat(f"{cell}{utc_offset or ''}")
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            said = f"row {row}, column {column.name} is {cell[:60]!r}"
            expected = "ISO 8601 with the offset from UTC, or utc_offset in the map"
            raise InputError(column.source, said, f"{expected}; {COUNTED}")
        moments.append(moment)
    return moments


def check_constructs(path: Path, frame: pd.DataFrame, table_map: TableMap) -> None:
    """Refuse words of the column ``construct`` that the map neither describes nor ignores."""
    if not table_map.constructs:
        return
    strangers = frame[~frame["construct"].isin(list(table_map.constructs))]
    if len(strangers):
        names = list(dict.fromkeys(strangers["construct"]))
        said = f"row {strangers['row'].iloc[0]}, column {table_map.construct_column} is {names[0]!r}"
        expected = f"a construct of the map, or in its ignore: {shown_names(list(table_map.constructs))}"
        raise InputError(
            path, said + (f"; so are {len(strangers) - 1} more rows" * (len(strangers) > 1)), expected
        )


def check_ranges(path: Path, frame: pd.DataFrame, table_map: TableMap) -> None:
    """Refuse values outside their scale, each named by row."""
    spans = {str(name): table_map.span_of(str(name)) for name in frame["construct"].unique()}
    ends = {name: span for name, span in spans.items() if span is not None}
    low = frame["construct"].map({name: span[0] for name, span in ends.items()})
    high = frame["construct"].map({name: span[1] for name, span in ends.items()})
    outside = frame[(frame["value"] < low) | (frame["value"] > high)]
    if not len(outside):
        return
    said = "; ".join(
        f"row {row}, {name}: {value:g} is not within {ends[name][0]:g} to {ends[name][1]:g}"
        for row, name, value in outside[["row", "construct", "value"]].head(SHOWN).itertuples(index=False)
    )
    more = len(outside) - SHOWN
    raise InputError(
        path,
        said + (f"; and {more} more" if more > 0 else ""),
        f"values of the scale, or words for missing ones in the map's missing; {COUNTED}",
    )
