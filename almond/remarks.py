"""Remarks: what was doubtful about an input, and what Almond did about it, for people to look at.

An input that can mean only one thing is used; one that can mean none is an ``InputError``. In between, work
goes on and a remark says so. ``docs/remarks.md`` has a section for each kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from almond.errors import InputError

KINDS = {
    "repetition-time": "Repetition times disagree",
    "start-time": "Volumes that stand for a later time",
    "slice-timing": "Slice timing without a reference",
    "sparse-acquisition": "Sparse acquisition",
    "run-length": "Runs of unlike length",
    "events-outside": "Events outside the run",
    "events-early": "Events that end early",
    "events-duration": "Events without duration",
    "events-overlap": "Events at the same time",
    "constant-features": "Features that do not change",
    "bold-values": "Values of BOLD that are no numbers",
    "constant-voxels": "Voxels that do not change",
    "orientation": "A header leaves open where an image lies",
    "coordinates": "Region and runs in other coordinates",
    "outside": "A region reaches beyond the runs' field of view",
    "rounded-values": "Values of a mask or atlas are not quite whole",
    "whole-map": "A threshold selects every voxel",
}
"""Kind of a remark -> its heading in ``docs/remarks.md``."""


@dataclass(frozen=True)
class Remark:
    """One doubt: its ``kind``, the name of the file or field, the run or region it concerns, and ``text``.

    ``text`` says what was seen and what was done. File names stand without folders, so that stored remarks
    do not depend on the machine.
    """

    kind: str
    source: str
    about: str
    text: str

    @property
    def heading(self) -> str:
        """The heading of the section that explains it."""
        return KINDS.get(self.kind, self.kind)

    def __str__(self) -> str:
        return f"{self.about}: {self.source} {self.text}" if self.about else f"{self.source} {self.text}"


@dataclass
class Remarks:
    """Remarks in the order in which they came up, each once."""

    items: list[Remark] = field(default_factory=list)

    def add(self, kind: str, source: Path | str, text: str, *, about: str = "") -> None:
        """Add a remark.

        :param kind: one of ``KINDS``.
        :param source: file or field that is doubtful.
        :param text: what was seen and what was done, to be read after the source: ``says 2 s; ... was used``.
        :param about: run or region.
        """
        if kind not in KINDS:
            raise KeyError(kind)
        remark = Remark(kind, source.name if isinstance(source, Path) else source, about, text)
        if remark not in self.items:
            self.items.append(remark)

    def extend(self, remarks: Iterable[Remark]) -> None:
        """Add remarks that others made."""
        self.items += [remark for remark in remarks if remark not in self.items]

    def __iter__(self) -> Iterator[Remark]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def refuse(self, source: object) -> None:
        """Raise all remarks as one error, as ``strict`` asks for.

        :raises InputError: there is a remark.
        """
        if self.items:
            raise InputError(
                source,
                f"has remarks: {'; '.join(map(str, self.items))}",
                "none (strict): see docs/remarks.md",
            )

    def as_metrics(self, *, without: Sequence[str] = ()) -> dict[str, list[dict[str, str]]]:
        """Return plain values under ``remarks``, but for those about one of ``without``; empty when there are
        none, so that a fit without doubts is described as it always was."""
        rows = [asdict(remark) for remark in self.items if remark.about not in without]
        return {"remarks": rows} if rows else {}

    @classmethod
    def from_json(cls, rows: Iterable[Mapping[str, str]]) -> Remarks:
        """Read what ``as_metrics`` gave."""
        return cls([Remark(**row) for row in rows])


def remark_rows(results: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """List the remarks of results that have a ``subject`` and perhaps ``remarks``, with the subject, each
    once."""
    rows = (
        {"subject": str(result["subject"]), **row} for result in results for row in result.get("remarks", ())
    )
    return list({tuple(row.values()): row for row in rows}.values())


def remark_lines(results: Iterable[Mapping[str, Any]]) -> list[str]:
    """Write the rows of :func:`remark_rows` as sentences."""
    return [f"sub-{row.pop('subject')} {Remark(**row)}" for row in remark_rows(results)]


@dataclass(frozen=True)
class SharedRemark:
    """What is said of several files in the same words; ``places`` name subject, run or region, and file."""

    heading: str
    text: str
    places: tuple[str, ...]


def shared_remarks(rows: Iterable[Mapping[str, str]]) -> list[SharedRemark]:
    """Put rows of :func:`remark_rows` that say the same together."""
    places: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        remark = Remark(**{name: row[name] for name in Remark.__dataclass_fields__})
        about = f", {remark.about}" if remark.about else ""
        where = places.setdefault((remark.heading, remark.text), [])
        where.append(f"sub-{row['subject']}{about}: {remark.source}")
    return [SharedRemark(*said, tuple(where)) for said, where in places.items()]
