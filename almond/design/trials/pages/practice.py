"""Practice: a few trials as another block has them, each followed by feedback, and never data.

A practice block names the block that it practises, and takes its kind, constructs and settings from it. Its
answers stand in a table of their own, so that no analysis of ratings or choices meets them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, ValidationError
from pydantic.json_schema import SkipJsonSchema

from almond.design.parts import PlannedBlock, PlannedPair, PlannedStimulus, block_of_its_kind
from almond.design.plan import StudyPlan
from almond.design.trials import TRIAL_KINDS
from almond.design.trials.base import Answer, Problem, Row, TrialKind, TrialLists
from almond.design.trials.columns import RECEIVED, RESPONSE, RT, Column, TableSchema
from almond.design.trials.pages.base import OptionalText, block_named, paragraphs_of
from almond.design.trials.responses import PlannedTrial, Response
from almond.errors import InputError
from almond.shapes import Text, located_problems

if TYPE_CHECKING:
    from almond.world.raters import Latents, Rater

NOTE = "This is practice: these answers are not part of the study."
USUAL_TRIALS = 3
NOT_COPIED = ("kind", "name", "trials", "repeats", "draws_on", "only_if", "end_if")
"""What a practice block does not take from the block that it practises."""


class PracticeBlock(PlannedBlock):
    """Trials of the kind of block ``of``; ``practised`` holds what they take from it, its kind included."""

    of: Text = Field(title="block to practise", description="Name of a block of this study.")
    feedback: OptionalText = Field(
        "", title="feedback", description="Shown after each trial, below what was answered."
    )
    practised: SkipJsonSchema[dict[str, Any]] = {}

    @property
    def played(self) -> PlannedBlock:
        """The block as which its trials are shown and checked."""
        own = {"name": self.name, "trials": self.trials, "draws_on": list(self.draws_on)}
        return PlannedBlock.model_validate(block_of_its_kind({**self.practised, **own}))

    def contradictions(self) -> Iterator[Problem]:
        if self.repeats:
            yield "repeats", "practice repeats no images"
        kind = self.practised.get("kind")
        if kind not in TRIAL_KINDS.names() or TRIAL_KINDS.load(str(kind)).shows == "nothing":
            yield "practised", f"has no kind that shows images: it is what block {self.of!r} is like"
            return
        try:
            PlannedBlock.model_validate(self.played)
        except ValidationError as error:
            yield from located_problems(error, PlannedBlock, self.practised, at="practised")


class PracticeAnswer(Answer):
    """An answer of whatever kind is practised; ``check`` reads it as one of that kind."""

    values: dict[str, Any] = {}
    chosen: Literal["", "left", "right"] = ""


class PracticeTrials(TrialKind):
    name = "practice"
    icon = "school"
    script = ""
    moves = False
    block = PracticeBlock
    applicable = ("trials",)
    answer = PracticeAnswer
    shown_columns = ()
    table = TableSchema(
        "practice",
        (
            *RESPONSE,
            Column("practised", "text", "Name of the block that was practised."),
            Column("stimuli", "text", "The images shown, left to right: rows of stimuli.csv."),
            Column("answer", "text", "What was answered, as a JSON object."),
            RT,
            RECEIVED,
        ),
        sorted_by=("participant_id", "trial_index"),
        unique=("response_id",),
    )

    def completed(self, fields: Mapping[str, Any], others: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        of = others.get(str(fields.get("of")))
        if of is None or TRIAL_KINDS.load(of["kind"]).shows == "nothing":
            raise InputError(
                f"block {fields['name']!r}",
                f"practises {fields.get('of')!r}, which is no block of this study that shows images",
                "the name of such a block",
            )
        taken = {name: value for name, value in of.items() if name not in NOT_COPIED or name == "kind"}
        return {**fields, "constructs": [], "practised": taken}

    def drawn_as(self, fields: Mapping[str, Any]) -> str:
        return str(fields["of"])

    def played_as(self, block: Any) -> tuple[TrialKind, PlannedBlock]:
        return TRIAL_KINDS.load(block.played.kind), block.played

    def items(
        self, block: Any, stimuli: Sequence[PlannedStimulus], pairs: Sequence[PlannedPair]
    ) -> tuple[PlannedStimulus, ...] | tuple[PlannedPair, ...]:
        kind, played = self.played_as(block)
        return kind.items(played, stimuli, pairs)

    def usual_trials(
        self, block: Any, stimuli: Sequence[PlannedStimulus], pairs: Sequence[PlannedPair]
    ) -> int:
        return min(USUAL_TRIALS, self.most_trials(block, stimuli, pairs))

    def make_lists(
        self, plan: StudyPlan, block: PlannedBlock, before: TrialLists, rng: np.random.Generator
    ) -> list[list[PlannedTrial]]:
        kind, played = self.played_as(block)
        lists = kind.make_lists(plan, played, before, rng)
        return [[trial._replace(kind=self.name) for trial in trials] for trials in lists]

    def instructions(self, block: PracticeBlock) -> str:
        kind, played = self.played_as(block)
        return f"{NOTE}\n\n{kind.instructions(played)}"

    def seconds(self, block: PracticeBlock) -> float:
        kind, played = self.played_as(block)
        return 3.0 + 1.5 * kind.seconds(played)

    def summary(self, plan: StudyPlan, block: PlannedBlock) -> list[str]:
        assert isinstance(block, PracticeBlock)
        return [f"{block.trials} trials as in “{block.of}”, with feedback, not among the data"]

    def shown(self, block: PracticeBlock) -> dict[str, Any]:
        """Return what the practised block shows, and the feedback, by which a browser knows practice."""
        kind, played = self.played_as(block)
        return {**kind.shown(played), "practice": paragraphs_of(block.feedback)}

    def check(self, answer: PracticeAnswer, trial: PlannedTrial, block: PracticeBlock) -> Iterator[Problem]:
        kind, played = self.played_as(block)
        posted = answer.model_dump(exclude_unset=True)
        try:
            inner = kind.answer.model_validate({**posted, "response_id": str(answer.response_id)})
        except ValidationError as error:
            yield from located_problems(error, kind.answer, posted)
            return
        yield from kind.check(inner, trial._replace(kind=played.kind), played)

    def rows(self, plan: StudyPlan, response: Response) -> list[Row]:
        block = block_named(plan, response.trial.block)
        assert isinstance(block, PracticeBlock)
        answer = ({"chosen": response.chosen} if response.chosen else {}) | dict(response.values)
        return [
            {
                **response.shared,
                "practised": block.of,
                "stimuli": " ".join(response.trial.stimuli),
                "answer": json.dumps(answer, sort_keys=True),
            }
        ]

    def row_problems(
        self, plan: StudyPlan, stimuli: Mapping[str, Mapping[str, Any]], row: Mapping[str, Any]
    ) -> Iterator[str]:
        for name in str(row["stimuli"]).split():
            if name not in stimuli:
                yield f"stimulus {name!r} is not in the table of stimuli"

    def simulate(
        self, rater: Rater, trial: PlannedTrial, block: PracticeBlock, percepts: Mapping[str, Latents]
    ) -> dict[str, Any]:
        kind, played = self.played_as(block)
        return kind.simulate(rater, trial._replace(kind=played.kind), played, percepts)


TRIAL_KIND = PracticeTrials()
