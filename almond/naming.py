"""Names in file names, and the order in which people expect names."""

from __future__ import annotations

import re


def slug(name: str) -> str:
    """Letters, digits and ``. + -``; everything else becomes a hyphen."""
    return re.sub(r"[^A-Za-z0-9.+-]+", "-", name).strip("-.") or "region"


def natural(text: str) -> list[tuple[int, int, str]]:
    """Sorting key: 2 before 10, numbers before words."""
    parts = re.split(r"(\d+)", text)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts if part]
