"""Ratings: one image, and a slider from 0 to 100 for each construct."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from almond.design.parts import PlannedBlock, PlannedPair, PlannedStimulus
from almond.design.plan import StudyPlan
from almond.design.trials.base import Answer, PlannedTrial, Problem, Response, Row, TrialKind, TrialLists
from almond.design.trials.columns import CONSTRUCT, IMAGE_DIGEST, RECEIVED, RT, Column, TableSchema
from almond.design.trials.single_image import (
    STIMULUS_COLUMNS,
    shown_image_problems,
    shown_image_row,
    single_image_lists,
)
from almond.shapes import Number

if TYPE_CHECKING:
    from almond.world.raters import Latents, Rater


class RatingBlock(PlannedBlock):
    """A block of ratings; ``repeats`` of its images are rated a second time."""

    def contradictions(self) -> Iterator[Problem]:
        if not self.constructs:
            yield "constructs", "a rating block needs at least one"


class RatingAnswer(Answer):
    """A value from 0 to 100 for every construct."""

    values: dict[str, Annotated[Number, Field(ge=0, le=100)]]


class RatingTrials(TrialKind):
    name = "rating"
    icon = "linear_scale"
    script = "js/trials/rating.js"
    question = "classification"
    block = RatingBlock
    answer = RatingAnswer
    in_every_export = True
    keys = (
        "With the keyboard: Tab moves from slider to slider, the arrow keys move a slider,"
        " Enter keeps it where it is."
    )
    table = TableSchema(
        "ratings",
        (
            *STIMULUS_COLUMNS,
            CONSTRUCT,
            Column(
                "value", "number", "The rating, from the low end (0) to the high end (100).", range="0 to 100"
            ),
            RT,
            IMAGE_DIGEST,
            RECEIVED,
        ),
        sorted_by=("participant_id", "trial_index", "construct"),
        unique=("response_id", "construct"),
    )

    def items(
        self, constructs: Sequence[str], stimuli: Sequence[PlannedStimulus], pairs: Sequence[PlannedPair]
    ) -> tuple[PlannedStimulus, ...]:
        return tuple(stimuli)

    def make_lists(
        self, plan: StudyPlan, block: PlannedBlock, before: TrialLists, rng: np.random.Generator
    ) -> list[list[PlannedTrial]]:
        return single_image_lists(plan, block, before, rng)

    def instructions(self, trials: int, constructs: int) -> str:
        sliders, verb = ("one slider", "is") if constructs == 1 else (f"{constructs} sliders", "are")
        return (
            f"You will see {trials} pictures, one at a time. With each there {verb} {sliders}."
            " Put every slider where it fits your impression, then go on."
            "\n\nAnswer by your first impression."
        )

    def seconds(self, constructs: int) -> float:
        return 3.5 * constructs

    def summary(self, plan: StudyPlan, block: PlannedBlock) -> list[str]:
        again = f", {block.repeats} of them twice" if block.repeats else ""
        return [f"{block.trials} images{again}", f"sliders: {', '.join(block.constructs)}"]

    def check(self, answer: Answer, trial: PlannedTrial) -> Iterator[Problem]:
        assert isinstance(answer, RatingAnswer)
        for name in sorted(set(answer.values) - set(trial.constructs)):
            yield f"values.{name[:60]}", f"is not asked here, only {', '.join(trial.constructs)}"
        for name in trial.constructs:
            if name not in answer.values:
                yield f"values.{name}", "is missing"

    def rows(self, plan: StudyPlan, response: Response) -> list[Row]:
        image = shown_image_row(plan, response)
        return [
            {**image, "construct": name, "value": response.values[name]} for name in response.trial.constructs
        ]

    def row_problems(
        self, plan: StudyPlan, stimuli: Mapping[str, Mapping[str, Any]], row: Mapping[str, Any]
    ) -> Iterator[str]:
        return shown_image_problems(stimuli, row)

    def simulate(self, rater: Rater, trial: PlannedTrial, percepts: Mapping[str, Latents]) -> dict[str, Any]:
        rating = rater.rate(percepts[str(trial.stimulus)], trial.constructs)
        return {"values": dict(zip(trial.constructs, rating.values, strict=True)), "rt_ms": rating.rt_ms}


TRIAL_KIND = RatingTrials()
