"""The five rules of Psych-DS, as a check of a folder: a file is read line by line, whatever its size.

1. ``dataset_description.json`` is a Dataset of schema.org with a name, a description and variables;
2. files in ``data/`` are named ``key-value_..._data.csv``;
3. every column is a variable of the description, and every variable a column;
4. headers are unique, and rows as long as their header;
5. ``row_id``, where a table has it, is unique.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from almond.evidence.psych_ds import DESCRIPTION
from almond.exchange.layout import DATA
from almond.files.folders import visible

NAME = re.compile(r"[a-z]+-[A-Za-z0-9]+(_[a-z]+-[A-Za-z0-9]+)*_data\.csv")
RULES = ("description", "names of files", "variables", "headers and rows", "row_id")
NEEDED = ("name", "description", "variableMeasured")


def psych_ds_problems(folder: Path) -> list[str]:
    """Say what in a folder is not as Psych-DS has it; nothing where all of it is."""
    described, problems = read_description(folder / DESCRIPTION)
    columns: set[str] = set()
    for path in visible((folder / DATA).rglob("*"), folder / DATA):
        where = path.relative_to(folder).as_posix()
        if path.is_dir():
            continue
        if not NAME.fullmatch(path.name):
            problems.append(f"{where}: is not named key-value_data.csv")
            continue
        header, wrong = table_problems(path)
        columns |= set(header)
        problems += [f"{where}: {problem}" for problem in wrong]
        strangers = [name for name in header if name not in described]
        problems += [f"{where}: column {name} is not in variableMeasured" for name in strangers]
    problems += [
        f"{DESCRIPTION}: variable {name} is no column of any table" for name in sorted(described - columns)
    ]
    return problems


def read_description(path: Path) -> tuple[set[str], list[str]]:
    """Return the names of variables that a description names, and what is wrong with it."""
    try:
        value: Any = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        return set(), [f"{DESCRIPTION}: cannot be read as JSON ({error})"]
    if not isinstance(value, dict):
        return set(), [f"{DESCRIPTION}: is not a JSON object"]
    problems = [f"{DESCRIPTION}: {name} is missing" for name in NEEDED if not value.get(name)]
    context = str(value.get("@context", ""))
    if not re.fullmatch(r"https?://schema\.org/?", context) or value.get("@type") != "Dataset":
        problems.append(f"{DESCRIPTION}: is not a Dataset of schema.org")
    variables = value.get("variableMeasured") or []
    names = [str(item.get("name")) if isinstance(item, dict) else str(item) for item in variables]
    return set(names), problems


def table_problems(path: Path) -> tuple[list[str], list[str]]:
    """Return the header of a table, and what is wrong with its rows; the first rows are named."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = csv.reader(stream)
        header = next(rows, [])
        problems = [] if header else ["has no header"]
        twice = sorted({name for name in header if header.count(name) > 1})
        problems += [f"has the column {name} twice" for name in twice]
        problems += list(_row_problems(rows, header))
    return header, problems


def _row_problems(rows: Iterator[list[str]], header: list[str]) -> Iterator[str]:
    place = header.index("row_id") if "row_id" in header else None
    width, seen = len(header), set[str]()
    for number, row in enumerate(rows, start=2):
        if len(row) != width:
            yield f"row {number} has {len(row)} cells, the header {width}"
            return
        if place is not None:
            if row[place] in seen:
                yield f"row {number} repeats row_id {row[place]!r}"
                return
            seen.add(row[place])
