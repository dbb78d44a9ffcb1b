"""The parts of a report, whatever it is about: the answers first, the main numbers, then sections."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple


class Picture(NamedTuple):
    """Where a figure stands: its name among the figures drawn, its caption, and whether it is kept narrow."""

    name: str
    caption: str
    small: bool = False


class KeyNumber(NamedTuple):
    """One of the few main numbers of a report, with a note in small print."""

    name: str
    value: str
    note: str


class Fact(NamedTuple):
    """What a reader must know beside the answers, such as *Sample*, in one or several sentences."""

    name: str
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Cells as text; ``text`` columns are left-aligned, ``wrapped`` ones may break lines, ``folded`` is a
    summary behind which HTML hides the table."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text: tuple[int, ...] = (0,)
    wrapped: tuple[int, ...] = ()
    folded: str = ""


@dataclass(frozen=True)
class Section:
    """A heading with paragraphs, figures, a list, tables and notes, written in this order."""

    title: str
    paragraphs: tuple[str, ...] = ()
    figures: tuple[Picture, ...] = ()
    items: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Document:
    """A whole report as text.

    ``answers`` are its first sentences; ``lead`` says who and what; ``mode`` is what the report may be
    called, such as ``confirmatory`` or ``exploratory``, with the reason in ``mode_text``. ``facts`` stand on
    the first page too, below the answers; ``footer`` at the foot of every printed page; ``alarms`` in red
    right below the answers.
    """

    title: str
    mode: str
    mode_text: str
    answers: tuple[str, ...]
    lead: str
    key_numbers: tuple[KeyNumber, ...]
    sections: tuple[Section, ...]
    facts: tuple[Fact, ...] = ()
    footer: str = ""
    alarms: tuple[str, ...] = ()

    def with_figures(self, names: Collection[str]) -> Document:
        """Leave out every figure that is not among ``names``, those that were drawn."""
        sections = tuple(
            dataclasses.replace(
                section, figures=tuple(item for item in section.figures if item.name in names)
            )
            for section in self.sections
        )
        return dataclasses.replace(self, sections=sections)
