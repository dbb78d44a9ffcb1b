"""Tables written by whole columns, against rows written one by one, as RFC 4180 and ``repr`` say."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from almond.design.trials import TRIAL_KINDS
from almond.design.trials.base import TrialKind
from almond.design.trials.columns import Coded, Column, TableSchema
from almond.design.trials.responses import Response, Responses, listed_cells
from almond.errors import InputError
from almond.evidence.cell_columns import float_texts
from almond.evidence.reading import plain_part, read_parts
from almond.evidence.table_writer import SortedChunks, write_table
from almond.evidence.tables import read_export_table, typed_columns
from almond.exchange.layout import parquet_file, table_file
from almond.tables import parse_table
from tests.almond.small_export import SmallStudy

TABLE = TableSchema(
    "things",
    (
        Column("name", "text", "A name."),
        Column("place", "integer", "A place."),
        Column("note", "text", "Free text.", needed=False),
        Column("size", "number", "A size.", needed=False),
        Column("seen", "flag", "Whether it was seen.", range="0 or 1"),
        Column("at", "time", "When.", needed=False),
    ),
    sorted_by=("name", "place"),
    unique=("name", "place"),
)
START = datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC)
NOTES = (
    "",
    "plain",
    "a, b",
    'say "so"',
    "two\nlines",
    "a\rb",
    "\U0001f600 naïve ’quoted’",
    " edge ",
    "'",
    '"',
)
SIZES = (0.1, 1 / 3, 1e-7, 1e22, -0.0, 5.0, 123456789.123456789, 5e-324, 1.7976931348623157e308, 7, None)


def oracle_cell(kind: str, value: Any) -> str:
    """Write one cell as the format says it, without any of the library's functions."""
    if value is None:
        return ""
    if kind == "number":
        return repr(float(value))
    if kind in ("integer", "flag"):
        return str(int(value))
    return str(value.isoformat()) if kind == "time" else str(value)


def oracle(table: TableSchema, rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Write a table row by row; ``csv`` quotes what needs it."""
    whole = {column.name for column in table.columns if column.type == "integer"}

    def key(row: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(int(row[name]) if name in whole else str(row[name]) for name in table.sorted_by)

    names = [column.name for column in table.columns if not rows or column.name in rows[0]]
    types = {column.name: column.type for column in table.columns}
    lines = [
        names,
        *([oracle_cell(types[name], row[name]) for name in names] for row in sorted(rows, key=key)),
    ]
    return "".join(",".join(map(oracle_quotes, line)) + "\n" for line in lines).encode()


def oracle_quotes(text: str) -> str:
    """Quote a cell as RFC 4180 says."""
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\r\n') else text


def thing(number: int) -> dict[str, Any]:
    moment = START + timedelta(microseconds=number * 500_000) if number % 5 else None
    return {
        "name": f"{'éßz'[number % 3]}{number // 6}",
        "place": number * 7 % 100,
        "note": NOTES[number % len(NOTES)],
        "size": SIZES[number % len(SIZES)],
        "seen": number % 2 == 0,
        "at": moment,
    }


THINGS = [thing(number) for number in range(90)]


def test_rows_in_any_order_give_the_bytes_of_rows_written_one_by_one(tmp_path: Path) -> None:
    written = write_table(tmp_path, TABLE, THINGS[::-1])
    assert (tmp_path / table_file("things")).read_bytes() == oracle(TABLE, THINGS)
    assert written.rows == 90
    with (tmp_path / table_file("things")).open(newline="") as stream:
        notes = [row["note"] for row in csv.DictReader(stream)]
    assert sorted(notes) == sorted(row["note"] for row in THINGS)


def test_coded_columns_arrays_and_moments_give_the_same_bytes(tmp_path: Path) -> None:
    rows = sorted(
        ({**row, "at": row["at"] or START, "size": row["size"] or 2.5} for row in THINGS),
        key=lambda row: (row["name"], row["place"]),
    )

    def chunk(part: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Columns as trial kinds make them; distinct values that stand twice, and one that nobody uses."""
        notes = [*NOTES, *NOTES, "unused"]
        codes = np.array(
            [NOTES.index(row["note"]) + len(NOTES) * (place % 2) for place, row in enumerate(part)]
        )
        return {
            "name": Coded([row["name"] for row in part], np.arange(len(part))),
            "place": np.array([row["place"] for row in part]),
            "note": Coded(notes, codes),
            "size": np.array([float(row["size"]) for row in part]),
            "seen": Coded((False, True), np.array([row["seen"] for row in part], np.intp)),
            "at": np.array([row["at"].replace(tzinfo=None) for row in part], "datetime64[us]"),
        }

    # Rows of one chunk may come in any order: the second is turned round.
    chunks = [chunk(rows[:40]), chunk(rows[40:][::-1])]
    write_table(tmp_path, TABLE, SortedChunks(chunks))
    assert (tmp_path / table_file("things")).read_bytes() == oracle(TABLE, rows)
    typed = pq.read_table(tmp_path / parquet_file("things")).to_pylist()
    assert [row["at"] for row in typed] == [row["at"] for row in rows]
    assert [row["note"] for row in typed] == [row["note"] or None for row in rows]
    assert [(row["size"], row["seen"]) for row in typed] == [(row["size"], row["seen"]) for row in rows]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6),
            st.one_of(
                st.none(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False)
            ),
        ),
        max_size=12,
    )
)
def test_any_text_and_any_number(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, Any]]
) -> None:
    rows = [
        {**thing(1), "place": place, "note": note, "size": size} for place, (note, size) in enumerate(cells)
    ]
    folder = tmp_path_factory.mktemp("any")
    write_table(folder, TABLE, rows)
    assert (folder / table_file("things")).read_bytes() == oracle(TABLE, rows)


def test_a_table_of_one_column_keeps_its_empty_rows(tmp_path: Path) -> None:
    single = TableSchema("single", (Column("note", "text", "Text.", needed=False),), ("note",), ("note",))
    rows = [{"note": ""}, {"note": "a"}]
    write_table(tmp_path, single, rows)
    assert (tmp_path / table_file("single")).read_bytes() == b'note\n""\na\n'


def test_an_empty_table_is_its_header(tmp_path: Path) -> None:
    write_table(tmp_path, TABLE, [])
    write_table(tmp_path / "chunks", TABLE, SortedChunks([]))
    for folder in (tmp_path, tmp_path / "chunks"):
        assert (folder / table_file("things")).read_bytes() == b"name,place,note,size,seen,at\n"


@pytest.mark.parametrize(
    ("column", "cells", "said"),
    [
        ("seen", Coded((1, 2), np.array([0, 1, 1])), "row 2: seen is 2, not 0 or 1; row 3: seen is 2"),
        ("size", np.array([1.0, np.inf, 2.0]), "row 2: size is inf, not of type number"),
        ("size", [1, 2.0, 10**400], "row 3: size is 1000"),
        ("name", Coded(("", "a"), np.array([0, 1, 1])), "row 1: name is empty"),
        ("note", ["a", "b\0", "c"], "row 2: note is 'b.x00', not of type text"),
        ("at", np.array([1, 2, 3], "datetime64[D]"), None),
    ],
)
def test_wrong_cells_of_columns_are_named_by_their_rows(
    tmp_path: Path, column: str, cells: Any, said: str | None
) -> None:
    rows = [{**thing(1), "place": place} for place in range(3)]
    chunk = {name: [row[name] for row in rows] for name in rows[0]} | {column: cells}
    if said is None:
        assert write_table(tmp_path, TABLE, SortedChunks([chunk])).rows == 3
        return
    with pytest.raises(InputError, match=said):
        write_table(tmp_path, TABLE, SortedChunks([chunk]))


def test_keys_that_stand_twice_are_named_across_chunks(tmp_path: Path) -> None:
    rows = [{**thing(1), "place": place} for place in (1, 2, 2, 3)]
    chunks = [{name: [row[name] for row in part] for name in rows[0]} for part in (rows[:2], rows[2:])]
    with pytest.raises(InputError, match=r"name \+ place 'ß0 2' stands twice"):
        write_table(tmp_path, TABLE, SortedChunks(chunks))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> SmallStudy:
    return SmallStudy(tmp_path_factory.mktemp("study"))


def responses_to(study: SmallStudy, kind: str) -> list[Response]:
    """Answers of two people to every trial of a kind."""
    return [
        Response(
            trial=trial,
            images=[study.plan.stimulus_by_id[name].sha256 for name in trial.stimuli],
            values={name: 7.25 * place + number for place, name in enumerate(trial.constructs)},
            chosen=("left", "right")[(trial.index + number) % 2],
            shared={
                "response_id": f"r{number}-{trial.index}",
                "trial_id": f"t{number}-{trial.index}",
                "participant_id": f"p{number}",
                "trial_index": trial.index,
                "block": trial.block,
                "rt_ms": 1000.5 + trial.index,
                "received_at": START.isoformat(),
            },
        )
        for number in range(2)
        for trial in study.lists[number]
        if trial.kind == kind
    ]


def rating_rows(study: SmallStudy, response: Response) -> list[dict[str, Any]]:
    item = study.plan.stimulus_by_id[str(response.trial.stimulus)]
    told = {
        "repeat": int(response.trial.repeat),
        "stimulus_id": item.id,
        "base_scene": item.base_scene,
        "theme": study.plan.theme_of_scene[item.base_scene],
        "intended_target": item.target or "",
        "direction": item.direction,
        "strength": item.strength,
        "image_sha256": item.sha256,
    }
    return [
        {**response.shared, **told, "construct": name, "value": response.values[name]}
        for name in response.trial.constructs
    ]


def choice_rows(study: SmallStudy, response: Response) -> list[dict[str, Any]]:
    pair = next(pair for pair in study.plan.pairs if pair.id == response.trial.pair)
    high = "left" if response.trial.left == pair.high else "right"
    told = {
        "pair_id": pair.id,
        "base_scene": pair.base_scene,
        "theme": study.plan.theme_of_scene[pair.base_scene],
        "intended_target": pair.target,
        "construct": pair.construct,
        "left_stimulus": response.trial.left,
        "right_stimulus": response.trial.right,
        "chosen": response.chosen,
        "high_side": high,
        "aligned": int(response.chosen == high),
        "left_sha256": response.images[0],
        "right_sha256": response.images[1],
    }
    return [{**response.shared, **told}]


@pytest.mark.parametrize(("name", "rows_of"), [("rating", rating_rows), ("choice", choice_rows)])
def test_columns_of_a_trial_kind_are_its_rows(study: SmallStudy, name: str, rows_of: Any) -> None:
    kind, answers = TRIAL_KINDS.load(name), responses_to(study, name)
    expected = [row for one in answers for row in rows_of(study, one)]
    columns = {
        key: listed_cells(cells) for key, cells in kind.columns(study.plan, Responses.of(answers)).items()
    }
    assert {key: list(cells) for key, cells in columns.items()} == {
        key: [row[key] for row in expected] for key in expected[0]
    }
    assert [row for one in answers for row in kind.rows(study.plan, one)] == expected
    assert all(len(listed_cells(cells)) == 0 for cells in kind.columns(study.plan, Responses.of([])).values())


def test_a_kind_that_defines_neither_columns_nor_rows_is_none() -> None:
    with pytest.raises(TypeError, match="Nothing defines neither columns nor rows"):
        type("Nothing", (TrialKind,), {})


def text_of(rows: Sequence[Mapping[str, Any]]) -> str:
    return oracle(TABLE, rows).decode().split("\n", 1)[1]


def test_parts_read_by_columns_are_those_read_row_by_row() -> None:
    rows = [{**row, "note": "plain", "at": START} for row in THINGS]
    names = [column.name for column in TABLE.columns]
    plain = plain_part(names, TABLE.columns, text_of(rows))
    slow = typed_columns(
        parse_table(",".join(names) + "\n" + text_of(rows), "t", ",", ("",), exact=True), TABLE
    )
    assert plain is not None
    pd.testing.assert_frame_equal(plain, slow)


@pytest.mark.parametrize(
    "row",
    [
        'a,1,"x",1.0,1,',  # quotes are for the reader of rows
        "a,1,x,1.0,1",  # a cell too few
        "a,1,x,1.0,1,,",  # one too many
        "a,0x1F,x,1.0,1,",
        "a,007,x,1.0,1,",
        "a,+7,x,1.0,1,",
        "a, 7,x,1.0,1,",
        "a,99999999999999999999,x,1.0,1,",
        "a,1.0,x,1.0,1,",
        "a,1,x,inf,1,",
        "a,1,x,nan,1,",
        "a,1,x,1_0,1,",
        "a,1,x,0x1p3,1,",
        "a,1,x, 1.0,1,",
        "a,1,x,1.0,,",
        "a,,x,1.0,1,",
        " ",
    ],
)
def test_what_is_not_written_plainly_is_left_to_the_reader_of_rows(row: str) -> None:
    names = [column.name for column in TABLE.columns]
    assert plain_part(names, TABLE.columns, f"a,1,x,1.0,1,\n{row}\n") is None


def test_a_large_table_is_read_as_a_small_one_and_its_wrong_cell_is_named(tmp_path: Path) -> None:
    rows = [{**thing(place), "name": f"n{place:06d}", "note": "n" * 60} for place in range(40_000)]
    write_table(tmp_path, TABLE, rows)
    path = tmp_path / table_file("things")
    parts = list(read_parts(path, TABLE))
    assert len(parts) > 1
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), read_export_table(path, TABLE))
    lines = path.read_text().split("\n")
    lines[39_000] = lines[39_000].replace("n038999,", "n038999,x")
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match="row 39001, column place is 'x"):
        list(read_parts(path, TABLE))


NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**60), 2**60).map(float),
    st.sampled_from([0.0, -0.0, 1e-4, 9.999999999999999e-05, 1e9, 999999999.0, 1e10, 1e15, 1e16, 1e22]),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(NUMBERS, max_size=20))
def test_numbers_are_written_as_repr_writes_them(numbers: list[float]) -> None:
    assert float_texts(np.array(numbers)).to_pylist() == list(map(repr, numbers))


@pytest.mark.parametrize("skipped", [0, 3])
def test_arrays_of_text_give_the_bytes_of_lists(tmp_path: Path, skipped: int) -> None:
    """Also slices, whose letters are not all that is in their buffers."""
    rows = [{**thing(place), "place": place, "note": NOTES[place % len(NOTES)]} for place in range(12)]
    rows.sort(key=lambda row: (row["name"], row["place"]))
    kept = rows[skipped:]
    chunk: dict[str, Any] = {name: [row[name] for row in kept] for name in kept[0]}
    for name in ("name", "note"):
        chunk[name] = pa.array([row[name] for row in rows]).slice(skipped)
    write_table(tmp_path, TABLE, SortedChunks([chunk]))
    assert (tmp_path / table_file("things")).read_bytes() == oracle(TABLE, kept)


@pytest.mark.parametrize(
    ("column", "cells", "said"),
    [
        ("note", ["a", "b\0", "c"], "row 2: note is 'b.x00', not of type text"),
        ("name", ["", "a", "b"], "row 1: name is empty"),
        ("name", ["a", None, "b"], "row 2: name is empty"),
    ],
)
def test_wrong_cells_of_arrays_of_text_are_named(tmp_path: Path, column: str, cells: Any, said: str) -> None:
    rows = [{**thing(1), "place": place} for place in range(3)]
    chunk = {name: [row[name] for row in rows] for name in rows[0]} | {column: pa.array(cells, pa.string())}
    with pytest.raises(InputError, match=said):
        write_table(tmp_path, TABLE, SortedChunks([chunk]))
