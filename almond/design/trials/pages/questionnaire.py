"""Questionnaires: a published instrument on one page, summed by its key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from almond.design.plan import PlannedBlock, StudyPlan
from almond.design.questionnaires import QUESTIONNAIRES
from almond.design.questionnaires.base import Questionnaire
from almond.design.trials.base import Answer, Problem, Row
from almond.design.trials.columns import Column
from almond.design.trials.pages.base import (
    PageBlock,
    PageTrials,
    block_named,
    page_table,
    paragraphs_of,
    reading_seconds,
    reading_time,
)
from almond.design.trials.responses import PlannedTrial, Response
from almond.shapes import OneOf, Whole

if TYPE_CHECKING:
    from almond.world.raters import Latents, Rater

SECONDS_PER_ITEM = 4.0


class QuestionnaireBlock(PageBlock):
    """One instrument of the library."""

    instrument: Annotated[str, OneOf(QUESTIONNAIRES)] = Field(
        title="instrument", description="Source, licence and key: docs/studies.md."
    )

    @property
    def questionnaire(self) -> Questionnaire:
        return QUESTIONNAIRES.load(self.instrument)


class QuestionnaireAnswer(Answer):
    """The answer to each item, numbered from 1, by the item's number from 1."""

    values: dict[str, Whole]


class QuestionnaireTrials(PageTrials):
    name = "questionnaire"
    icon = "list_alt"
    script = "js/trials/questionnaire.js"
    block = QuestionnaireBlock
    answer = QuestionnaireAnswer
    table = page_table(
        "questionnaires",
        Column("instrument", "text", "Name of the instrument in the plan."),
        Column("item", "integer", "Number of the item, as published: one row of each.", range="1 or more"),
        Column("item_text", "text", "The statement."),
        Column("scale", "text", "The scale of the instrument that the item belongs to."),
        Column("value", "integer", "The answer as it was given, 1 the first one offered.", range="1 or more"),
        Column(
            "points",
            "integer",
            "What the answer counts for its scale: the value, reversed where the item is.",
            range="1 or more",
        ),
        Column(
            "scale_sum",
            "integer",
            "Sum of the points of all items of the scale: the same in each of its rows.",
            range="1 or more",
        ),
        unique=("response_id", "item"),
    )

    def seconds(self, block: QuestionnaireBlock) -> float:
        asked = block.questionnaire
        return reading_seconds(asked.instruction) + SECONDS_PER_ITEM * len(asked.items)

    def summary(self, plan: StudyPlan, block: PlannedBlock) -> list[str]:
        assert isinstance(block, QuestionnaireBlock)
        asked = block.questionnaire
        return [f"{asked.title}, {len(asked.items)} items", f"scales: {', '.join(asked.scales)}"]

    def language_of(self, settings: Mapping[str, Any]) -> str | None:
        name = settings.get("instrument")
        return QUESTIONNAIRES.load(name).language if name in QUESTIONNAIRES.names() else None

    def shown(self, block: QuestionnaireBlock) -> dict[str, Any]:
        asked = block.questionnaire
        return {
            "text": paragraphs_of(asked.instruction),
            "answers": list(asked.answers),
            "items": [item.text for item in asked.items],
        }

    def check(
        self, answer: QuestionnaireAnswer, trial: PlannedTrial, block: QuestionnaireBlock
    ) -> Iterator[Problem]:
        asked = block.questionnaire
        numbers = [str(number) for number in range(1, len(asked.items) + 1)]
        for name in sorted(set(answer.values) - set(numbers)):
            yield f"values.{name[:60]}", f"is no item, only 1 to {len(numbers)}"
        for name in numbers:
            if name not in answer.values:
                yield f"values.{name}", "is missing"
            elif not 1 <= answer.values[name] <= len(asked.answers):
                yield f"values.{name}", f"is {answer.values[name]}, not 1 to {len(asked.answers)}"

    def rows(self, plan: StudyPlan, response: Response) -> list[Row]:
        block = block_named(plan, response.trial.block)
        assert isinstance(block, QuestionnaireBlock)
        asked = block.questionnaire
        values = {int(name): int(value) for name, value in response.values.items()}
        sums = asked.sums(values)
        return [
            {
                **response.shared,
                "instrument": block.instrument,
                "item": number,
                "item_text": item.text,
                "scale": item.scale,
                "value": values[number],
                "points": asked.scored(number, values[number]),
                "scale_sum": sums[item.scale],
            }
            for number, item in enumerate(asked.items, start=1)
        ]

    def row_problems(
        self, plan: StudyPlan, stimuli: Mapping[str, Mapping[str, Any]], row: Mapping[str, Any]
    ) -> Iterator[str]:
        block = block_named(plan, str(row["block"]))
        if not isinstance(block, QuestionnaireBlock) or block.instrument != row["instrument"]:
            yield f"block {row['block']!r} does not ask the instrument {row['instrument']!r}"
            return
        asked, number = block.questionnaire, int(row["item"])
        if not 1 <= number <= len(asked.items):
            yield f"item {number} is none of {asked.title}"
        elif (item := asked.items[number - 1]).scale != row["scale"] or item.text != row["item_text"]:
            yield f"item {number} of {asked.title} has another text or scale"
        elif int(row["points"]) != asked.scored(number, int(row["value"])):
            yield f"points do not follow from the value by the key of {asked.title}"

    def simulate(
        self, rater: Rater, trial: PlannedTrial, block: QuestionnaireBlock, percepts: Mapping[str, Latents]
    ) -> dict[str, Any]:
        """Draw a level of each scale, and answers around it; whoever does not look answers anything."""
        asked, rng = block.questionnaire, rater.rng
        most = len(asked.answers)
        levels = {scale: rng.normal(0.0, 1.0) for scale in asked.scales}
        values = {}
        for number, item in enumerate(asked.items, start=1):
            drawn = (most + 1) / 2 + 0.8 * levels[item.scale] + 0.8 * rng.standard_normal()
            if rng.random() < rater.lapse:
                drawn = rng.uniform(0.5, most + 0.5)
            points = int(min(max(round(drawn), 1), most))
            values[str(number)] = asked.scored(number, points)
        return {"values": values, "rt_ms": reading_time(rater, self.seconds(block))}


TRIAL_KIND = QuestionnaireTrials()
