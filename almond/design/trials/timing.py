"""The course of a trial of images: what is seen before, for how long the images stay, and the pause after it.

Times are in ms, counted in whole frames of the participant's screen (``static/js/timing.js``). What they
were in each trial is in the events of kind ``frames``. A deadline is in s, from the first paint on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from almond.design.parts import PlannedBlock
from almond.design.trials.columns import Coded
from almond.shapes import Flag, Number

if TYPE_CHECKING:
    from almond.design.plan import StudyPlan
    from almond.design.trials.responses import Responses

LONGEST_PART = 60_000.0
LONGEST_DEADLINE = 600.0
MISSED = "missed"
"""What answers are called that did not come before the deadline, and their column."""
MISSED_VALUES = {MISSED: 1}
"""What is posted as the values of such an answer."""
EARLY_MS = 100.0
"""So much before the deadline a browser's clock may end a trial."""
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


class DeadlineBlock(TimedBlock):
    """A timed block whose trials may end by themselves: an answer that did not come in time is “none”."""

    not_written_when_absent = (*TimedBlock.not_written_when_absent, "deadline_s")

    deadline_s: Annotated[Number, Field(gt=0, le=LONGEST_DEADLINE)] | None = Field(
        None,
        title="deadline (s)",
        description="From the images on. Then the trial is over without an answer. Empty: none.",
    )


def timing_problems(block: TimedBlock) -> list[tuple[str, str]]:
    """List (path, problem) for what a course in time says against itself."""
    problems = []
    if block.mask and not block.image_ms:
        problems.append(("mask", "has no time: say how long images stay"))
    if deadline_of(block) and MISSED in block.constructs:
        problems.append(("deadline_s", f"is set, and a construct is called {MISSED!r}, as answers are then"))
    return problems


def deadline_of(block: PlannedBlock) -> float | None:
    """Return the deadline of a block's trials in seconds; None without one."""
    deadline: float | None = getattr(block, "deadline_s", None)
    return deadline


def is_missed(values: Mapping[str, Any], block: PlannedBlock) -> bool:
    """Tell whether an answer says that the deadline of its block was missed."""
    return deadline_of(block) is not None and dict(values) == MISSED_VALUES


def missed_problems(answer: Any, block: PlannedBlock) -> Iterator[tuple[str, str]]:
    """Yield (path, problem) for an answer “none” that came before the deadline, or with a side."""
    deadline = deadline_of(block) or 0.0
    if answer.rt_ms < 1000 * deadline - EARLY_MS:
        yield "rt_ms", f"is {answer.rt_ms:g}, before the deadline of {deadline:g} s"
    if getattr(answer, "chosen", ""):
        yield "chosen", "is a side, and the deadline was missed"


def in_time(answer: Mapping[str, Any], block: PlannedBlock) -> dict[str, Any]:
    """Return what a simulated rater answers within the deadline of a block: of a late answer, “none”."""
    deadline = deadline_of(block)
    if deadline is None or answer["rt_ms"] <= 1000 * deadline:
        return dict(answer)
    none = {"values": dict(MISSED_VALUES), "rt_ms": 1000.0 * deadline}
    return {**none, "chosen": ""} if "chosen" in answer else none


def missed_column(plan: StudyPlan, responses: Responses, kind: type[DeadlineBlock]) -> dict[str, Coded]:
    """Return the column ``missed`` (n,) of responses; nothing where no block of a kind has a deadline.

    :param kind: the shape of all blocks whose responses stand in the same table.
    """
    blocks = {block.name: block for block in plan.blocks if isinstance(block, kind)}
    if not any(map(deadline_of, blocks.values())):
        return {}
    own = zip(responses.trials.tolist(), responses.values, strict=True)
    codes = [int(is_missed(values, blocks[trial.block])) for trial, values in own]
    return {MISSED: Coded((0, 1), np.array(codes, np.intp))}


def course_of(block: PlannedBlock) -> dict[str, Any]:
    """Return what a browser needs of the course of a block's trials: the parts that are set."""
    parts = {
        name: getattr(block, name, None)
        for name in TimedBlock.model_fields.keys() - PlannedBlock.model_fields
    }
    deadline = deadline_of(block)
    parts["deadline_ms"] = None if deadline is None else 1000 * deadline
    return {name: value for name, value in sorted(parts.items()) if value}
