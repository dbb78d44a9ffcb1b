"""Label tables of atlases: from the names of areas to the numbers in the image."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from almond.cells import is_number, is_whole
from almond.encoding.config.regions import AtlasSpec
from almond.errors import InputError
from almond.files.text import read_text
from almond.tables import LINE_ENDS, TextTable, read_table

NUMBER_COLUMNS = ("index", "value", "label_id", "id", "number", "roi", "label")
NAME_COLUMNS = ("name", "label", "labels", "region", "structure", "roi_name", "description")
LUT_LINE = re.compile(r"^\s*(\d+)\s+(\S+(?:\s+[^\s\d]\S*)*)\s+\d+\s+\d+\s+\d+(?:\s+\d+)?\s*$")


def label_table(path: Path) -> dict[int, str]:
    """Read the numbers and names of an atlas' labels.

    Read by form: ``.xml`` with ``<label><index>..</index><name>..</name></label>`` (SPM; also FSL's
    ``<label index="..">name</label>``, whose index counts from 0 where the atlas is probabilistic);
    ``.tsv`` and ``.csv`` with a column of numbers (index, value, id) and one of names (name, label); text
    lines ``number name R G B A`` (FreeSurfer's look-up table); text lines ``number name``; and text with
    one name per line, whose line number (from 1) is the value.

    :raises InputError: none of these, a number or a line that says nothing twice.
    """
    if not path.is_file():
        raise InputError(path, "file not found", "the label table of the atlas")
    readers = {".xml": _from_xml, ".tsv": _from_columns, ".csv": _from_columns}
    pairs = readers.get(path.suffix.lower(), _from_lines)(path)
    labels: dict[int, str] = {}
    for number, name in pairs:
        if labels.setdefault(number, name) != name:
            raise InputError(
                path, f"gives the label {number} two names: {labels[number]}, {name}", "one name"
            )
    if not labels:
        raise InputError(path, "holds no labels", "numbers and names of an atlas' areas")
    return labels


def _from_xml(path: Path) -> list[tuple[int, str]]:
    data = path.read_bytes()
    if b"<!ENTITY" in data.replace(b"\0", b""):
        raise InputError(path, "defines entities", "a plain list of labels")
    try:
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise InputError(path, f"is not XML ({error})", "a label table such as SPM's") from error
    # FSL counts the volumes of probabilistic atlases from 0, and their images of labels from 1.
    kind = (root.findtext("header/type") or "label").strip().lower()
    first = 0 if kind == "label" else 1
    pairs = []
    for label in root.iter("label"):
        number = label.findtext("index") or label.get("value")
        counted = label.get("index")
        name = label.findtext("name") or label.text
        if (number or counted) and name and name.strip():
            value = _whole(number, path) if number else _whole(counted or "", path) + first
            pairs.append((value, name.strip()))
    return pairs


def _from_columns(path: Path) -> list[tuple[int, str]]:
    table = read_table(path, latin_1=True)
    number = _first_of(NUMBER_COLUMNS, table)
    name = _first_of([column for column in NAME_COLUMNS if column != number], table)
    if number is None or name is None:
        said = f"has the columns {', '.join(table.names)}"
        raise InputError(path, said, "a column index and a column name")
    numbers, names = (table.at([own.lower() for own in table.names].index(key)) for key in (number, name))
    pairs = zip(numbers.rows, numbers.cells, names.known, strict=True)
    return [(_whole(cell, f"{path}, row {row}"), label) for row, cell, label in pairs if label is not None]


def _first_of(columns: Sequence[str], table: TextTable) -> str | None:
    """Find the first of some names among those of a table, without regard to capitals."""
    present = [name.lower() for name in table.names]
    return next((name for name in columns if name in present), None)


def _from_lines(path: Path) -> list[tuple[int, str]]:
    lines = [line.rstrip() for line in LINE_ENDS.split(read_text(path, latin_1=True))]
    content = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    with_colours = [LUT_LINE.match(line) for line in content]
    if content and all(with_colours):
        return [(int(match[1]), match[2].strip()) for match in with_colours if match]
    parts = [line.split(None, 1) for line in content]
    if content and all(len(pair) == 2 and is_whole(pair[0]) for pair in parts):
        return [(int(number), name.strip()) for number, name in parts]
    while lines and not lines[-1].strip():
        lines.pop()
    if any(not line.strip() for line in lines):
        raise InputError(
            path, "has an empty line between names", "one name per line; its number is the value"
        )
    return [(number, line.strip()) for number, line in enumerate(lines, start=1)]


def _whole(text: str, source: object) -> int:
    if not is_number(text.strip()) or not float(text).is_integer():
        raise InputError(source, f"has the label number {text!r}", "whole numbers")
    return int(float(text))


def label_numbers(spec: AtlasSpec, values: NDArray[np.float64], path: Path) -> list[int]:
    """Look up the values in an atlas image that a specification's labels mean.

    :raises InputError: a name that the table does not have (with names like it), a number that is not in the
        image, or values that are not whole numbers.
    """
    names = _names(spec) if any(isinstance(label, str) for label in spec.labels) else {}
    numbers = [names[label] if isinstance(label, str) else label for label in spec.labels]
    present = np.unique(values[np.isfinite(values)])
    if (present != np.round(present)).any():
        raise InputError(path, "holds values that are not whole numbers", "an atlas: one number per area")
    for label, number in zip(spec.labels, numbers, strict=True):
        if number not in present:
            said = f"{label} ({number})" if isinstance(label, str) else str(number)
            raise InputError(path, f"has no voxel with the label {said}", f"one of {_some(present)}")
    return numbers


def _some(present: NDArray[np.float64]) -> str:
    numbers = [str(int(number)) for number in present if number != 0]
    return ", ".join(numbers if len(numbers) <= 12 else [*numbers[:6], "...", *numbers[-3:]])


def _names(spec: AtlasSpec) -> dict[str, int]:
    """Name -> number for the names that a specification uses; exact, or else equal but for case."""
    if spec.table is None:
        raise InputError(spec.atlas, "has labels by name and no label table", "table: file")
    table = label_table(spec.table)
    return {label: _find(label, table, spec.table) for label in spec.labels if isinstance(label, str)}


def _find(label: str, table: dict[int, str], path: Path) -> int:
    for numbers in (
        [number for number, name in table.items() if name == label],
        [number for number, name in table.items() if name.lower() == label.lower()],
    ):
        if len(numbers) == 1:
            return numbers[0]
        if numbers:
            text = ", ".join(map(str, numbers))
            raise InputError(path, f"has the label {label} more than once ({text})", "labels by number")
    raise InputError(path, f"has no label {label}", f"one of its names, such as {_near(label, table)}")


def _near(label: str, table: dict[int, str], count: int = 4) -> str:
    lower = {name.lower(): name for name in table.values()}
    near: Sequence[str] = get_close_matches(label.lower(), lower, n=count, cutoff=0.4)
    inside = [name for name in lower if label.lower() in name]
    listed = dict.fromkeys([*inside[:count], *near])
    return ", ".join(lower[name] for name in list(listed)[:count]) or ", ".join(list(lower.values())[:count])
