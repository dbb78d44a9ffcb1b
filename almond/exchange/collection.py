"""How far collecting data had come when an export was written, as its manifest says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from almond.shapes import Flag, Shape, Text, Whole, read

Number = Annotated[Whole, Field(ge=0)]


class EarlyLook(Shape):
    """An analysis that was run while data were still collected: when, and how many people it analysed.

    ``finished`` is how many had answered every trial by then, which planned looks are about; earlier versions
    do not say it.
    """

    at: Text
    analysed: Number
    finished: Number | None = None

    @property
    def participants(self) -> int:
        """The number to compare with that of a planned look."""
        return self.analysed if self.finished is None else self.finished


class Unlocked(Shape):
    """Answers were made visible before the end: when, by whom, why, and how many people had finished."""

    at: Text
    by: Text
    why: Text
    finished: Number

    @property
    def words(self) -> str:
        """When and by whom, with how many, and why, as a report says it."""
        return f"on {self.at[:10]} by {self.by}, with {self.finished} who had finished: “{self.why.strip()}”"


class Unrehearsed(Shape):
    """The study was opened although it had passed no rehearsal: when, by whom, and why."""

    at: Text
    by: Text
    why: Text

    @property
    def words(self) -> str:
        """When and by whom, and why, as a report says it."""
        return f"opened without one on {self.at[:10]} by {self.by}: “{self.why.strip()}”"


class PrecisionLook(Shape):
    """Half the width of the primary estimate's interval as it was computed while data were collected.

    ``number`` of participants at which the plan asks for it, ``finished`` how many had by then.
    """

    at: Text
    number: Number
    finished: Number
    half_width: Annotated[float, Field(gt=0)]
    reached: Flag


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
    unlocked: Unlocked | None = None
    unrehearsed: Unrehearsed | None = None
    precision: tuple[PrecisionLook, ...] = ()

    @property
    def precise(self) -> PrecisionLook | None:
        """The look at which the plan's precision was reached; None where it was not."""
        return next((look for look in self.precision if look.reached), None)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values, as a manifest holds them: what seldom happens only where it did."""
        seldom = ("unlocked", "unrehearsed", "precision")
        return self.model_dump(mode="json", exclude={name for name in seldom if not getattr(self, name)})


def collection_of(manifest: Mapping[str, Any]) -> Collection | None:
    """Read what a manifest says of collecting data; None where it does not say.

    :raises ShapeError: it says something else than a ``Collection``.
    """
    value = manifest.get("collection")
    return None if value is None else read(Collection, value, source="manifest.json, collection")
