"""Tables that others wrote: one reader, which guesses nothing. Light: numpy only.

Every cell is text. A cell is missing if it is empty or ``n/a`` (BIDS), or a code that the caller declares;
``null``, ``None``, ``NA`` and ``nan`` are words like others. Numbers are made where a number is asked for,
and a cell that is none is an error with file, row and column.

Cells of a TSV are separated by tabs and nothing is quoted (BIDS): a quotation mark is a character. Cells of a
CSV are separated by commas, unless another separator is declared, and quoted as RFC 4180 says, on one line.
Names and cells lose the spaces around them. Rows are numbered as in a spreadsheet: the header is row 1.
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from almond.cells import MISSING, WORDS_FOR_MISSING, is_missing, is_number, not_a_number
from almond.errors import InputError
from almond.files.text import read_text
from almond.typing import Floats

SEPARATORS = {"\t": "tab", ";": "semicolon", ",": "comma", " ": "runs of spaces"}
SPACES = " "
COUNTED = "the header is row 1"

NAMELESS = re.compile(r"|n/a|Unnamed: \d+")
LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
LINE_ENDS = re.compile(r"\r\n|\r|\n")
SHOWN = 4

Record = tuple[int, list[str]]
"""The number of a row, and its cells; none for a blank line."""


@dataclass(frozen=True)
class TextColumn:
    """The cells of a column (n,) as text, with the numbers of their rows."""

    source: object
    name: str
    rows: Sequence[int]
    cells: tuple[str, ...]
    missing: tuple[str, ...] = MISSING

    @property
    def known(self) -> tuple[str | None, ...]:
        """The text of each cell, None where it is missing."""
        return tuple(None if is_missing(cell, self.missing) else cell for cell in self.cells)

    def texts(self) -> tuple[str, ...]:
        """Return the text of every cell; ``InputError`` for the first that is missing."""
        for row, cell in zip(self.rows, self.known, strict=True):
            if cell is None:
                raise InputError(self.source, f"row {row}, column {self.name} is empty", "text in every row")
        return self.cells

    def numbers(self, *, missing: bool = False, what: str = "numbers") -> Floats:
        """Convert to numbers (n,); NaN for missing cells where ``missing`` allows them.

        :param what: what the numbers are, for the error.
        :raises InputError: the first cell that is no finite number, and how many more there are.
        """
        values = np.full(len(self.cells), np.nan)
        wrong = []
        for index, cell in enumerate(self.known):
            if cell is not None and is_number(cell):
                values[index] = float(cell)
            elif cell is not None or not missing:
                wrong.append(index)
        if wrong:
            problem, expected = not_a_number(self.cells[wrong[0]], missing=missing)
            more = f"; so are {len(wrong) - 1} more rows" if len(wrong) > 1 else ""
            raise InputError(
                self.source,
                f"row {self.rows[wrong[0]]}, column {self.name} {problem}{more}",
                f"{what}: {expected}; {COUNTED}",
            )
        return values


@dataclass(frozen=True)
class TextTable:
    """A table as text: ``names`` (k) of columns, and per row its number in the file and k cells."""

    source: object
    names: tuple[str, ...]
    rows: tuple[int, ...]
    cells: tuple[list[str], ...]
    missing: tuple[str, ...] = MISSING

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def at(self, place: int) -> TextColumn:
        """Take a column by its place, from 0."""
        cells = tuple(row[place] for row in self.cells)
        return TextColumn(self.source, self.names[place], self.rows, cells, self.missing)

    def column(self, name: str) -> TextColumn:
        """Take a column by its name; ``InputError`` names those that there are."""
        if name not in self.names:
            raise InputError(self.source, f"has no column {name}", f"{name} beside {shown_names(self.names)}")
        return self.at(self.names.index(name))


@dataclass(frozen=True)
class NumberTable:
    """Columns of numbers (n, k) with their ``names``, and the columns of text that were asked for."""

    names: tuple[str, ...]
    values: Floats
    texts: dict[str, TextColumn]


def read_table(
    path: Path,
    *,
    separator: str | None = None,
    missing: Collection[str] = (),
    nameless: bool = False,
    latin_1: bool = False,
    exact: bool = False,
) -> TextTable:
    """Read a table with a header.

    :param separator: a tab for ``.tsv`` and a comma for everything else, unless declared.
    :param missing: words and numbers that mean a missing value, beside ``MISSING``.
    :param nameless: columns without a name are left alone, because the caller asks for columns by name.
    :param latin_1: see ``read_text``.
    :param exact: a table that Almond wrote: spaces, line breaks in quotes and ``n/a`` are content.
    :raises InputError: not readable, no text in a known encoding, a header that cannot be one, a row with
        other cells than the header, a quotation mark that is not closed.
    """
    text = read_text(path, latin_1=latin_1, exact=exact)
    separator = separator or separator_by_name(path)
    codes = ("",) if exact else (*MISSING, *missing)
    return parse_table(text, path, separator, codes, nameless=nameless, exact=exact)


def parse_table(
    text: str,
    source: object,
    separator: str,
    missing: tuple[str, ...] = MISSING,
    *,
    nameless: bool = False,
    exact: bool = False,
    quoted: bool | None = None,
    first: int = 1,
) -> TextTable:
    """Parse a table from text whose first line is row ``first`` of the source; see ``read_table``.

    :param quoted: whether cells may be quoted; unless given, where neither tabs nor spaces separate them.
    """
    quotes = separator not in ("\t", SPACES) if quoted is None else quoted
    records = read_records(text, source, separator, quotes=quotes, exact=exact, first=first)
    names = _header(records, source, separator, nameless=nameless or exact)
    rows, cells = [], []
    for row, record in _body(records, source, len(names), separator):
        rows.append(row)
        cells.append(record if exact else [cell.strip() for cell in record])
    return TextTable(source, names, tuple(rows), tuple(cells), missing)


def read_numbers(path: Path, text: Collection[str] = ()) -> NumberTable:
    """Read a table whose columns are numbers, none missing, but for those named in ``text``.

    Rows are converted one by one, so that a wide table takes little more than its file and its numbers.

    :raises InputError: as ``read_table``, and a cell that is no number.
    """
    separator = separator_by_name(path)
    records = read_records(read_text(path), path, separator, quotes=separator != "\t")
    names = _header(records, path, separator)
    places = {name: place for place, name in enumerate(names) if name in text}
    numeric = [place for place in range(len(names)) if place not in places.values()]
    values, rows = array("d"), []
    words: dict[str, list[str]] = {name: [] for name in places}
    for row, cells in _body(records, path, len(names), separator):
        rows.append(row)
        for name, place in places.items():
            words[name].append(cells[place].strip())
        numbers = cells if not places else [cells[place] for place in numeric]
        values.extend(_plain_numbers(numbers) or _converted(numbers, [names[k] for k in numeric], row, path))
    texts = {name: TextColumn(path, name, rows, tuple(cells)) for name, cells in words.items()}
    matrix = np.array(values, np.float64).reshape(len(rows), len(numeric))
    return NumberTable(tuple(names[place] for place in numeric), matrix, texts)


def _plain_numbers(cells: Sequence[str]) -> list[float] | None:
    """Convert a row at once where all of it is plain: what Python takes for numbers and we do not holds
    underscores or other scripts' digits, or is not finite."""
    line = "".join(cells)
    if not line.isascii() or "_" in line:
        return None
    try:
        values = [float(cell) for cell in cells]
    except ValueError:
        return None
    return values if all(map(math.isfinite, values)) else None


def _converted(cells: Sequence[str], names: Sequence[str], row: int, path: Path) -> list[float]:
    """Convert a row cell by cell, for the error that names the column."""
    pairs = zip(names, cells, strict=True)
    columns = [TextColumn(path, name, [row], (cell.strip(),)) for name, cell in pairs]
    return [float(column.numbers()[0]) for column in columns]


def separator_by_name(path: Path) -> str:
    """Return what separates cells in a file of this name: a tab in a TSV, otherwise a comma."""
    return "\t" if path.suffix.lower() == ".tsv" else ","


def shown_names(names: Sequence[str], count: int = 12) -> str:
    """Join names for a message: the first dozen, then how many more."""
    more = [f"and {len(names) - count} more"] if len(names) > count else []
    return ", ".join([*(repr(name) if " " in name or not name else name for name in names[:count]), *more])


def read_records(
    text: str, source: object, separator: str, *, quotes: bool, exact: bool = False, first: int = 1
) -> Iterator[Record]:
    """Split text into rows of cells, which are not stripped; a blank line has no cells.

    :raises InputError: a quotation mark inside an unquoted cell, or one that is not closed.
    """
    mark = re.escape(separator)
    cell = re.compile(rf'(?:"([^"]*(?:""[^"]*)*)"|([^"{mark}]*))({mark}|\Z)')
    lines = (match[0] for match in LINE.finditer(text))
    for row, ended in enumerate(_joined(lines) if quotes and exact else lines, start=first):
        line = ended.rstrip("\r\n")
        if not line.strip(" "):
            yield row, []
        elif quotes and '"' in line:
            yield row, list(_quoted(line, cell, row, source))
        else:
            yield row, line.split(separator) if separator != SPACES else line.split()


def _joined(lines: Iterator[str]) -> Iterator[str]:
    """Join lines to rows: a line break inside quotes ends no row."""
    pending: list[str] = []
    odd = 0
    for line in lines:
        pending.append(line)
        odd ^= line.count('"') % 2
        if not odd:
            yield "".join(pending)
            pending.clear()
    if pending:
        yield "".join(pending)


def _quoted(line: str, cell: re.Pattern[str], row: int, source: object) -> Iterator[str]:
    """Split the cells of a row that holds quotation marks, as RFC 4180 says."""
    place, separator = 0, " "
    while separator:
        match = cell.match(line, place)
        if match is None:
            raise InputError(
                source,
                f"row {row} has a quotation mark inside a cell or not closed: {line[place:][:60]!r}",
                'a cell in quotes on one line, with "" for a quotation mark',
            )
        quoted, plain, separator = match.groups()
        yield plain if quoted is None else quoted.replace('""', '"')
        place = match.end()


def _header(
    records: Iterator[Record], source: object, separator: str, *, nameless: bool = False
) -> tuple[str, ...]:
    """Read the names of columns from the first row that is not blank."""
    row, cells = next((record for record in records if record[1]), (0, []))
    names = tuple(cell.strip() for cell in cells)
    where = f"{source}, row {row}" if row > 1 else source
    if not names:
        raise InputError(source, "is empty", "a header with the names of columns, and rows")
    _check_separator(names, where, separator)
    numbers = [name for name in names if is_number(name)]
    if numbers and all(name in numbers or name.lower() in WORDS_FOR_MISSING for name in names):
        said = f"has numbers instead of a header: {shown_names(names, SHOWN)}"
        raise InputError(where, said, "names of columns in the first row")
    for place, name in enumerate(names, start=1):
        if NAMELESS.fullmatch(name) and not nameless:
            said = f"has no name for column {place} of {len(names)}" + (f" ({name})" if name else "")
            expected = "a name for every column; row numbers that were written along taken out"
            raise InputError(where, said, expected)
        if name and name in names[: place - 1]:
            raise InputError(where, f"has the column {name} twice", "each name once")
    return names


def _check_separator(names: Sequence[str], source: object, separator: str) -> None:
    """Refuse names that hold a separator: the file is separated by another one than its kind is."""
    for other, word in list(SEPARATORS.items())[:3]:
        holding = next((name for name in names if other in name), None)
        if holding is None or other == separator or (other == "," and len(names) > 1):
            continue
        raise InputError(
            source,
            f"its header holds the separator {other!r} ({word}): {holding[:60]!r}",
            f"cells separated by {separator!r} ({SEPARATORS[separator]}), numbers with a decimal point",
        )


def _body(records: Iterator[Record], source: object, width: int, separator: str) -> Iterator[Record]:
    """Check the number of cells. Blank lines are no rows, but in a single column, where they are empty cells
    unless nothing follows."""
    blank: list[int] = []
    for row, cells in records:
        if not cells:
            blank.append(row)
            continue
        if width == 1:
            yield from ((gap, [""]) for gap in blank)
            blank.clear()
        if len(cells) != width:
            word = SEPARATORS.get(separator, separator)
            raise InputError(
                source,
                f"row {row} has {len(cells)} cells, the header {width}",
                f"{width} cells separated by {word}, n/a for a missing value; {COUNTED}",
            )
        yield row, cells
