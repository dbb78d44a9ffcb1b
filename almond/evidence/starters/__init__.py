"""Files that every export holds for those who go on in R or Python, without Almond."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

GUIDED = re.compile(r"^choices (?:=|<-) choices\[choices.*intended_target.* != \"\".*\n", re.MULTILINE)
"""The line of either script that leaves choices between images of a target."""
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


def starter_files(
    *, branching: bool = False, excluded: bool = False, own: Mapping[str, str] | None = None
) -> dict[str, bytes]:
    """Return ``start.R``, ``start.py`` and the same as a notebook, by path.

    :param branching: for an export of a plan that branches, with its columns in participants.csv.
    :param excluded: for an export in which somebody was excluded by hand, with these columns.
    :param own: construct -> the target of whose pairs its choices are tested, where it is asked of others.
    """
    python = _script("start.py.txt", branching, excluded, own or {})
    return {
        "start.R": _script("start.R", branching, excluded, own or {}).encode(),
        "start.py": python.encode(),
        "start.ipynb": (json.dumps(notebook(python), indent=1, ensure_ascii=False) + "\n").encode(),
    }


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _own_pairs(name: str, own: Mapping[str, str]) -> str:
    """Return the lines that leave, of questions with a target of their own, the choices between its pairs."""
    if not own:
        return ""
    if name == "start.R":
        named = ", ".join(f"{_quoted(construct)} = {_quoted(target)}" for construct, target in own.items())
        return (
            f"own <- c({named})[choices$construct]\n"
            "choices <- choices[is.na(own) | own == choices$intended_target, ]\n"
        )
    return (
        f"own = choices['construct'].map({json.dumps(dict(own), ensure_ascii=False)})\n"
        'choices = choices[own.isna() | (own == choices["intended_target"])]\n'
    )


def _script(name: str, branching: bool, excluded: bool, own: Mapping[str, str]) -> str:
    text = files(__name__).joinpath(name).read_text(encoding="utf-8")
    before, after = NOT_ASKED[name] if branching else ("", "")
    before += LEFT_OUT[name] if excluded else ""
    text = PLANNED.sub(lambda line: f"{before}{line[0]}{after}", text)
    return GUIDED.sub(lambda line: line[0] + _own_pairs(name, own), text)


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
