"""Files that every export holds for those who go on in R or Python, without Almond."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

CELL = re.compile(r"^# %% *(.*)$", re.MULTILINE)
PLANNED = re.compile(r"^planned (?:=|<-) .*\n", re.MULTILINE)
"""The line of either script that says how many trials everybody had to answer."""
NOT_ASKED = {
    "start.R": (
        'people <- people[is.na(people$ended_by) | people$ended_by == "", ]\n',
        "planned <- planned - people$trials_skipped\n",
    ),
    "start.py.txt": (
        'people = people[people["ended_by"] == ""]\n',
        'planned = planned - people["trials_skipped"]\n',
    ),
}
"""Lines before and after it where a plan branches: whose visit was ended did not complete it, and what was
skipped was not asked."""

LEFT_OUT = {
    "start.R": "people <- people[people$excluded == 0, ]\n",
    "start.py.txt": 'people = people[people["excluded"] == 0]\n',
}
"""The line before it where somebody was excluded by hand."""


def starter_files(*, branching: bool = False, excluded: bool = False) -> dict[str, bytes]:
    """Return ``start.R``, ``start.py`` and the same as a notebook, by path.

    :param branching: for an export of a plan that branches, with its columns in participants.csv.
    :param excluded: for an export in which somebody was excluded by hand, with these columns.
    """
    python = _script("start.py.txt", branching, excluded)
    return {
        "start.R": _script("start.R", branching, excluded).encode(),
        "start.py": python.encode(),
        "start.ipynb": (json.dumps(notebook(python), indent=1, ensure_ascii=False) + "\n").encode(),
    }


def _script(name: str, branching: bool, excluded: bool) -> str:
    text = files(__name__).joinpath(name).read_text(encoding="utf-8")
    before, after = NOT_ASKED[name] if branching else ("", "")
    before += LEFT_OUT[name] if excluded else ""
    return PLANNED.sub(lambda line: f"{before}{line[0]}{after}", text)


def notebook(python: str) -> dict[str, Any]:
    """Turn a script with ``# %% title`` lines into a notebook (nbformat 4) without outputs."""
    opening, *rest = CELL.split(python)
    cells = [_cell("markdown", opening.strip().strip('"').strip())]
    for title, code in zip(rest[::2], rest[1::2], strict=True):
        cells += [_cell("markdown", f"## {title}"), _cell("code", code.strip("\n"))]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number:02d}"
    return {
        "cells": cells,
        "metadata": {"language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _cell(kind: str, text: str) -> dict[str, Any]:
    code: dict[str, Any] = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {}, "source": text.splitlines(keepends=True), **code}
