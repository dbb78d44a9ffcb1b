"""Ratings: one image, and a slider from 0 to 100 for each construct."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from almond.design.parts import PlannedBlock, PlannedPair, PlannedStimulus
from almond.design.plan import StudyPlan
from almond.design.trials.base import Answer, Problem, TrialKind, TrialLists, drawn_on
from almond.design.trials.columns import CONSTRUCT, IMAGE_DIGEST, RECEIVED, RT, Coded, Column, TableSchema
from almond.design.trials.responses import Cells, PlannedTrial, Responses, taken
from almond.design.trials.single_image import (
    SHOWN_IMAGE_FACTS,
    STIMULUS_COLUMNS,
    shown_image_columns,
    shown_image_problems,
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
    facts = SHOWN_IMAGE_FACTS
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
        self, block: PlannedBlock, stimuli: Sequence[PlannedStimulus], pairs: Sequence[PlannedPair]
    ) -> tuple[PlannedStimulus, ...]:
        return drawn_on(block, stimuli)

    def make_lists(
        self, plan: StudyPlan, block: PlannedBlock, before: TrialLists, rng: np.random.Generator
    ) -> list[list[PlannedTrial]]:
        return single_image_lists(plan, block, before, rng)

    def instructions(self, block: RatingBlock) -> str:
        number = len(block.constructs)
        sliders, verb = ("one slider", "is") if number == 1 else (f"{number} sliders", "are")
        return (
            f"You will see {block.trials} pictures, one at a time. With each there {verb} {sliders}."
            " Put every slider where it fits your impression, then go on."
            "\n\nAnswer by your first impression."
        )

    def seconds(self, block: RatingBlock) -> float:
        return 3.5 * len(block.constructs)

    def summary(self, plan: StudyPlan, block: PlannedBlock) -> list[str]:
        again = f", {block.repeats} of them twice" if block.repeats else ""
        return [f"{block.trials} images{again}", f"sliders: {', '.join(block.constructs)}"]

    def check(self, answer: RatingAnswer, trial: PlannedTrial, block: RatingBlock) -> Iterator[Problem]:
        for name in sorted(set(answer.values) - set(trial.constructs)):
            yield f"values.{name[:60]}", f"is not asked here, only {', '.join(trial.constructs)}"
        for name in trial.constructs:
            if name not in answer.values:
                yield f"values.{name}", "is missing"

    def columns(self, plan: StudyPlan, responses: Responses) -> Mapping[str, Cells]:
        """Make a row of each construct of a trial, in the trial's order."""
        trials = responses.trials
        asked = [trial.constructs for trial in trials.values]
        counts = np.array([len(names) for names in asked], np.intp)[trials.codes]
        rows = np.repeat(np.arange(len(responses)), counts)
        # Names of all trials one after the other; a row's is its trial's first, and its place in the trial.
        firsts = np.cumsum([0, *map(len, asked)])[trials.codes]
        place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        names = Coded([name for group in asked for name in group], firsts[rows] + place)
        answered = zip(responses.values, trials.codes.tolist(), strict=True)
        return {
            **{name: taken(cells, rows) for name, cells in shown_image_columns(plan, responses).items()},
            "construct": names,
            "value": [values[name] for values, code in answered for name in asked[code]],
        }

    def row_problems(
        self, plan: StudyPlan, stimuli: Mapping[str, Mapping[str, Any]], row: Mapping[str, Any]
    ) -> Iterator[str]:
        return shown_image_problems(stimuli, row)

    def simulate(
        self, rater: Rater, trial: PlannedTrial, block: RatingBlock, percepts: Mapping[str, Latents]
    ) -> dict[str, Any]:
        rating = rater.rate(percepts[str(trial.stimulus)], trial.constructs)
        return {"values": dict(zip(trial.constructs, rating.values, strict=True)), "rt_ms": rating.rt_ms}


TRIAL_KIND = RatingTrials()
