"""Checks of plain values that collect what is wrong instead of stopping at the first."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

# What arrays, JSON and floats all hold without loss.
LARGEST_WHOLE = 2**53 - 1


class Checks:
    """Each check returns the value, or None after adding a line to ``problems``; None given is None back."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.problems: list[str] = []

    def add(self, path: str, problem: str) -> None:
        self.problems.append(f"{path}: {problem}")

    def known(self, mapping: Mapping[Any, Any], path: str, keys: Sequence[str]) -> None:
        for key in mapping:
            if key in keys:
                continue
            near = get_close_matches(str(key), keys, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(keys)}"
            self.add(f"{path}.{key}" if path else str(key), f"unknown setting; {hint}")

    def text(
        self, mapping: Mapping[str, Any], key: str, path: str = "", *, required: bool = False
    ) -> str | None:
        value, where = mapping.get(key), f"{path}.{key}" if path else key
        if value is None:
            if required:
                self.add(where, "is missing")
            return None
        return self._text(value, where)

    def _text(self, value: Any, path: str) -> str | None:
        if isinstance(value, str) and value.strip():
            return value
        self.add(path, f"{value!r} is not text; write it in quotes")
        return None

    def texts(self, value: Any, path: str) -> tuple[str, ...] | None:
        if value is None:
            return None
        if not isinstance(value, list | tuple) or not value:
            self.add(path, "is not a list of names")
            return None
        return tuple(
            text for index, item in enumerate(value) if (text := self._text(item, f"{path}[{index}]"))
        )

    def choice(self, value: Any, path: str, options: Sequence[str]) -> str | None:
        if value in options:
            return str(value)
        self.add(path, f"is {value!r}, not one of {', '.join(options)}")
        return None

    def number(
        self, value: Any, path: str, *, above: float = -math.inf, least: float = -math.inf
    ) -> float | None:
        if value is None:
            return None
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if number and value > above and value >= least:
            return float(value)
        limit = f" above {above:g}" if above > -math.inf else f" of at least {least:g}"
        self.add(path, f"is {value!r}, not a number{limit}")
        return None

    def whole(self, value: Any, path: str, *, least: int) -> int | None:
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= LARGEST_WHOLE:
            return value
        problem = f"is {value!r}, not a whole number of at least {least}"
        too_large = isinstance(value, int) and value > LARGEST_WHOLE
        self.add(path, f"{problem} and at most {LARGEST_WHOLE}" if too_large else problem)
        return None

    def numbers(self, value: Any, path: str, *, whole: bool) -> tuple[float, ...] | None:
        """One number or a list of them, above 0; whole numbers from 1 if ``whole``."""
        if value is None:
            return None
        items = value if isinstance(value, list | tuple) else [value]
        if not items:
            self.add(path, "is an empty list")
        found = [
            self.whole(item, path, least=1) if whole else self.number(item, path, above=0) for item in items
        ]
        return tuple(item for item in found if item is not None) or None

    def range(self, value: Any, path: str) -> tuple[int, int] | None:
        if value is None:
            return None
        pair = list(value) if isinstance(value, list | tuple) else []
        if len(pair) == 2 and all(type(item) is int for item in pair) and 0 <= pair[0] < pair[1]:
            return pair[0], pair[1]
        self.add(path, f"is {value!r}, not [first, one past the last]")
        return None

    def file(self, value: Any, path: str, suffixes: Sequence[str]) -> Path | None:
        found = self._path(value, path)
        if found is None:
            return None
        if not os.path.isfile(found):
            self.add(path, f"file not found: {found}")
            return None
        if not found.name.endswith(tuple(suffixes)):
            self.add(path, f"{found.name} does not end in {' or '.join(suffixes)}")
            return None
        return found

    def folder(self, value: Any, path: str) -> Path | None:
        found = self._path(value, path)
        if found is not None and not os.path.isdir(found):
            self.add(path, f"folder not found: {found}")
            return None
        return found

    def _path(self, value: Any, path: str) -> Path | None:
        if isinstance(value, Path) or (isinstance(value, str) and value):
            return self.base / value
        self.add(path, "is missing" if value is None else f"{value!r} is not a path")
        return None
