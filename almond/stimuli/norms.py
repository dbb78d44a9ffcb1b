"""Tables of published norms of images, such as those of OASIS and IAPS. Light: numpy only.

Read whatever line ends they have (LF, CRLF, or the bare CR of old spreadsheets), with cells separated by
what separates the names in the header (tabs, semicolons, commas or runs of spaces), and with lines of prose
before the header. Otherwise they are tables like others (``almond.tables``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from almond.cells import is_missing, is_number, not_a_number
from almond.design.themes import theme_in_name, theme_named
from almond.errors import InputError
from almond.files.folders import normalised
from almond.files.text import read_text
from almond.pictures.formats import IMAGE_SUFFIXES
from almond.tables import LINE, SPACES, TextTable, parse_table
from almond.typing import Floats

COLUMNS: dict[str, tuple[str, ...]] = {
    "name": ("theme", "iaps", "stim_file", "image", "picture", "name", "file", "filename"),
    "valence": ("valence_mean", "valmn", "valence", "val"),
    "arousal": ("arousal_mean", "aromn", "arousal", "arous"),
}
"""Column names that are recognised, in lower case: OASIS's, IAPS's, then plain ones."""

SHOWN = 12
"""How many problems of a kind an error names before it only counts the rest."""

RATINGS = ("valence", "arousal")

CODE = re.compile(r"-?(?:7{2,}|8{2,}|9{2,})(?:\.0*)?|-[789](?:\.0*)?")

Line = tuple[int, Sequence[str]]
"""The number of a row and its cells."""


@dataclass(frozen=True, eq=False)
class Norms:
    """Valence and arousal (n,) of images, in the order of ``names``, on the scale of the table.

    ``columns`` says which columns they were read from, ``unused`` how many rows of the table have no image.
    ``themes`` (n,) are what a column states, else every image is a theme of its own.
    """

    names: tuple[str, ...]
    valence: Floats
    arousal: Floats
    columns: Mapping[str, str]
    unused: int
    themes: tuple[str, ...]


def image_key(name: str) -> str:
    """Return how an image is called in a table: without folder, suffix, spaces around it, or capitals,
    and in one Unicode form."""
    last = PurePosixPath(normalised(name).strip().replace("\\", "/")).name
    suffix = PurePosixPath(last).suffix
    stem = last[: -len(suffix)] if suffix.lower() in IMAGE_SUFFIXES else last
    return stem.strip().lower()


def read_norms(
    path: Path,
    images: Sequence[str] | None = None,
    *,
    name: str | None = None,
    valence: str | None = None,
    arousal: str | None = None,
    theme: str | None = None,
    repeated: str = "error",
) -> Norms:
    """Read valence and arousal of images from a table.

    :param images: names of the images (files, say) for which norms are wanted; None is every row.
    :param name: the column that names the images; None is the first of ``COLUMNS`` that the header has.
    :param theme: the column that states the themes of images; None makes every image one of its own.
    :param repeated: several rows of one image are an ``error``, or the ``mean`` of their ratings is taken, as
        for the pictures that IAPS had rated in more than one set.
    :raises InputError: columns are missing; or, reported together with the names: images without a row or
        with two, cells that are no numbers.
    """
    named = {"name": name, "valence": valence, "arousal": arousal}
    table = _table(path, named)
    places = _places(table, named)
    lines = _by_key(table, places["name"])
    wanted = _wanted(images, lines, places["name"])
    codes = {kind: codes_in(table.at(places[kind]).cells) for kind in RATINGS}
    problems = [f"two images are called {item!r}" for item in _doubled(images or ())]
    problems += [f"no row for {item!r}" for key, item in wanted.items() if key not in lines]
    values = np.full((len(wanted), 2), np.nan)
    for index, (key, item) in enumerate(wanted.items()):
        own = lines.get(key, [])
        if len(own) > 1 and repeated == "error":
            problems.append(f"{item!r} stands in rows {' and '.join(str(number) for number, _ in own)}")
        wrong = _no_numbers(item, own, places, codes)
        problems += wrong
        if own and not wrong:
            ratings = [[float(cells[places[kind]]) for kind in RATINGS] for _, cells in own]
            values[index] = np.mean(ratings, axis=0)
    if problems:
        raise InputError(path, listed(problems), "one row of numbers per image; the header counts as a row")
    themes = _themes_of(table, {item: lines[key] for key, item in wanted.items()}, theme, places["name"])
    columns = {kind: table.names[place] for kind, place in places.items()}
    unused = sum(len(own) for key, own in lines.items() if key not in wanted)
    return Norms(tuple(wanted.values()), values[:, 0], values[:, 1], columns, unused, themes)


def _themes_of(
    table: TextTable, rows: Mapping[str, Sequence[Line]], column: str | None, names: int
) -> tuple[str, ...]:
    """Read the theme of every image; ``InputError`` where two rows of one image state different ones."""
    if column is None:
        return tuple(image_key(image) for image in rows)
    place = place_of_column(table, column, "the themes")
    first = {image: (own[0][0], own[0][1][place]) for image, own in rows.items()}
    themes = themes_in(table.source, column, first, names_images=place == names)
    if place != names:
        problems = [
            f"row {number}, {image!r}: theme {cells[place]!r}, but {cell!r} in row {row}"
            for image, own in rows.items()
            for row, cell in [first[image]]
            for number, cells in own
            if theme_named(cells[place]) != themes[image]
        ]
        if problems:
            raise InputError(table.source, listed(problems), "one theme per image")
    return tuple(themes.values())


def _wanted(images: Sequence[str] | None, lines: Mapping[str, Sequence[Line]], place: int) -> dict[str, str]:
    """Map keys to names of the images; without any, of every row as the table writes it."""
    if images is not None:
        return {image_key(item): item for item in images}
    return {key: own[0][1][place] for key, own in lines.items()}


def _no_numbers(
    item: str, own: Sequence[Line], places: Mapping[str, int], codes: Mapping[str, set[str]]
) -> list[str]:
    return [
        f"row {number}, {item!r}: {kind} {problem}"
        for number, cells in own
        for kind in RATINGS
        if (problem := problem_of_rating(cells[places[kind]], codes[kind]))
    ]


def problem_of_rating(cell: str, codes: set[str]) -> str:
    """Say what is wrong with a cell that should be a rating; nothing if it is one.

    :param codes: what looks like codes in its column, from ``codes_in``.
    """
    if not is_number(cell):
        return not_a_number(cell)[0]
    return f"is {cell!r}, which looks like a code for a missing value" if cell in codes else ""


def codes_in(cells: Sequence[str]) -> set[str]:
    """Find numbers in a column of ratings that look like codes for missing values.

    Such codes repeat a 7, 8 or 9 (99, -999, 8888) or are -7, -8 or -9. One counts if it is more than five
    times as large as any other number of the column, or negative where no other number is: no scale of
    ratings has both.
    """
    suspects = {cell for cell in cells if CODE.fullmatch(cell)}
    others = [float(cell) for cell in cells if is_number(cell) and cell not in suspects]
    if not others:
        return set()
    largest = max(map(abs, others))
    return {
        cell
        for cell in suspects
        if abs(float(cell)) > 5 * largest or (cell.startswith("-") and min(others) >= 0)
    }


def listed(problems: Sequence[str]) -> str:
    """Join problems to one text: the first dozen, then how many more."""
    shown = list(problems[:SHOWN])
    more = len(problems) - len(shown)
    head = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return "\n  ".join([head, *shown, *([f"and {more} more"] if more else [])])


def place_of_column(table: TextTable, column: str, what: str) -> int:
    """Find a column by its name, without regard to capitals; ``InputError`` lists those that there are."""
    place = _place(table.names, what, column)
    if place is None:
        shown = ", ".join(name for name in table.names if name)
        raise InputError(table.source, f"has no column {column!r} for {what}", f"one of its columns: {shown}")
    return place


def themes_in(
    source: object, column: str, cells: Mapping[str, tuple[int, str]], *, names_images: bool
) -> dict[str, str]:
    """Read the themes of images from their cells in one column.

    :param cells: image -> row number in the file, and the cell.
    :param names_images: the column is the one that names the images: a theme is a name without its suffix and
        the number at its end.
    :raises InputError: for every image whose cell is empty or says that nothing is known.
    """
    problems = [
        f"row {row}, {image!r}: the theme in column {column} is {cell!r}"
        for image, (row, cell) in cells.items()
        if is_missing(cell)
    ]
    if problems:
        raise InputError(source, listed(problems), "a theme for every image")
    if names_images:
        return {image: theme_in_name(image_key(cell)) for image, (_, cell) in cells.items()}
    return {image: theme_named(cell) for image, (_, cell) in cells.items()}


def _doubled(images: Sequence[str]) -> list[str]:
    keys = [image_key(item) for item in images]
    return [item for index, item in enumerate(images) if keys[index] in keys[:index]]


def _table(path: Path, named: Mapping[str, str | None]) -> TextTable:
    """Read a table whose header is the first line with recognisable valence and arousal columns."""
    text = read_text(path, latin_1=True)
    for row, line in enumerate(LINE.finditer(text), start=1):
        separator = separator_of(line[0])
        names = [
            name.strip().strip('"') for name in line[0].split(None if separator == SPACES else separator)
        ]
        if all(_place(names, kind, named[kind]) is not None for kind in RATINGS):
            quoted = separator != SPACES and path.suffix.lower() != ".tsv"
            table = parse_table(
                text[line.start() :], path, separator, nameless=True, quoted=quoted, first=row
            )
            if not len(table):
                raise InputError(path, "has no rows", "a header and one row per image")
            return table
    wanted = " and ".join(named[kind] or "/".join(COLUMNS[kind][:3]) for kind in RATINGS)
    raise InputError(path, "has no header line with columns of valence and arousal", f"columns {wanted}")


def separator_of(line: str) -> str:
    """Return what separates the cells of a line: a tab, a semicolon, a comma, or else runs of spaces."""
    return next((mark for mark in ("\t", ";", ",") if mark in line), SPACES)


def _place(names: Sequence[str], kind: str, column: str | None) -> int | None:
    """Find the column of a kind by its name, without regard to capitals."""
    present = [name.lower() for name in names]
    wanted = (column,) if column is not None else COLUMNS[kind]
    return next((present.index(name.lower()) for name in wanted if name.lower() in present), None)


def _places(table: TextTable, named: Mapping[str, str | None]) -> dict[str, int]:
    places = {kind: _place(table.names, kind, named[kind]) for kind in COLUMNS}
    missing = [named[kind] or "/".join(COLUMNS[kind]) for kind, place in places.items() if place is None]
    if missing:
        shown = ", ".join(name for name in table.names if name)
        raise InputError(
            table.source, f"has no column {' or '.join(missing)}", f"one of its columns: {shown}"
        )
    own = {kind: table.names[place] for kind, place in places.items() if place is not None}
    for kind, name in own.items():
        same = [other for other in table.names if other.lower() == name.lower()]
        if len(same) > 1:
            raise InputError(table.source, f"has the columns {' and '.join(same)} for {kind}", "one of them")
    return {kind: place for kind, place in places.items() if place is not None}


def _by_key(table: TextTable, place: int) -> dict[str, list[Line]]:
    """Group the rows that hold anything by image key."""
    lines: dict[str, list[Line]] = {}
    for number, cells in zip(table.rows, table.cells, strict=True):
        if any(cells):
            lines.setdefault(image_key(cells[place]), []).append((number, cells))
    return lines
