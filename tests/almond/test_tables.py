"""The reader of tables gives back what was written, or refuses; never another number."""

from __future__ import annotations

import csv
import io
import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from almond.cells import is_number, is_whole
from almond.encoding.bold.bids import Run
from almond.encoding.bold.confounds import read_regressors
from almond.encoding.bold.events import read_events
from almond.encoding.features.event_predictors import predictors_of_events
from almond.encoding.features.run_features import Scan
from almond.encoding.features.stimulus_events import conditions_of, stimulus_events
from almond.encoding.features.tables import load_table
from almond.encoding.regions.atlas import label_table
from almond.errors import InputError
from almond.files.text import read_text
from almond.group.region_images.images import read_image_table
from almond.remarks import Remarks
from almond.rng import generator
from almond.stimuli.norms import read_norms
from almond.tables import read_numbers, read_table

MUTATIONS = 2000
FEW = 400
"""For readers that stand on the same one, as opening a file is most of the time."""
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16")
ENDS = ("\n", "\r\n", "\r")
QUIET = settings(deadline=None, derandomize=True, max_examples=200)

NAMES = st.text("abcxyzÄé _.()", min_size=1, max_size=8).map(lambda name: f"n{name}".strip())
PLAIN = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp", "Zs"]), max_size=10)
CELLS = st.one_of(
    PLAIN, st.sampled_from(["", "n/a", "NA", "null", "None", "nan", "0012", "1.0", '"', '""', "a b", " x "])
)
ANY = st.text(max_size=8)


@st.composite
def tables(draw, names=NAMES, cells=CELLS, least=2):
    header = draw(st.lists(names, min_size=least, max_size=5, unique=True))
    row = st.lists(cells, min_size=len(header), max_size=len(header))
    return header, draw(st.lists(row, max_size=6))


def csv_text(header, rows, end="\n", separator=",", quoting=csv.QUOTE_MINIMAL):
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=separator, lineterminator=end, quoting=quoting)
    writer.writerows([header, *rows])
    return stream.getvalue()


def tsv_text(header, rows, end="\n"):
    return "".join("\t".join(row) + end for row in [header, *rows])


def stripped(rows):
    return [[cell.strip() for cell in row] for row in rows]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


@QUIET
@given(
    tables(),
    st.sampled_from(ENCODINGS),
    st.sampled_from(ENDS),
    st.sampled_from([",", ";", "|"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_a_csv_is_read_as_it_was_written(folder, table, encoding, end, separator, quoting):
    header, rows = table
    path = folder / "t.csv"
    path.write_bytes(csv_text(header, rows, end, separator, quoting).encode(encoding))
    read = read_table(path, separator=separator)
    assert list(read.names) == stripped([header])[0]
    assert list(read.cells) == stripped(rows)
    assert read.rows == tuple(range(2, len(rows) + 2))


@QUIET
@given(tables(), st.sampled_from(ENCODINGS), st.sampled_from(ENDS))
def test_a_tsv_has_no_quoting(folder, table, encoding, end):
    header, rows = table
    path = folder / "t.tsv"
    path.write_bytes(tsv_text(header, rows, end).encode(encoding))
    read = read_table(path)
    assert list(read.names) == stripped([header])[0]
    assert list(read.cells) == stripped(rows)


@QUIET
@given(tables(st.one_of(NAMES, ANY), st.one_of(CELLS, ANY), least=1), st.sampled_from(ENCODINGS))
def test_whatever_is_written_is_read_or_refused(folder, table, encoding):
    header, rows = table
    path = folder / "t.csv"
    path.write_bytes(csv_text(header, rows).encode(encoding, "surrogatepass"))
    try:
        read = read_table(path)
    except InputError:
        return
    assert list(read.names) == stripped([header])[0]
    assert list(read.cells) == stripped(rows)


NO_NUMBERS = ["NA", "nan", "NaN", "null", "None", ".", "-", "1,5", "1.234,5", "inf", "-Infinity", "1_0", "٣"]
NO_NUMBERS += ["1e999", "0x10", "1 2", "−1", "True", "1.5D3", "$1", "5%", "--1", "1e", "e5"]


@QUIET
@given(
    st.lists(
        st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([None, "n/a", ""])),
        min_size=1,
    )
)
def test_numbers_are_read_to_the_last_bit(folder, values):
    path = folder / "t.tsv"
    cells = [value if isinstance(value, str) else "n/a" if value is None else repr(value) for value in values]
    path.write_text(tsv_text(["a", "b"], [[cell, "x"] for cell in cells]), encoding="utf-8")
    expected = [value if isinstance(value, float) else np.nan for value in values]
    column = read_table(path).column("a")
    np.testing.assert_array_equal(column.numbers(missing=True), expected)
    if not all(isinstance(value, float) for value in values):
        with pytest.raises(InputError, match=r"column a is (empty|n/a)"):
            column.numbers()


@pytest.mark.parametrize("word", NO_NUMBERS)
def test_what_is_no_number_is_named_by_row_and_column(tmp_path, word):
    path = tmp_path / "t.tsv"
    path.write_text(f"a\tb\n1\t2\n3\t{word}\n", encoding="utf-8")
    place = f"t.tsv: row 3, column b is {re.escape(repr(word))}"
    with pytest.raises(InputError, match=place):
        read_table(path).column("b").numbers(missing=True)
    with pytest.raises(InputError, match=place):
        read_numbers(path)
    assert read_table(path).column("b").known == ("2", word)
    assert not is_number(word)
    assert not is_whole(word)


def test_declared_codes_are_missing_as_words_and_as_numbers(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a\n1\n-99\n-99.0\nNA\n-9\n", encoding="utf-8")
    column = read_table(path, missing=["-99", "NA"]).column("a")
    np.testing.assert_array_equal(column.numbers(missing=True), [1, np.nan, np.nan, np.nan, -9])
    with pytest.raises(InputError, match="row 3, column a is '-99'"):
        column.numbers()


def test_empty_lines_are_no_rows_and_in_one_column_no_number(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n\n1,2\n\n3,x\n\n\n", encoding="utf-8")
    table = read_table(path)
    assert (table.rows, list(table.cells)) == ((3, 5), [["1", "2"], ["3", "x"]])
    path.write_text("a\n1\n\n3\n\n", encoding="utf-8")
    with pytest.raises(InputError, match="row 3, column a is empty"):
        read_numbers(path)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("t.csv", "", "is empty"),
        ("t.csv", "\n\n", "is empty"),
        ("t.csv", ",a\n0,1\n", "has no name for column 1 of 2"),
        ("t.csv", "Unnamed: 0,a\n0,1\n", r"has no name for column 1 of 2 \(Unnamed: 0\)"),
        ("t.tsv", "a\tn/a\n0\t1\n", r"has no name for column 2 of 2 \(n/a\)"),
        ("t.csv", "a, a\n0,1\n", "has the column a twice"),
        ("t.csv", "0.5,-1e3\n0,1\n", r"has numbers instead of a header: 0.5, -1e3"),
        ("t.csv", "1,NaN\n0,1\n", "has numbers instead of a header"),
        ("t.csv", "a;b\n1;2\n", "holds the separator ';'"),
        ("t.csv", "sep=;\na;b\n", "holds the separator ';'"),
        ("t.csv", "a\tb\n1\t2\n", "holds the separator '.t'"),
        ("t.tsv", "a,b\n1,2\n", "holds the separator ','"),
        ("t.csv", "a,b\n1,2\n1,2,3\n", "row 3 has 3 cells, the header 2"),
        ("t.tsv", "a\tb\n1\n", "row 2 has 1 cells, the header 2"),
        ("t.csv", 'a,b\n1,2\n"x,3\n4,5\n', "row 3 has a quotation mark inside a cell or not closed"),
        ("t.csv", 'a,b\n1,"\n2,3\n4,"\n', "row 2 has a quotation mark"),
        ("t.csv", 'a,b\n5" pipe,2\n', "row 2 has a quotation mark"),
        ("t.csv", 'a,b\n1, "x,y"\n', "row 2 has a quotation mark"),
        ("t.csv", "a,b\n1,\x00\n", "line 2 holds the control character"),
    ],
)
def test_what_is_no_table_says_what_to_write(tmp_path, name, text, problem):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=problem) as caught:
        read_table(tmp_path / name)
    assert "expected" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("a,b\n1,é\n".encode("latin-1"), r"byte 7 \(0xe9, in line 2\) is not UTF-8"),
        (b"\xef\xbb\xbfa,b\n1,\xe9\n", r"byte 10 \(0xe9, in line 2\) is not UTF-8"),
        (b"\xff\xfea\x00b", r"byte 5 \(0x62, in line 1\) is not UTF-16"),
        ("a,b\n".encode("utf-16-le"), "line 1 holds the control character"),
        ("a,b\n".encode("utf-32"), "control character"),
    ],
)
def test_other_encodings_are_refused_with_the_place(tmp_path, data, problem):
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(InputError, match=problem):
        read_table(tmp_path / "t.csv")


def test_letters_of_published_tables_may_be_latin_1_and_nothing_else(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("Fläche,£\n".encode("latin-1"))
    assert read_text(path, latin_1=True) == "Fläche,£\n"
    path.write_bytes("Fläche, €\n".encode("cp1252"))
    with pytest.raises(InputError, match="0xe4, in line 1"):
        read_text(path, latin_1=True)


def independent(data, separator):
    """Read rows of cells in another way: the codecs of Python, ``csv`` for quotes, ``split`` for tabs."""
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    text = data.decode(encoding)
    if separator == ",":
        rows = list(csv.reader(io.StringIO(text, newline="")))
    else:
        rows = [line.split("\t") for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    return stripped([row for row in rows if any(cell.strip(" ") for cell in row)])


OFTEN = b'"\t,;\r\n .-+eEnaN/0\xff\xfe\x00\xc3_'


def mutated(data, rng):
    """Change, insert, delete, repeat or cut off a few bytes."""
    data = bytearray(data)
    for _ in range(int(rng.integers(1, 3))):
        place, stop = sorted(int(number) for number in rng.integers(0, len(data) + 1, 2))
        byte = int(rng.choice(list(OFTEN)) if rng.random() < 0.7 else rng.integers(256))
        match int(rng.integers(6)):
            case 0:
                data[place : place + 1] = [byte]
            case 1:
                data.insert(place, byte)
            case 2:
                del data[place : place + 1]
            case 3:
                data[stop:stop] = data[place : min(stop, place + 30)]
            case 4:
                del data[place : min(stop, place + 30)]
            case _:
                del data[max(stop, len(data) // 2) :]
        data = data or bytearray(b"a")
    return bytes(data)


EVENTS = tsv_text(
    ["onset", "duration", "trial_type", "note"],
    [["0.5", "1", "1", '"'], ["2", "1.5", "n/a", ""], ["4.25", "1", "null", "é"], ["6", "2", "0012", '"x"']],
)
FEATURES = csv_text(
    ["stim_file", "a", "b"],
    [["0012", "0.126", "-1e-3"], ["x, y", "20", "31.5"], ["z", "-0.25", "+700"], ["ü", "1", "1.0"]],
)


def test_a_changed_tsv_is_read_as_it_stands_or_refused(folder):
    rng, path, read = generator(8, "mutated events"), folder / "m.tsv", 0
    for _ in range(MUTATIONS):
        data = mutated(EVENTS.encode(rng.choice(["utf-8", "utf-8-sig", "utf-16"])), rng)
        path.write_bytes(data)
        try:
            events = read_events(path)
        except InputError:
            continue
        read += 1
        header, *rows = independent(data, "\t")
        assert list(events) == header
        assert len(events) == len(rows)
        for name, *cells in zip(header, *rows, strict=True):
            if name in ("onset", "duration"):
                assert [float(cell) for cell in cells] == events[name].tolist()
            else:
                assert [None if cell in ("", "n/a") else cell for cell in cells] == events[name].tolist()
    assert MUTATIONS / 10 < read < MUTATIONS * 0.9


def test_a_changed_csv_is_read_as_it_stands_or_refused(folder):
    rng, path, read = generator(8, "mutated features"), folder / "m.csv", 0
    for _ in range(MUTATIONS):
        data = mutated(FEATURES.encode(rng.choice(["utf-8", "utf-8-sig"])), rng)
        path.write_bytes(data)
        try:
            table = load_table(path)
        except InputError:
            continue
        read += 1
        header, *rows = independent(data, ",")
        columns = {name: tuple(cells) for name, *cells in zip(header, *rows, strict=True)}
        assert table.keys == columns.pop("stim_file", None)
        assert table.names == tuple(columns)
        assert table.values.T.tolist() == [[float(cell) for cell in cells] for cells in columns.values()]
    assert MUTATIONS / 10 < read < MUTATIONS * 0.9


READERS = {
    "c.tsv": (read_regressors, "a\tb\nn/a\t1\n2\t3\n"),
    "c.par": (lambda path: read_regressors(path).column("motion_1").numbers(), "1 2\n3 4\n"),
    "l.tsv": (label_table, "index\tname\n4\tLB\n5\tCM\n"),
    "l.txt": (label_table, "4 LB 1 2 3 0\n5 CM 1 2 3 0\n"),
    "l.xml": (label_table, "<atlas><label><index>3</index><name>LB</name></label></atlas>"),
    "i.csv": (read_image_table, "image,region,subject\n1.png,LB,01\n2.png,LB,01\n"),
    "n.txt": (read_norms, "Prose.\nimage;valence;arousal\na;1;2\nb;3;4\n"),
}


@pytest.mark.parametrize("name", READERS)
def test_no_reader_fails_with_anything_but_an_input_error(folder, name):
    rng = generator(8, f"mutated {name}")
    read, text = READERS[name]
    outcomes = set()
    for _ in range(FEW):
        (folder / name).write_bytes(mutated(text.encode(), rng))
        try:
            read(folder / name)
            outcomes.add("read")
        except InputError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def test_wide_tables_are_read_row_by_row(tmp_path):
    values = generator(1, "wide").standard_normal((3, 400))
    names = [f"f{index}" for index in range(400)]
    rows = [[f"00{row}", *map(repr, map(float, line))] for row, line in enumerate(values)]
    (tmp_path / "w.csv").write_text(csv_text(["stim_file", *names], rows), encoding="utf-8")
    table = load_table(tmp_path / "w.csv")
    np.testing.assert_array_equal(table.values, values)
    assert table.keys == ("000", "001", "002")


def test_events_are_text_but_for_their_times(tmp_path):
    words = ["null", "None", "NA", "nan", "n/a", "", "0012", "1.0", "True", '"', "é"]
    rows = [[str(row), "1", word] for row, word in enumerate(words)]
    (tmp_path / "e.tsv").write_text(tsv_text(["onset", "duration", "trial_type"], rows), encoding="utf-8")
    events = read_events(tmp_path / "e.tsv")
    assert events["trial_type"].tolist() == [word if word not in ("n/a", "") else None for word in words]
    assert events["onset"].tolist() == list(map(float, range(len(words))))
    for row, word in itertools.product((0, 3), ("n/a", "1,5", "nan")):
        changed = [[*line] for line in rows]
        changed[row][1] = word
        (tmp_path / "e.tsv").write_text(tsv_text(["onset", "duration", "trial_type"], changed))
        with pytest.raises(InputError, match=f"row {row + 2}, column duration is .*{word}.*seconds"):
            read_events(tmp_path / "e.tsv")


def runs_with(folder, **tables):
    """Runs whose events show each of some words for a second."""
    runs = []
    for name, words in tables.items():
        path = folder / f"{name}.tsv"
        rows = [[str(2 * row), "1", word, word] for row, word in enumerate(words)]
        path.write_text(tsv_text(["onset", "duration", "trial_type", "stim_file"], rows), encoding="utf-8")
        runs.append(Run("1", name, Path("bold.nii.gz"), events=path))
    return runs


def test_conditions_are_the_words_of_the_files(tmp_path):
    runs = runs_with(tmp_path, a=["null", "1", "n/a", "2"], b=["2", "None", "", "1", "NA"])
    assert conditions_of(runs) == ("1", "2", "NA", "None", "null")
    assert stimulus_events(runs_with(tmp_path, c=["0012", "n/a"])[0])["stim_file"].tolist() == ["0012"]
    predictors = predictors_of_events(("1", "2"), 1.0, [Scan(run, 5, 2.0) for run in runs], Remarks())
    first, second = (part.values[:, 0].tolist() for part in predictors.runs)
    assert first == [0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
    assert second == [0, 0, 0, 0, 0, 0, 1, 0, 0, 0]


@pytest.mark.parametrize(
    ("first", "second"), [("1", "1.0"), ("01", "1"), ("1e1", "10"), ("caf\u00e9", "cafe\u0301")]
)
def test_one_condition_written_in_two_ways_is_refused(tmp_path, first, second):
    runs = runs_with(tmp_path, a=[first, "x"], b=["x", second])
    with pytest.raises(InputError, match=r"b\.tsv: trial_type is .* here and .* in .*a\.tsv"):
        conditions_of(runs)
    with pytest.raises(InputError, match=r"trial_type is .* here and .* in "):
        predictors_of_events((first, "x"), 1.0, [Scan(run, 5, 2.0) for run in runs], Remarks())
