"""Columns and tables of an export, and the columns that the tables of all trial kinds share.

Types: ``text`` (empty when it does not apply), ``integer``, ``number``, ``flag`` (0 or 1), ``digest``
(SHA-256, 64 hexadecimal digits) and ``time`` (ISO 8601 with its offset from UTC).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from almond.typing import Ints


@dataclass(frozen=True, eq=False)
class Coded:
    """Cells of a column in which few values stand again and again: row i holds ``values[codes[i]]``.

    What is looked up or written once per value costs nothing per row.
    """

    values: Sequence[Any]
    codes: Ints

    def __len__(self) -> int:
        return len(self.codes)

    def map(self, function: Callable[[Any], object]) -> Coded:
        """Apply a function to every distinct value."""
        return Coded([function(value) for value in self.values], self.codes)

    def take(self, rows: Ints) -> Coded:
        """Take the cells of some rows, (m,)."""
        return Coded(self.values, self.codes[rows])

    def tolist(self) -> list[Any]:
        """List the cells of all rows."""
        return [self.values[code] for code in self.codes.tolist()]

    @classmethod
    def constant(cls, value: object, rows: int) -> Coded:
        """Repeat one value in every row."""
        return cls((value,), np.zeros(rows, np.intp))


@dataclass(frozen=True)
class Column:
    """One column of one table. ``needed`` columns have no empty cells; old exports lack ``later`` ones."""

    name: str
    type: str
    description: str
    unit: str = ""
    range: str = ""
    needed: bool = True
    later: bool = False


@dataclass(frozen=True)
class TableSchema:
    """One table of an export: its columns in order, those it is sorted by, and those that name a row."""

    name: str
    columns: tuple[Column, ...]
    sorted_by: tuple[str, ...]
    unique: tuple[str, ...]


PARTICIPANT = Column(
    "participant_id", "text", "The study's own name of the participant; never a recruitment id."
)
BASE_SCENE = Column("base_scene", "text", "What all images of one prompt and seed have in common.")
THEME = Column(
    "theme",
    "text",
    "What base scenes share that show the same content: the prompt of generated images, the theme that the "
    "norms of natural images state, else the base scene itself. Tests count themes as independent.",
    later=True,
)
INTENDED_TARGET = Column(
    "intended_target",
    "text",
    "Region whose predicted response the image was pushed along; empty for natural and unguided images.",
    needed=False,
)
DIRECTION = Column("direction", "integer", "1 pushed up, -1 pushed down, 0 not pushed.", range="-1, 0 or 1")
STRENGTH = Column(
    "strength", "number", "Strength of the guidance, relative to the text guidance.", range="0 or more"
)
CONSTRUCT = Column("construct", "text", "The judgement asked for: a construct of the plan.")
RESPONSE = (
    Column("response_id", "text", "Name of the response; a rating trial has one row per construct."),
    Column("trial_id", "text", "Name of the planned trial that was answered."),
    PARTICIPANT,
    Column(
        "trial_index",
        "integer",
        "Place of the trial in the participant's list, counted from 0.",
        range="0 or more",
    ),
    Column("block", "text", "Name of the block in the plan."),
)
RT = Column(
    "rt_ms",
    "number",
    "Time from the images being shown to the answer, as the browser measured it.",
    unit="ms",
    range="0 or more",
)
RECEIVED = Column("received_at", "time", "When the server stored the response.")
NO_DIFFERENCE = Column(
    "no_difference",
    "flag",
    "1 when the answer was that there is no difference: chosen and aligned are empty then.",
    range="0 or 1",
)
CONFIDENCE = Column(
    "confidence",
    "integer",
    "How sure the participant was, from 1 to the points of the block; empty where not asked.",
    range="1 to 11",
    needed=False,
)
MISSED_ANSWER = Column(
    "missed",
    "flag",
    "1 when no answer came before the deadline of the block, which rt_ms then is: what was to be answered is "
    "empty. No test uses such rows.",
    range="0 or 1",
)
EMPTY_WHEN_MISSED = ("value", "original_value", "score")
"""Columns that are never empty but in tables with ``MISSED_ANSWER``."""
LATE = Column("late", "flag", "1 when it came after the participant's slot had timed out.", range="0 or 1")
MARKS = Column(
    "marks",
    "text",
    "What is implausible about it, with spaces between: too_fast, too_long, out_of_order, or altered when it "
    "came again with other content. Nothing is left out for it.",
    needed=False,
)
GAP = Column(
    "gap_ms",
    "number",
    "Time from the participant's answer before, or from joining, until this one was stored, less its rt_ms: "
    "long when somebody was away and came back. Answers kept without a network are stored together: 0.",
    unit="ms",
    range="0 or more",
)
SINCE = (LATE, MARKS, GAP)
"""Columns of every response that exports written before 1 December 2026 lack."""
REPEAT = Column(
    "repeat", "flag", "1 when the image was shown to this participant before in this block.", range="0 or 1"
)
IMAGE_DIGEST = Column(
    "image_sha256", "digest", "SHA-256 of the image bytes that the participant's browser showed."
)
