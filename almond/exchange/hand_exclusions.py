"""Who was left out of the analysis by hand, as the manifest of an export says, and whose exclusion holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from almond.shapes import Flag, Shape, Text, read


class ExclusionEntry(Shape):
    """An experimenter left a participant out (``excluded``) or took them back in; the last entry holds.

    ``blind``: nobody could see the study's answers then. ``at`` is a time with its offset.
    """

    participant_id: Text
    excluded: Flag
    why: Text
    author: Text
    at: Text
    blind: Flag

    def to_json(self) -> dict[str, Any]:
        """Return JSON values, as a manifest holds them."""
        return self.model_dump(mode="json")


def entries_in(manifest: Mapping[str, Any]) -> tuple[ExclusionEntry, ...]:
    """Read the entries of a manifest, in the order in which they were made; most have none.

    :raises ShapeError: a row is no ``ExclusionEntry``.
    """
    return tuple(
        read(ExclusionEntry, row, source=f"manifest.json, excluded_by_hand[{place}]")
        for place, row in enumerate(manifest.get("excluded_by_hand", ()))
    )


def holding(entries: Iterable[ExclusionEntry]) -> dict[str, ExclusionEntry]:
    """Return participant -> the entry that leaves them out, of those who are left out in the end."""
    last = {entry.participant_id: entry for entry in entries}
    return {person: entry for person, entry in last.items() if entry.excluded}
