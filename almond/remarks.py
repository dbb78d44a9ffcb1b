"""Remarks: what was doubtful about an input, and what Almond did about it, for people to look at.

An input that can mean only one thing is used; one that can mean none is an ``InputError``. In between, work
goes on and a remark says so. ``docs/remarks.md`` has a section for each kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from almond.errors import InputError

KINDS = {
    "repetition-time": "Repetition times disagree",
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

    def to_json(self, *, without: Sequence[str] = ()) -> list[dict[str, str]]:
        """Return plain values of all remarks, but for those about one of ``without``."""
        return [asdict(remark) for remark in self.items if remark.about not in without]
