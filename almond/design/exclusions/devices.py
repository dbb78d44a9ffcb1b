"""Windows too small to see the images in, and displays too slow for times in milliseconds.

What browsers told when they loaded the page: the window's size in CSS pixels and the time of a frame. Whether
a screen was touched is not recorded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from almond.design.exclusions.base import (
    BlindTables,
    CannotApply,
    ExclusionRule,
    Judged,
    clauses_joined,
    either,
    over,
    under,
    without_limit,
)
from almond.errors import InputError
from almond.shapes import Number

if TYPE_CHECKING:
    import pandas as pd


class Devices(ExclusionRule):
    """Left out: whose window was narrower than ``least_width`` or lower than ``least_height`` (CSS pixels) at
    any load of the page, or whose display took longer than ``slowest_frame_ms`` for a frame."""

    kind: Literal["devices"] = "devices"
    least_width: Annotated[Number, Field(gt=0)] | None = Field(
        600.0,
        title="narrowest window (px)",
        description="CSS pixels when the page was loaded; telephones held upright have 320 to 480. Empty: no "
        "limit.",
    )
    least_height: Annotated[Number, Field(gt=0)] | None = Field(
        None, title="lowest window (px)", description="CSS pixels. Empty: no limit."
    )
    slowest_frame_ms: Annotated[Number, Field(gt=0)] | None = Field(
        None,
        title="slowest frame (ms)",
        description="A display of 60 Hz takes 16.7 ms. Empty: no limit.",
    )

    def contradictions(self) -> Iterator[tuple[str, str]]:
        yield from without_limit(self, "least_width", "least_height", "slowest_frame_ms")

    def words(self) -> str:
        clauses = []
        if self.least_width is not None:
            clauses.append(f"whose window was narrower than {self.least_width:g} pixels")
        if self.least_height is not None:
            clauses.append(f"whose window was lower than {self.least_height:g} pixels")
        if self.slowest_frame_ms is not None:
            clauses.append(f"whose display took longer than {self.slowest_frame_ms:g} ms for a frame")
        return f"Devices: participants {clauses_joined(clauses)}, when they loaded the study's page."

    def unsimulated(self) -> str:
        return "windows and displays"

    def judge(self, tables: BlindTables) -> Judged:
        if tables.events is None:
            raise CannotApply("the table of events")
        parts, people = [], tables.people
        if self.least_width is not None:
            widths = extremes(tables.events, "width", min)
            parts.append(
                under(widths, people, self.least_width, lambda width: f"window {width:.0f} pixels wide")
            )
        if self.least_height is not None:
            heights = extremes(tables.events, "height", min)
            parts.append(
                under(heights, people, self.least_height, lambda height: f"window {height:.0f} pixels high")
            )
        if self.slowest_frame_ms is not None:
            frames = extremes(tables.events, "frame_ms", max)
            parts.append(
                over(frames, people, self.slowest_frame_ms, lambda frame: f"a frame took {frame:.1f} ms")
            )
        return either(*parts)


def extremes(events: pd.DataFrame, name: str, of: Any) -> dict[str, float]:
    """Return the smallest (``of=min``) or largest value that each participant's page told when it loaded."""
    values: dict[str, list[float]] = {}
    loads = events[events["kind"] == "load"]
    for person, detail in zip(loads["participant_id"], loads["detail"], strict=True):
        value = event_facts(detail).get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            values.setdefault(str(person), []).append(float(value))
    return {person: float(of(told)) for person, told in values.items()}


def event_facts(detail: str) -> dict[str, Any]:
    """Read the further facts of an event, a JSON object; ``InputError`` for anything else."""
    try:
        facts = json.loads(detail) if detail else {}
    except ValueError:
        facts = None
    if not isinstance(facts, dict):
        raise InputError("table events", f"column detail: {detail[:60]!r}", "a JSON object, or nothing")
    return facts
