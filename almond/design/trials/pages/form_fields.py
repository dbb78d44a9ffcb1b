"""The fields of a form, one a line, such as ``age: number 18-99``.

A line is ``NAME: TYPE``, or ``NAME (What people read): TYPE``. Types:

- ``number LOW-HIGH``: a number in a range; a whole one where both ends are whole.
- ``choice A, B, C``: one of some answers.
- ``text``: free text, which stays on the site; ``text exported`` also leaves with an export.

``optional`` at the end (for a choice before its type: ``optional choice A, B``) lets a field stay empty.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

LINE = re.compile(r"(?P<name>[^:(]*?)\s*(?:\((?P<label>.*)\))?\s*:\s*(?P<type>.*)")
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
RANGE = re.compile(r"(-?\d+(?:\.\d+)?)\s*-\s*(-?\d+(?:\.\d+)?)")
LONGEST_ANSWER = 2000
LONGEST_OPTION = 100

FieldType = Literal["number", "choice", "text"]


@dataclass(frozen=True)
class FormField:
    """One field: a number from ``low`` to ``high``, one of ``options``, or a text."""

    name: str
    label: str
    type: FieldType
    optional: bool = False
    exported: bool = True
    low: float = 0.0
    high: float = 0.0
    whole: bool = True
    options: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return what a browser needs to show it."""
        told: dict[str, Any] = {"name": self.name, "label": self.label, "type": self.type}
        if self.type == "number":
            told |= {"low": number_text(self.low), "high": number_text(self.high), "whole": self.whole}
        elif self.type == "choice":
            told["options"] = list(self.options)
        return {**told, "optional": self.optional}

    def problem(self, value: Any) -> str | None:
        """Say what is wrong with an answer; None for one that fits. An empty one is None or missing."""
        if value is None:
            return None if self.optional else "is missing"
        if self.type == "number":
            return self._number_problem(value)
        if not isinstance(value, str):
            return "is not text"
        if self.type == "choice":
            return None if value in self.options else f"is none of {', '.join(self.options)}"
        if not value.strip():
            return "is empty"
        return None if len(value) <= LONGEST_ANSWER else f"is longer than {LONGEST_ANSWER} characters"

    def _number_problem(self, value: Any) -> str | None:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or (self.whole and not float(value).is_integer()):
            return f"is not a {'whole ' if self.whole else ''}number"
        if self.low <= value <= self.high:
            return None
        return f"is not from {number_text(self.low)} to {number_text(self.high)}"


def number_text(value: float) -> str:
    return f"{value:.12g}"


class FieldProblems(ValueError):
    """What is wrong with lines of fields, each with its number."""


@lru_cache(maxsize=64)
def read_form_fields(text: str) -> tuple[FormField, ...]:
    """Read the fields of a form, one a line; empty lines mean nothing.

    :raises FieldProblems: with every wrong line.
    """
    fields: list[FormField] = []
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            field = read_line(line.strip())
            if field.name in {other.name for other in fields}:
                raise ValueError(f"{field.name!r} stands in an earlier line")
            fields.append(field)
        except ValueError as error:
            problems.append(f"line {number}: {error}")
    if not fields and not problems:
        problems = ["has no line, not a field such as “age: number 18-99”"]
    if problems:
        raise FieldProblems("; ".join(problems))
    return tuple(fields)


def read_line(line: str) -> FormField:
    """Read one field; ``ValueError`` says what is wrong with its line."""
    match = LINE.fullmatch(line)
    if match is None:
        raise ValueError(f"{line!r} has no colon after the field's name, as in “age: number 18-99”")
    name = match["name"].strip()
    if not NAME.fullmatch(name):
        raise ValueError(f"the name {name!r} is not a small letter, then letters, digits and _")
    label = (match["label"] or name.replace("_", " ").capitalize()).strip()
    words = match["type"].split()
    optional = bool(words) and words[0] == "optional"
    kind, _, rest = match["type"].strip().removeprefix("optional ").strip().partition(" ")
    if kind == "choice":
        return FormField(name, label, "choice", optional, options=read_options(rest))
    more = rest.split()
    marks = {word for word in more if word in ("optional", "exported")}
    rest = " ".join(word for word in more if word not in marks)
    optional = optional or "optional" in marks
    if kind == "number":
        if "exported" in marks:
            raise ValueError("numbers are exported anyway: leave out “exported”")
        return number_field(name, label, optional, rest)
    if kind == "text":
        if rest:
            raise ValueError(f"{rest!r} after “text” means nothing; known are optional and exported")
        return FormField(name, label, "text", optional, exported="exported" in marks)
    raise ValueError(f"{kind!r} is no type of a field; known are number, choice and text")


def number_field(name: str, label: str, optional: bool, span: str) -> FormField:
    match = RANGE.fullmatch(span)
    if match is None:
        raise ValueError(f"a number needs its range, as in “number 18-99”, not {span!r}")
    low, high = float(match[1]), float(match[2])
    if low >= high:
        raise ValueError(f"the range {span} does not begin below its end")
    whole = "." not in span
    return FormField(name, label, "number", optional, low=low, high=high, whole=whole)


def read_options(text: str) -> tuple[str, ...]:
    """Read answers with commas between; ``ValueError`` as ``checked_options``."""
    return checked_options(tuple(option.strip() for option in text.split(",")))


def checked_options(options: tuple[str, ...]) -> tuple[str, ...]:
    """Return answers; ``ValueError`` for fewer than two, empty, repeated or very long ones."""
    if len(options) < 2 or not all(options):
        raise ValueError("two answers or more are needed, and none is empty")
    if len(set(options)) < len(options):
        raise ValueError("an answer stands twice in it")
    if longest := [option for option in options if len(option) > LONGEST_OPTION]:
        raise ValueError(f"the answer {longest[0][:30]!r}… is longer than {LONGEST_OPTION} characters")
    return options
