"""Reading a folder or zip file of photographs and its table of norms, before anything is stored."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from almond.errors import InputError
from almond.pictures.formats import IMAGE_SUFFIXES, SUFFIXES, is_picture
from almond.pictures.reading import DecodedPicture, read_image, read_picture
from almond.progress import Progress
from almond.stimuli.images import png_bytes
from almond.stimuli.lowlevel import measure
from almond.stimuli.norms import SHOWN, image_key, read_text

STORED = {"PNG": "png", "JPEG": "jpg"}
"""Formats whose bytes are stored as they are, where every browser shows them alike; others become PNG."""

LARGEST_IMAGE = 64 << 20


@dataclass(frozen=True)
class Photograph:
    """An image that was read and measured; ``read`` gives the bytes to be stored and shown.

    ``changes`` says how they differ from the file: empty where they are the file's own.
    """

    name: str
    suffix: str
    width: int
    height: int
    lowlevel: dict[str, float]
    norms: dict[str, float]
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
    """Image name -> (row number in the file, norm -> value)."""

    names: tuple[str, ...]
    rows: Mapping[str, tuple[int, dict[str, float]]]


def read_source(source: Path, norms_file: Path | None, *, progress: Progress) -> Source:
    """Read and measure every image of a folder or zip file, and join the norms by image name.

    :raises InputError: no images; a file that is not the image its name says; two files of one name; a norms
        file without a column of image names, without one of the images, or with a word among its numbers.
    """
    readers = _zipped(source) if source.is_file() else _in_folder(source)
    if not readers:
        raise InputError(source, "holds no image", ", ".join(IMAGE_SUFFIXES))
    names = sorted(readers)
    norms = read_norms(norms_file, names) if norms_file else Norms((), {})
    images = []
    for number, name in enumerate(names):
        progress.report(number / len(names), f"reading {name}")
        images.append(_check(f"{source}/{name}", name, readers[name], norms))
    unused = len(norms.rows) - len(images)
    remarks = [f"{unused} rows of the norms have no image here"] if norms_file and unused > 0 else []
    return Source(images, norms.names, remarks + _said_of_changes(images))


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
    return Photograph(name, suffix, width, height, measure(picture.pixels), values, stored, changes)


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
    files = [path for path in sorted(folder.iterdir()) if path.is_file()]
    return {path.name: path.read_bytes for path in files if is_picture(path.name, str(path))}


def _zipped(path: Path) -> dict[str, Callable[[], bytes]]:
    """List the images anywhere in a zip file, by their last name; nothing is unpacked to where it says."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if _is_wanted(entry, path)]
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(path, f"is not a zip file ({error})", "a folder or a zip file of images") from error
    readers: dict[str, Callable[[], bytes]] = {}
    for entry in entries:
        name = PurePosixPath(entry.filename).name
        if name in readers:
            raise InputError(
                f"{path}/{entry.filename}", "has the name of another image in it", "each name once"
            )
        if entry.file_size > LARGEST_IMAGE:
            raise InputError(f"{path}/{entry.filename}", "is too large", f"at most {LARGEST_IMAGE >> 20} MiB")
        readers[name] = _ZipReader(path, entry.filename)
    return readers


def _is_wanted(entry: zipfile.ZipInfo, path: Path) -> bool:
    inside = PurePosixPath(entry.filename)
    if entry.is_dir() or "__MACOSX" in inside.parts:
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


def read_norms(path: Path, images: Sequence[str]) -> Norms:
    """Read the norms of images from a CSV file with any kind of line end (LF, CRLF, or bare CR).

    The column that names the images is the one that names the most of them. Every column in which at least
    half of the images' cells are numbers is a norm; an empty cell there is a missing value.

    :raises InputError: no such column, an image without a row or with two, or a word among the numbers,
        naming the row as a spreadsheet shows it.
    """
    header, rows = _table(path)
    wanted = {image_key(name): name for name in images}
    column = _name_column(path, header, rows, wanted)
    by_image: dict[str, tuple[int, list[str]]] = {}
    for number, row in rows:
        key = image_key(row[column])
        if key in by_image and key in wanted:
            raise InputError(f"{path}, row {number}", f"{row[column].strip()!r} is listed a second time")
        by_image[key] = (number, row)
    for key, name in wanted.items():
        if key not in by_image:
            raise InputError(path, f"has no row for {name}", f"{name!r} in column {header[column]!r}")
    numeric = _numeric_columns(header, [by_image[key][1] for key in wanted], column)
    values = {
        key: (number, _values(path, number, row, header, numeric) if key in wanted else {})
        for key, (number, row) in by_image.items()
    }
    return Norms(tuple(header[place] for place in numeric), values)


def _table(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header and (row number, cells) of a CSV file."""
    try:
        lines = list(csv.reader(io.StringIO(read_text(path)), strict=True))
    except csv.Error as error:
        raise InputError(path, f"cannot be read as CSV ({error})", "comma-separated values") from error
    table = [(number, row) for number, row in enumerate(lines, start=1) if any(cell.strip() for cell in row)]
    if len(table) < 2:
        raise InputError(path, "has no rows", "a header and one row per image")
    header = [cell.strip() for cell in table[0][1]]
    for number, row in table[1:]:
        if len(row) != len(header):
            raise InputError(
                f"{path}, row {number}", f"has {len(row)} cells", f"{len(header)} as in the header"
            )
    return header, table[1:]


def _name_column(
    path: Path, header: Sequence[str], rows: Sequence[tuple[int, list[str]]], wanted: Mapping[str, str]
) -> int:
    hits = [len(wanted.keys() & {image_key(row[place]) for _, row in rows}) for place in range(len(header))]
    best = max(range(len(header)), key=hits.__getitem__)
    if hits[best] == 0:
        example = next(iter(wanted.values()))
        raise InputError(
            path, "no column holds the names of the images", f"a column with names like {example!r}"
        )
    return best


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return cell.strip().lower() not in {"nan", "inf", "-inf"}


def _numeric_columns(header: Sequence[str], rows: Sequence[Sequence[str]], names: int) -> list[int]:
    return [
        place
        for place in range(len(header))
        if place != names and header[place] and 2 * sum(_is_number(row[place]) for row in rows) >= len(rows)
    ]


def _values(
    path: Path, number: int, row: Sequence[str], header: Sequence[str], numeric: Sequence[int]
) -> dict[str, float]:
    values = {}
    for place in numeric:
        cell = row[place].strip()
        if cell.lower() in {"", "na", "n/a", "nan"}:
            continue
        if not _is_number(cell):
            raise InputError(f"{path}, row {number}", f"{header[place]} is {cell!r}", "a number or nothing")
        values[header[place]] = float(cell)
    return values
