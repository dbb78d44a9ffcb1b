"""What a trial kind declares: its block, its trials, its answers, and the table of its responses.

A lab adds a kind with one module that defines such an object, one line in ``TRIAL_KINDS``, and one script
for the browser.
"""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple

import numpy as np
from pydantic import Field, PlainValidator, Strict

from almond.design.parts import PlannedBlock, PlannedPair, PlannedStimulus
from almond.design.plan import StudyPlan
from almond.design.trials.columns import TableSchema
from almond.shapes import Number, Shape, shown

if TYPE_CHECKING:  # raters draw scenes; a page that shows trials needs none of that
    from almond.world.raters import Latents, Rater

LONGEST_RT = 31 * 24 * 60 * 60 * 1000.0
"""Milliseconds: a visit may rest for a month, a laptop asleep on a trial."""

Problem = tuple[str, str]
Row = dict[str, Any]


def read_uuid(value: object) -> uuid.UUID:
    """Read a UUID of 36 characters; raises ``ValueError``."""
    try:
        return uuid.UUID(value if isinstance(value, str) and len(value) == 36 else "")
    except ValueError as error:
        raise ValueError(f"is {shown(value)}, not a UUID of 36 characters") from error


Identifier = Annotated[uuid.UUID, PlainValidator(read_uuid)]
Milliseconds = Annotated[Number, Field(ge=0, le=LONGEST_RT)]


class PlannedTrial(NamedTuple):
    """One trial of one list. ``index`` counts from 0 over all blocks.

    A trial of one image has a ``stimulus`` and the ``constructs`` of its block; a trial of two images has a
    ``pair``, the stimuli ``left`` and ``right``, one construct and its ``question``.
    """

    index: int  # type: ignore[assignment]  # the stored name; tuples have a method of that name
    block: str
    kind: str
    stimulus: str | None = None
    left: str | None = None
    right: str | None = None
    pair: str | None = None
    constructs: tuple[str, ...] = ()
    question: str | None = None
    repeat: bool = False

    @property
    def stimuli(self) -> tuple[str, ...]:
        """Ids of the images shown, left to right."""
        return tuple(name for name in (self.stimulus, self.left, self.right) if name is not None)

    def to_json(self) -> dict[str, Any]:
        return {**self._asdict(), "constructs": list(self.constructs)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PlannedTrial:
        return cls(**{**value, "constructs": tuple(value["constructs"])})


TrialLists = Sequence[Sequence[PlannedTrial]]


class Answer(Shape):
    """What a browser posts about one trial: its time, and the SHA-256 of every image shown, left to right.

    A kind adds ``values`` (a mapping, stored as JSON), ``chosen`` (left or right), or both.
    """

    response_id: Identifier
    trial_id: Annotated[str, Strict()]
    rt_ms: Milliseconds
    images: tuple[Annotated[str, Strict()], ...]


@dataclass(frozen=True)
class Response:
    """A stored answer to a planned trial, from which the rows of an export are made.

    ``shared`` holds the columns that all kinds have: ids, index, block, time to answer, time of arrival.
    """

    trial: PlannedTrial
    images: Sequence[str]
    values: Mapping[str, Any]
    chosen: str
    shared: Mapping[str, Any]


class TrialKind(ABC):
    """One kind of trials."""

    name: ClassVar[str]
    icon: ClassVar[str] = "quiz"
    """A name of Google's Material Symbols."""
    script: ClassVar[str]
    """The static file that shows its trials, such as ``js/trials/rating.js``."""
    shows: ClassVar[str] = "stimuli"
    """What its trials are drawn from: ``stimuli`` or ``pairs``."""
    question: ClassVar[str | None] = None
    """The statistical question by which a confirmatory analysis tests its responses."""
    block: ClassVar[type[PlannedBlock]] = PlannedBlock
    repeats: ClassVar[bool] = True
    """Whether a block may show images a second time."""
    answer: ClassVar[type[Answer]]
    table: ClassVar[TableSchema]
    in_every_export: ClassVar[bool] = False
    """Whether exports hold its table also where no block is of this kind."""
    shown_columns: ClassVar[tuple[tuple[str, str], ...]] = (("stimulus_id", "image_sha256"),)
    """Pairs of columns of its table: the stimulus shown, and the digest that the browser saw."""
    keys: ClassVar[str] = ""
    """One sentence for participants: how it is answered with the keyboard."""

    @abstractmethod
    def items(
        self, constructs: Sequence[str], stimuli: Sequence[PlannedStimulus], pairs: Sequence[PlannedPair]
    ) -> tuple[PlannedStimulus, ...] | tuple[PlannedPair, ...]:
        """Return the stimuli or the pairs that a block with these constructs draws on."""

    @abstractmethod
    def make_lists(
        self, plan: StudyPlan, block: PlannedBlock, before: TrialLists, rng: np.random.Generator
    ) -> list[list[PlannedTrial]]:
        """Make the block's trials for every list, after the trials ``before`` it in each list."""

    @abstractmethod
    def instructions(self, trials: int, constructs: int) -> str:
        """Write what participants read before a block; an empty line parts paragraphs."""

    @abstractmethod
    def seconds(self, constructs: int) -> float:
        """Estimate how long an attentive adult takes for one trial, in s."""

    @abstractmethod
    def summary(self, plan: StudyPlan, block: PlannedBlock) -> list[str]:
        """Describe a block to an experimenter, one short line each."""

    def check(self, answer: Answer, trial: PlannedTrial) -> Iterator[Problem]:
        """Yield (path, problem) for whatever in an answer does not fit the trial that was planned."""
        return iter(())

    @abstractmethod
    def rows(self, plan: StudyPlan, response: Response) -> list[Row]:
        """Make the rows of ``table`` for one response."""

    @abstractmethod
    def row_problems(
        self, plan: StudyPlan, stimuli: Mapping[str, Mapping[str, Any]], row: Mapping[str, Any]
    ) -> Iterator[str]:
        """Yield what a row of ``table`` says otherwise than the plan or the row of its stimulus."""

    @abstractmethod
    def simulate(self, rater: Rater, trial: PlannedTrial, percepts: Mapping[str, Latents]) -> dict[str, Any]:
        """Return what a simulated rater answers: the posted fields that depend on the images, and rt_ms.

        :param percepts: latents (16,) by stimulus id.
        """
