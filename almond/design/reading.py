"""Reading JSON objects field by field, so that every problem is found at once and named by its path."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeVar

Item = TypeVar("Item")
HEX = frozenset("0123456789abcdef")


def is_digest(value: object) -> bool:
    """Whether a value is 64 lower-case hexadecimal digits."""
    return isinstance(value, str) and len(value) == 64 and set(value) <= HEX


class Fields:
    """One JSON object being read. Each method takes one field and notes what is wrong with it.

    A field that is wrong yields an empty value of its type, so that reading goes on; ``close`` notes the
    fields that nobody asked for. Nothing is raised here: the reader raises once, with all ``problems``.
    """

    def __init__(self, value: object, path: str, problems: list[str]) -> None:
        self.path, self.problems = path, problems
        self.read: set[str] = set()
        self.before = len(problems)
        self.value: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
        if not isinstance(value, Mapping):
            self.note("", f"is {shown(value)}, not an object")

    @property
    def clean(self) -> bool:
        """Whether nothing was noted since this object began."""
        return len(self.problems) == self.before

    def note(self, name: str, problem: str) -> None:
        where = ".".join(part for part in (self.path, name) if part) or "plan"
        self.problems.append(f"{where}: {problem}")

    def get(self, name: str, default: object = None) -> object:
        self.read.add(name)
        return self.value.get(name, default)

    def text(self, name: str, *, default: str | None = None) -> str:
        """A string that is not blank."""
        value = self.get(name, default)
        if isinstance(value, str) and value.strip():
            return value
        self.note(name, f"is {shown(value)}, not a text")
        return ""

    def optional_text(self, name: str) -> str | None:
        return None if self.get(name) is None else self.text(name)

    def one_of(self, name: str, allowed: Collection[str], *, default: str | None = None) -> str:
        value = self.get(name, default)
        if isinstance(value, str) and value in allowed:
            return value
        self.note(name, f"is {shown(value)}, not one of {', '.join(allowed)}")
        return ""

    def digest(self, name: str) -> str:
        value = self.get(name)
        if isinstance(value, str) and is_digest(value):
            return value
        self.note(name, f"is {shown(value)}, not a SHA-256 digest of 64 hexadecimal digits")
        return ""

    def integer(self, name: str, *, low: int, high: int | None = None, default: int | None = None) -> int:
        value = self.get(name, default)
        fits = isinstance(value, int) and not isinstance(value, bool)
        if fits and isinstance(value, int) and value >= low and (high is None or value <= high):
            return value
        span = f"of at least {low}" if high is None else f"from {low} to {high}"
        self.note(name, f"is {shown(value)}, not a whole number {span}")
        return low

    def number(self, name: str, *, low: float, high: float = math.inf, default: float | None = None) -> float:
        value = self.get(name, default)
        real = isinstance(value, int | float) and not isinstance(value, bool)
        if real and isinstance(value, int | float) and math.isfinite(value) and low <= value <= high:
            return float(value)
        span = f"of at least {low:g}" if math.isinf(high) else f"from {low:g} to {high:g}"
        self.note(name, f"is {shown(value)}, not a finite number {span}")
        return low

    def texts(self, name: str, *, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """A list of different texts."""
        value = self.get(name, list(default))
        found = tuple(value) if isinstance(value, list | tuple) else (None,)
        if all(isinstance(item, str) and item for item in found) and len(set(found)) == len(found):
            return tuple(str(item) for item in found)
        self.note(name, f"is {shown(value)}, not a list of different texts")
        return ()

    def items(self, name: str, read: Callable[[Fields], Item]) -> tuple[Item, ...]:
        """A list of objects; those with a problem are left out after it was noted."""
        value = self.get(name, [])
        if not isinstance(value, list | tuple):
            self.note(name, f"is {shown(value)}, not a list")
            return ()
        path = ".".join(part for part in (self.path, name) if part)
        found = []
        for number, item in enumerate(value):
            fields = Fields(item, f"{path}[{number}]", self.problems)
            result = read(fields)
            fields.close()
            if fields.clean:
                found.append(result)
        return tuple(found)

    def names_in(self, name: str, key: str) -> set[str]:
        """Every text under ``key`` in a list of objects, also of the objects that have problems."""
        value = self.value.get(name, [])
        items = value if isinstance(value, list | tuple) else []
        found = (item.get(key) for item in items if isinstance(item, Mapping))
        return {text for text in found if isinstance(text, str)}

    def close(self) -> None:
        for name in sorted(set(map(str, self.value)) - self.read):
            self.note(name, "is not a field that is known here")


def shown(value: object) -> str:
    """A value as an error message shows it: short."""
    if value is None:
        return "missing"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def repeated(values: Iterable[str]) -> list[str]:
    """Values that stand more than once, in order of their second appearance."""
    seen: set[str] = set()
    twice: list[str] = []
    for value in values:
        if value in seen and value not in twice:
            twice.append(value)
        seen.add(value)
    return twice
