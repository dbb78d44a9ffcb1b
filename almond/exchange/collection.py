"""How far collecting data had come when an export was written, as its manifest says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from almond.shapes import Flag, Shape, Text, Whole, read

Number = Annotated[Whole, Field(ge=0)]


class EarlyLook(Shape):
    """An analysis that was run while data were still collected: when, and how many people it analysed."""

    at: Text
    analysed: Number


class Collection(Shape):
    """The study's state, the numbers that its stopping rule is about, and who looked before the end.

    Numbers are of people, never of simulated participants. ``finished`` people stand in participants.csv and
    answered every trial; ``finished_and_withdrew`` did so too, and are in no table. ``closed_at`` is a time
    with its offset, missing before the end. A ``rehearsal`` is a study in which simulated participants, or
    the lab itself, tried out another one.
    """

    state: Literal["frozen", "live", "paused", "closed"]
    planned: Number
    finished: Number
    finished_and_withdrew: Number = 0
    closed_at: Text | None = None
    rehearsal: Flag = False
    looks: tuple[EarlyLook, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return JSON values, as a manifest holds them."""
        return self.model_dump(mode="json")


def collection_of(manifest: Mapping[str, Any]) -> Collection | None:
    """Read what a manifest says of collecting data; None where it does not say.

    :raises ShapeError: it says something else than a ``Collection``.
    """
    value = manifest.get("collection")
    return None if value is None else read(Collection, value, source="manifest.json, collection")
