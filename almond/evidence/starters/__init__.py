"""Files that every export holds for those who go on in R or Python, without Almond."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

CELL = re.compile(r"^# %% *(.*)$", re.MULTILINE)


def starter_files() -> dict[str, bytes]:
    """Return ``start.R``, ``start.py`` and the same as a notebook, by path."""
    here = files(__name__)
    python = here.joinpath("start.py.txt").read_text(encoding="utf-8")
    return {
        "start.R": here.joinpath("start.R").read_bytes(),
        "start.py": python.encode(),
        "start.ipynb": (json.dumps(notebook(python), indent=1, ensure_ascii=False) + "\n").encode(),
    }


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
