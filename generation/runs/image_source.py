"""Reading a folder or zip file of photographs and its table of norms, before anything is stored."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from almond.errors import InputError
from almond.folders import is_hidden, normalised, visible
from almond.progress import Progress
from almond.stimuli.images import read_image
from almond.stimuli.lowlevel import measure
from almond.stimuli.norms import image_key, read_text

SUFFIXES = {".png": "png", ".jpg": "jpg", ".jpeg": "jpg"}
MAGIC = {"png": b"\x89PNG\r\n\x1a\n", "jpg": b"\xff\xd8\xff"}
LARGEST_IMAGE = 64 << 20


@dataclass(frozen=True)
class Photograph:
    """An image that was read and measured; ``read`` gives its bytes again."""

    name: str
    suffix: str
    width: int
    height: int
    lowlevel: dict[str, float]
    norms: dict[str, float]
    read: Callable[[], bytes]


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
    """Read and measure every PNG and JPEG of a folder or zip file, and join the norms by image name.

    :raises InputError: no images; a file that is not the image its name says; two files of one name; a norms
        file without a column of image names, without one of the images, or with a word among its numbers.
    """
    readers = _zipped(source) if source.is_file() else _in_folder(source)
    if not readers:
        raise InputError(source, "holds no image", "PNG or JPEG files")
    names = sorted(readers)
    norms = read_norms(norms_file, names) if norms_file else Norms((), {})
    images = []
    for number, name in enumerate(names):
        progress.report(number / len(names), f"reading {name}")
        images.append(_check(f"{source}/{name}", name, readers[name], norms))
    unused = len(norms.rows) - len(images)
    remarks = [f"{unused} rows of the norms have no image here"] if norms_file and unused > 0 else []
    return Source(images, norms.names, remarks)


def _check(label: str, name: str, read: Callable[[], bytes], norms: Norms) -> Photograph:
    suffix = SUFFIXES[PurePosixPath(name).suffix.lower()]
    data = read()
    pixels = read_image(data, name=label)
    if not data.startswith(MAGIC[suffix]):
        raise InputError(label, "is another kind of image than its name says", f"{suffix.upper()} data")
    height, width = pixels.shape[:2]
    values = norms.rows[image_key(name)][1] if norms.rows else {}
    return Photograph(name, suffix, width, height, measure(pixels), values, read)


def _in_folder(folder: Path) -> dict[str, Callable[[], bytes]]:
    readers: dict[str, Callable[[], bytes]] = {}
    for path in visible(folder.iterdir()):
        if path.is_file() and path.suffix.lower() in SUFFIXES:
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
            entries = [entry for entry in archive.infolist() if _is_wanted(entry)]
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(path, f"is not a zip file ({error})", "a folder or a zip file of images") from error
    readers: dict[str, Callable[[], bytes]] = {}
    for entry in entries:
        if entry.file_size > LARGEST_IMAGE:
            raise InputError(f"{path}/{entry.filename}", "is too large", f"at most {LARGEST_IMAGE >> 20} MiB")
        name = PurePosixPath(entry.filename).name
        _add(readers, name, _ZipReader(path, entry.filename), f"{path}/{entry.filename}")
    return readers


def _is_wanted(entry: zipfile.ZipInfo) -> bool:
    inside = PurePosixPath(entry.filename)
    return not entry.is_dir() and not is_hidden(inside) and inside.suffix.lower() in SUFFIXES


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
