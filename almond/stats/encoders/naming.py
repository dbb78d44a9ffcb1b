"""Names of regions and subjects as parts of file names."""

from __future__ import annotations

import re


def slug(name: str) -> str:
    """Letters, digits and ``. + -``; everything else becomes a hyphen."""
    return re.sub(r"[^A-Za-z0-9.+-]+", "-", name).strip("-.") or "region"
