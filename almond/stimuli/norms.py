"""Tables of published norms of images, such as those of OASIS and IAPS. Light: numpy only.

Read whatever line ends they have (LF, CRLF, or the bare CR of old spreadsheets), with cells separated by
tabs, commas, semicolons or runs of spaces, and with lines of prose before the header.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from almond.errors import InputError
from almond.folders import normalised
from almond.typing import Floats

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")

COLUMNS: dict[str, tuple[str, ...]] = {
    "name": ("theme", "iaps", "stim_file", "image", "picture", "name", "file", "filename"),
    "valence": ("valence_mean", "valmn", "valence", "val"),
    "arousal": ("arousal_mean", "aromn", "arousal", "arous"),
}
"""Column names that are recognised, in lower case: OASIS's, IAPS's, then plain ones."""

SHOWN = 12
"""How many problems of a kind an error names before it only counts the rest."""

RATINGS = ("valence", "arousal")

Line = tuple[int, tuple[str, ...]]
"""The number of a row and its cells."""


@dataclass(frozen=True, eq=False)
class Norms:
    """Valence and arousal (n,) of images, in the order of ``names``, on the scale of the table.

    ``columns`` says which columns they were read from, ``unused`` how many rows of the table have no image.
    """

    names: tuple[str, ...]
    valence: Floats
    arousal: Floats
    columns: Mapping[str, str]
    unused: int


@dataclass(frozen=True)
class Rows:
    """A table as text: the header, and per row its number in the file (as a spreadsheet counts) and cells."""

    header: tuple[str, ...]
    cells: tuple[Line, ...]

    def column(self, wanted: str) -> int | None:
        """Return the place of a column by name, without regard to capitals; None when there is none."""
        names = [name.lower() for name in self.header]
        return names.index(wanted.lower()) if wanted.lower() in names else None


def image_key(name: str) -> str:
    """Return how an image is called in a table: without folder, suffix, spaces around it, or capitals,
    and in one Unicode form."""
    last = PurePosixPath(normalised(name).strip().replace("\\", "/")).name
    suffix = PurePosixPath(last).suffix
    stem = last[: -len(suffix)] if suffix.lower() in IMAGE_SUFFIXES else last
    return stem.strip().lower()


def read_text(path: Path) -> str:
    """Read the text of a table with line ends as LF; Latin-1 where it is not UTF-8.

    :raises InputError: the file cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "a table of norms") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_norms(
    path: Path,
    images: Sequence[str] | None = None,
    *,
    name: str | None = None,
    valence: str | None = None,
    arousal: str | None = None,
    repeated: str = "error",
) -> Norms:
    """Read valence and arousal of images from a table.

    :param images: names of the images (files, say) for which norms are wanted; None is every row.
    :param name: the column that names the images; None is the first of ``COLUMNS`` that the header has.
    :param repeated: several rows of one image are an ``error``, or the ``mean`` of their ratings is taken, as
        for the pictures that IAPS had rated in more than one set.
    :raises InputError: columns are missing; or, reported together with the names: images without a row or
        with two, cells that are no numbers.
    """
    named = {"name": name, "valence": valence, "arousal": arousal}
    rows = _table(path, named)
    places = _places(path, rows, named)
    lines = _by_key(rows, places["name"])
    wanted = _wanted(images, lines, places["name"])
    problems = [f"two images are called {item!r}" for item in _doubled(images or ())]
    problems += [f"no row for {item!r}" for key, item in wanted.items() if key not in lines]
    values = np.full((len(wanted), 2), np.nan)
    for index, (key, item) in enumerate(wanted.items()):
        own = lines.get(key, [])
        if len(own) > 1 and repeated == "error":
            problems.append(f"{item!r} stands in rows {' and '.join(str(number) for number, _ in own)}")
        table = [[number_of(cells[places[kind]]) for kind in RATINGS] for _, cells in own]
        problems += _no_numbers(item, own, table, places)
        if table:
            values[index] = np.mean(table, axis=0)
    if problems:
        raise InputError(path, listed(problems), "one row of numbers per image")
    columns = {kind: rows.header[place] for kind, place in places.items()}
    unused = sum(len(own) for key, own in lines.items() if key not in wanted)
    return Norms(tuple(wanted.values()), values[:, 0], values[:, 1], columns, unused)


def _wanted(images: Sequence[str] | None, lines: Mapping[str, Sequence[Line]], place: int) -> dict[str, str]:
    """Map keys to names of the images; without any, of every row as the table writes it."""
    if images is not None:
        return {image_key(item): item for item in images}
    return {key: own[0][1][place] for key, own in lines.items()}


def _no_numbers(
    item: str, own: Sequence[Line], table: Sequence[Sequence[float]], places: Mapping[str, int]
) -> list[str]:
    return [
        f"row {number}, {item!r}: {kind} is {cells[places[kind]]!r}, not a number"
        for (number, cells), row in zip(own, table, strict=True)
        for kind, value in zip(RATINGS, row, strict=True)
        if math.isnan(value)
    ]


def number_of(cell: str) -> float:
    """Return the number in a cell; NaN where there is none (or one that is not finite)."""
    try:
        value = float(cell)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def listed(problems: Sequence[str]) -> str:
    """Join problems to one text: the first dozen, then how many more."""
    shown = list(problems[:SHOWN])
    more = len(problems) - len(shown)
    head = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return "\n  ".join([head, *shown, *([f"and {more} more"] if more else [])])


def _doubled(images: Sequence[str]) -> list[str]:
    keys = [image_key(item) for item in images]
    return [item for index, item in enumerate(images) if keys[index] in keys[:index]]


def _table(path: Path, named: Mapping[str, str | None]) -> Rows:
    """Read a table whose header is the first line with recognisable valence and arousal columns."""
    lines = read_text(path).split("\n")
    for index, line in enumerate(lines):
        cells = split(line, separator := separator_of(line))
        rows = Rows(cells, ())
        if all(_place(rows, kind, named[kind]) is not None for kind in RATINGS):
            return _body(path, lines, index, separator)
    wanted = " and ".join(named[kind] or "/".join(COLUMNS[kind][:3]) for kind in RATINGS)
    raise InputError(path, "has no header line with columns of valence and arousal", f"columns {wanted}")


def separator_of(line: str) -> str:
    """Return what separates the cells of a line: a tab, a semicolon, a comma, or else runs of spaces."""
    return next((mark for mark in ("\t", ";", ",") if mark in line), " ")


def split(line: str, separator: str) -> tuple[str, ...]:
    """Split the cells of a line, trimmed; quotes hold separators as in CSV."""
    if separator == " ":
        return tuple(re.split(r"\s+", line.strip()))
    return tuple(cell.strip() for cell in next(csv.reader(io.StringIO(line), delimiter=separator), []))


def _body(path: Path, lines: Sequence[str], index: int, separator: str) -> Rows:
    header = split(lines[index], separator)
    cells, wrong = [], []
    for number, line in enumerate(lines[index + 1 :], start=index + 2):
        row = split(line, separator)
        if not any(row):
            continue
        if len(row) != len(header):
            wrong.append(f"row {number} has {len(row)} cells: {line.strip()[:60]!r}")
        cells.append((number, row))
    if wrong:
        raise InputError(path, listed(wrong), f"{len(header)} cells in every row, as in the header")
    if not cells:
        raise InputError(path, "has no rows", "a header and one row per image")
    return Rows(header, tuple(cells))


def _place(rows: Rows, kind: str, column: str | None) -> int | None:
    names = (column,) if column is not None else COLUMNS[kind]
    return next((place for name in names if (place := rows.column(name)) is not None), None)


def _places(path: Path, rows: Rows, named: Mapping[str, str | None]) -> dict[str, int]:
    places = {kind: _place(rows, kind, named[kind]) for kind in COLUMNS}
    missing = [named[kind] or "/".join(COLUMNS[kind]) for kind, place in places.items() if place is None]
    if missing:
        shown = ", ".join(name for name in rows.header if name)
        raise InputError(path, f"has no column {' or '.join(missing)}", f"one of its columns: {shown}")
    return {kind: place for kind, place in places.items() if place is not None}


def _by_key(rows: Rows, place: int) -> dict[str, list[Line]]:
    """Group rows by image key."""
    lines: dict[str, list[Line]] = {}
    for number, cells in rows.cells:
        lines.setdefault(image_key(cells[place]), []).append((number, cells))
    return lines
