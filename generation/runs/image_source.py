"""Reading a folder or zip file of photographs and its table of norms, before anything is stored."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from almond.cells import COMMA_NUMBER, WORDS_FOR_MISSING, is_missing, is_number
from almond.errors import InputError
from almond.files.folders import is_hidden, normalised, visible
from almond.pictures.formats import IMAGE_SUFFIXES, SUFFIXES, is_picture
from almond.pictures.reading import DecodedPicture, read_image, read_picture
from almond.progress import Progress
from almond.stimuli.images import png_bytes
from almond.stimuli.lowlevel import measure
from almond.stimuli.norms import (
    SHOWN,
    codes_in,
    image_key,
    listed,
    place_of_column,
    problem_of_rating,
    themes_in,
)
from almond.tables import TextTable, read_table

STORED = {"PNG": "png", "JPEG": "jpg"}
"""Formats whose bytes are stored as they are, where every browser shows them alike; others become PNG."""

LARGEST_IMAGE = 64 << 20


@dataclass(frozen=True)
class Photograph:
    """An image that was read and measured; ``read`` gives the bytes to be stored and shown.

    ``changes`` says how they differ from the file: empty where they are the file's own. ``theme`` is empty
    where no column states any.
    """

    name: str
    suffix: str
    width: int
    height: int
    lowlevel: dict[str, float]
    norms: dict[str, float]
    theme: str
    read: Callable[[], bytes]
    changes: str = ""


@dataclass(frozen=True)
class Source:
    """All images of a folder or zip file, the names of their norms, and remarks for the job's log."""

    images: list[Photograph]
    norm_names: tuple[str, ...]
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Norms:
    """Image name -> (row number in the file, norm -> value), image name -> theme where a column states one,
    and remarks on themes and on columns that are no norms."""

    names: tuple[str, ...]
    rows: Mapping[str, tuple[int, dict[str, float]]]
    themes: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def read_source(source: Path, norms_file: Path | None, *, progress: Progress, theme: str = "") -> Source:
    """Read and measure every image of a folder or zip file, and join the norms by image name.

    :param theme: column of the norms that states the theme of an image; without one, each has its own.
    :raises InputError: no images; a file that is not the image its name says; two files of one name; a norms
        file without a column of image names, without one of the images, or with a word among its numbers.
    """
    readers = _zipped(source) if source.is_file() else _in_folder(source)
    if not readers:
        raise InputError(source, "holds no image", ", ".join(IMAGE_SUFFIXES))
    names = sorted(readers)
    norms = read_norms(norms_file, names, theme=theme) if norms_file else Norms((), {})
    images = []
    for number, name in enumerate(names):
        progress.report(number / len(names), f"reading {name}")
        images.append(_check(f"{source}/{name}", name, readers[name], norms))
    unused = len(norms.rows) - len(images)
    remarks = [f"{unused} rows of the norms have no image here"] if norms_file and unused > 0 else []
    return Source(images, norms.names, [*remarks, *norms.remarks, *_said_of_changes(images)])


def _said_of_changes(images: Sequence[Photograph]) -> list[str]:
    """Say which images are stored as PNG in the pixels that were measured, and why."""
    changed: dict[str, list[str]] = {}
    for image in images:
        if image.changes:
            changed.setdefault(image.changes, []).append(image.name)
    return [
        f"{len(names)} stored as PNG ({why}): {', '.join(names[:SHOWN])}{' …' if len(names) > SHOWN else ''}"
        for why, names in changed.items()
    ]


def _check(label: str, name: str, read: Callable[[], bytes], norms: Norms) -> Photograph:
    picture = read_picture(read(), name=label)
    if PurePosixPath(name).suffix.lower() not in SUFFIXES[picture.format]:
        raise InputError(
            label,
            "is another kind of image than its name says",
            f"a name that ends with {' or '.join(SUFFIXES[picture.format])}",
        )
    height, width = picture.pixels.shape[:2]
    values = norms.rows[image_key(name)][1] if norms.rows else {}
    suffix, changes = _stored_as(picture)
    stored = _AsPng(label, read) if changes else read
    theme = norms.themes.get(name, "")
    return Photograph(name, suffix, width, height, measure(picture.pixels), values, theme, stored, changes)


def _stored_as(picture: DecodedPicture) -> tuple[str, str]:
    """Return the suffix under which a picture is stored, and what is changed for it."""
    if picture.format not in STORED:
        return "png", ", ".join((f"was {picture.format}", *picture.changes))
    return ("png", ", ".join(picture.changes)) if picture.changes else (STORED[picture.format], "")


@dataclass(frozen=True)
class _AsPng:
    """A picture that browsers show differently, or not at all, as a PNG that all show alike."""

    label: str
    read: Callable[[], bytes]

    def __call__(self) -> bytes:
        return png_bytes(read_image(self.read(), name=self.label))


def _in_folder(folder: Path) -> dict[str, Callable[[], bytes]]:
    readers: dict[str, Callable[[], bytes]] = {}
    for path in visible(folder.iterdir()):
        if path.is_file() and is_picture(path.name, str(path)):
            _add(readers, path.name, path.read_bytes, str(path))
    return readers


def _add(readers: dict[str, Callable[[], bytes]], name: str, read: Callable[[], bytes], label: str) -> None:
    """Add an image by its name, in one Unicode form: the norms may write it in the other."""
    if normalised(name) in readers:
        raise InputError(label, "has the name of another image in it", "each name once")
    readers[normalised(name)] = read


def _zipped(path: Path) -> dict[str, Callable[[], bytes]]:
    """List the images anywhere in a zip file, by their last name; nothing is unpacked to where it says."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if _is_wanted(entry, path)]
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(path, f"is not a zip file ({error})", "a folder or a zip file of images") from error
    readers: dict[str, Callable[[], bytes]] = {}
    for entry in entries:
        if entry.file_size > LARGEST_IMAGE:
            raise InputError(f"{path}/{entry.filename}", "is too large", f"at most {LARGEST_IMAGE >> 20} MiB")
        name = PurePosixPath(entry.filename).name
        _add(readers, name, _ZipReader(path, entry.filename), f"{path}/{entry.filename}")
    return readers


def _is_wanted(entry: zipfile.ZipInfo, path: Path) -> bool:
    inside = PurePosixPath(entry.filename)
    if entry.is_dir() or is_hidden(inside):
        return False
    return is_picture(inside.name, f"{path}/{entry.filename}")


@dataclass(frozen=True)
class _ZipReader:
    path: Path
    entry: str

    def __call__(self) -> bytes:
        try:
            with zipfile.ZipFile(self.path) as archive:
                return archive.read(self.entry)
        except (zipfile.BadZipFile, RuntimeError) as error:
            raise InputError(f"{self.path}/{self.entry}", f"cannot be unpacked ({error})") from error


def read_norms(path: Path, images: Sequence[str], *, theme: str = "") -> Norms:
    """Read the norms of images from a CSV file (see ``almond.tables``) with any kind of line end.

    The column that names the images is the one that names the most of them. Every other column of numbers,
    but that of the themes, is a norm; ``n/a`` or an empty cell there is a missing value. A column with
    numbers for some of the images and something else for others is an error where at least half of the cells
    are meant as numbers, otherwise a remark.

    :raises InputError: no such column, an image without a row or with two, cells among numbers that are none
        or look like codes for missing values, by the row as a spreadsheet shows it.
    """
    table = read_table(path, nameless=True, latin_1=True)
    rows = [(row, cells) for row, cells in zip(table.rows, table.cells, strict=True) if any(cells)]
    if not rows:
        raise InputError(path, "has no rows", "a header and one row per image")
    wanted = {image_key(name): name for name in images}
    column = _name_column(table, wanted)
    by_image: dict[str, tuple[int, list[str]]] = {}
    for number, row in rows:
        key = image_key(row[column])
        if key in by_image and key in wanted:
            raise InputError(f"{path}, row {number}", f"{row[column]!r} is listed a second time")
        by_image[key] = (number, row)
    for key, name in wanted.items():
        if key not in by_image:
            raise InputError(path, f"has no row for {name}", f"{name!r} in column {table.names[column]!r}")
    no_norms, themes, remarks = {column}, {}, []
    if theme:
        place = place_of_column(table, theme, "the themes")
        no_norms.add(place)
        cells = {name: (by_image[key][0], by_image[key][1][place]) for key, name in wanted.items()}
        themes = themes_in(table.source, theme, cells, names_images=place == column)
        remarks.append(f"{len(set(themes.values()))} themes of {len(themes)} images, from column {theme}")
    numeric, mixed = _numeric_columns(table, [by_image[key] for key in wanted], no_norms)
    values = {
        key: (number, _values(row, table.names, numeric) if key in wanted else {})
        for key, (number, row) in by_image.items()
    }
    names = tuple(table.names[place] for place in numeric)
    return Norms(names, values, themes, (*remarks, *mixed))


def _name_column(table: TextTable, wanted: Mapping[str, str]) -> int:
    hits = [
        len(wanted.keys() & {image_key(cell) for cell in table.at(place).cells})
        for place in range(len(table.names))
    ]
    best = max(range(len(hits)), key=hits.__getitem__)
    if hits[best] == 0:
        example = next(iter(wanted.values()))
        raise InputError(
            table.source, "no column holds the names of the images", f"a column with names like {example!r}"
        )
    return best


def _numeric_columns(
    table: TextTable, rows: Sequence[tuple[int, list[str]]], no_norms: Collection[int]
) -> tuple[list[int], list[str]]:
    """Tell the columns that are norms from others, by the cells of the images; with remarks on mixed ones."""
    numeric, remarks = [], []
    for place, name in enumerate(table.names):
        cells = [(row, own[place]) for row, own in rows if not is_missing(own[place])]
        numbers = [cell for _, cell in cells if is_number(cell) or COMMA_NUMBER.fullmatch(cell)]
        if place in no_norms or not name or not numbers:
            continue
        unknown = [cell for _, cell in cells if cell.lower() in WORDS_FOR_MISSING]
        meant = len(numbers) + len(unknown)
        codes = codes_in(table.at(place).cells)
        problems = [
            f"row {row}: {name} {problem}"
            for row, cell in cells
            if (problem := problem_of_rating(cell, codes))
        ]
        if not problems:
            numeric.append(place)
        elif 2 * meant >= len(cells):
            raise InputError(
                table.source, listed(problems), "a number, or n/a or nothing where there is none"
            )
        else:
            words = f"{len(cells) - meant} of {len(cells)} images have words in it"
            remarks.append(f"column {name} of the norms is left out: {words}; {problems[0]}")
    return numeric, remarks


def _values(row: Sequence[str], header: Sequence[str], numeric: Sequence[int]) -> dict[str, float]:
    return {header[place]: float(row[place]) for place in numeric if not is_missing(row[place])}
