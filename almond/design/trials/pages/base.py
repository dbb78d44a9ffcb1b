"""What the kinds share whose trials are pages: no image, no construct, as many trials as there are pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import AfterValidator, Field, Strict

from almond.design.parts import PlannedBlock, PlannedPair, PlannedStimulus
from almond.design.plan import StudyPlan
from almond.design.trials.base import Answer, Problem, Row, TrialKind, TrialLists
from almond.design.trials.columns import RECEIVED, RESPONSE, Column, TableSchema
from almond.design.trials.responses import PlannedTrial, Response
from almond.shapes import Text, Whole

if TYPE_CHECKING:
    from almond.world.raters import Rater

PAGE_RT = Column(
    "rt_ms",
    "number",
    "Time from the page being shown to going on, as the browser measured it.",
    unit="ms",
    range="0 or more",
)
WORDS_PER_SECOND = 4.0
"""How fast an adult reads, a little below the 238 words a minute of Brysbaert (2019) for fiction."""
LONGEST_TEXT = 20_000


def _plain_newlines(text: str) -> str:
    return text.replace("\r\n", "\n")


OptionalText = Annotated[
    str,
    Strict(),
    Field(max_length=LONGEST_TEXT, json_schema_extra={"rows": 3}),
    AfterValidator(_plain_newlines),
]
"""Text of several paragraphs, parted by empty lines, that may be empty."""
PageText = Annotated[
    Text, Field(max_length=LONGEST_TEXT, json_schema_extra={"rows": 6}), AfterValidator(_plain_newlines)
]
"""Text of several paragraphs."""
PageLines = PageText
"""Text in which every line is one thing."""
Seconds = Annotated[Whole, Field(ge=0, le=3600)]


def paragraphs_of(text: str) -> list[str]:
    """Split a text at its empty lines."""
    return [part.strip() for part in text.split("\n\n") if part.strip()]


def reading_seconds(text: str) -> float:
    """Estimate how long an adult reads a text, in s."""
    return len(text.split()) / WORDS_PER_SECOND


class PageBlock(PlannedBlock):
    """A block of pages; it asks about no construct and repeats nothing."""

    @property
    def pages(self) -> int:
        """How many trials the block has."""
        return 1

    def contradictions(self) -> Iterator[Problem]:
        for name in ("constructs", "draws_on", "repeats"):
            if getattr(self, name):
                yield name, "means nothing here: no image is shown"
        if self.trials != self.pages:
            yield "trials", f"is {self.trials}, but the block has {self.pages}; leave it empty"


class PageTrials(TrialKind):
    """A kind whose trials show no image."""

    shows = "nothing"
    style = "css/pages.css"
    applicable = ()
    shown_columns = ()
    block: ClassVar[type[PlannedBlock]] = PageBlock

    def items(
        self, block: PlannedBlock, stimuli: Sequence[PlannedStimulus], pairs: Sequence[PlannedPair]
    ) -> tuple[PlannedStimulus, ...]:
        return ()

    def most_trials(
        self, block: Any, stimuli: Sequence[PlannedStimulus], pairs: Sequence[PlannedPair]
    ) -> int:
        return int(block.pages)

    def make_lists(
        self, plan: StudyPlan, block: PlannedBlock, before: TrialLists, rng: np.random.Generator
    ) -> list[list[PlannedTrial]]:
        return [
            [PlannedTrial(len(trials) + place, block.name, block.kind) for place in range(block.trials)]
            for trials in before
        ]

    def instructions(self, block: Any) -> str:
        """Return none: the page says itself what there is to do."""
        return ""

    def rows(self, plan: StudyPlan, response: Response) -> list[Row]:
        return [dict(response.shared)]

    def row_problems(
        self, plan: StudyPlan, stimuli: Mapping[str, Mapping[str, Any]], row: Mapping[str, Any]
    ) -> Iterator[str]:
        return iter(())


class PageAnswer(Answer):
    """That a page was read: how long, and nothing else."""


def page_table(name: str, *columns: Column, unique: tuple[str, ...] = ("response_id",)) -> TableSchema:
    """Make the table of a kind of pages: the columns of all responses around its own."""
    order = ("participant_id", "trial_index", *(one for one in unique if one != "response_id"))
    return TableSchema(name, (*RESPONSE, *columns, PAGE_RT, RECEIVED), sorted_by=order, unique=unique)


def block_named(plan: StudyPlan, name: str) -> PlannedBlock | None:
    """Return the block of a name; None where the plan has none."""
    return next((block for block in plan.blocks if block.name == name), None)


def place_in_block(plan: StudyPlan, response: Response) -> int:
    """Return the place of a trial in its block, from 0: blocks keep their order in every list."""
    before = 0
    for block in plan.blocks:
        if block.name == response.trial.block:
            break
        before += block.trials
    return response.trial.index - before


def reading_time(rater: Rater, seconds: float) -> float:
    """Draw how long a simulated rater stays on a page, in ms."""
    return rater.time(1000.0 * max(seconds, 0.5))
