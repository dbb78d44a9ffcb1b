"""The course of a trial of images: what is seen before, for how long the images stay, and the pause after it.

All times are in ms, counted in whole frames of the participant's screen (``static/js/timing.js``). What they
were in each trial is in the events of kind ``frames``.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from almond.design.parts import PlannedBlock
from almond.shapes import Flag, Number

LONGEST_PART = 60_000.0
Duration = Annotated[Number, Field(gt=0, le=LONGEST_PART)]


class TimedBlock(PlannedBlock):
    """A block of images with a course in time; what is empty is as in blocks without one."""

    not_written_when_absent = (
        *PlannedBlock.not_written_when_absent,
        *("fixation_ms", "delay_ms", "image_ms", "mask", "interval_ms"),
    )

    fixation_ms: Duration | None = Field(
        None, title="fixation cross (ms)", description="Before the images. Empty: none."
    )
    delay_ms: Duration | None = Field(
        None, title="onset delay (ms)", description="An empty screen just before the images. Empty: none."
    )
    image_ms: Duration | None = Field(
        None, title="images stay (ms)", description="Then they are gone. Empty: until the answer."
    )
    mask: Flag = Field(
        False, title="mask", description="Noise in the place of images that are gone, until the answer."
    )
    interval_ms: Duration | None = Field(
        None, title="interval (ms)", description="An empty screen after each answer. Empty: 250 ms."
    )


def timing_problems(block: TimedBlock) -> list[tuple[str, str]]:
    """List (path, problem) for what a course in time says against itself."""
    return [("mask", "has no time: say how long images stay")] if block.mask and not block.image_ms else []


def course_of(block: PlannedBlock) -> dict[str, Any]:
    """Return what a browser needs of the course of a block's trials: the parts that are set."""
    parts = {
        name: getattr(block, name, None)
        for name in TimedBlock.model_fields.keys() - PlannedBlock.model_fields
    }
    return {name: value for name, value in sorted(parts.items()) if value}
