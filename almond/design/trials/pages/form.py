"""Forms: a page of fields to fill in, such as age and gender."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from almond.design.plan import PlannedBlock, StudyPlan
from almond.design.trials.base import Answer, Problem, Row
from almond.design.trials.columns import Column
from almond.design.trials.pages.base import (
    OptionalText,
    PageBlock,
    PageLines,
    PageTrials,
    block_named,
    page_table,
    paragraphs_of,
    reading_seconds,
    reading_time,
)
from almond.design.trials.pages.form_fields import FormField, number_text, read_form_fields
from almond.design.trials.pages.quota_lines import QuotaGroup, covers, quota_problems, read_quota_groups
from almond.design.trials.responses import PlannedTrial, Response
from almond.shapes import Number, Text

if TYPE_CHECKING:
    from almond.world.raters import Latents, Rater

SECONDS_PER_FIELD = 5.0


def _readable(text: str) -> str:
    read_form_fields(text)
    return text


class FormBlock(PageBlock):
    """A page of fields, one a line."""

    not_written_when_absent = (*PageBlock.not_written_when_absent, "quotas")

    heading: Text = Field("About you", title="heading", description="Above the fields.")
    text: OptionalText = Field("", title="text", description="Shown below the heading. Empty: none.")
    fields: Annotated[PageLines, AfterValidator(_readable)] = Field(
        title="fields",
        description="One a line: age: number 18-99, gender: choice woman, man, another, "
        "I prefer not to say, comment (Anything else?): text optional.",
    )

    quotas: tuple[Text, ...] = Field(
        (),
        title="quotas",
        description="One field a line, with the most people for groups of its answers: "
        "gender: woman 30, man 30; age: younger = 18-34 20, older = 35-99 20. Empty: none.",
    )

    def contradictions(self) -> Iterator[Problem]:
        yield from super().contradictions()
        for problem in quota_problems(self.name, self.quotas, self.form_fields):
            yield "quotas", problem

    @property
    def form_fields(self) -> tuple[FormField, ...]:
        return read_form_fields(self.fields)


class FormAnswer(Answer):
    """What stands in the fields, by name; an optional field that is empty is null or left out."""

    values: dict[str, Number | str | None]


class FormTrials(PageTrials):
    name = "form"
    icon = "assignment_ind"
    script = "js/trials/form.js"
    usual_texts = ("heading",)
    block = FormBlock
    answer = FormAnswer
    table = page_table(
        "forms",
        Column("field", "text", "Name of the field in the plan: one row of each."),
        Column("type", "text", "What the field takes.", range="number, choice or text"),
        Column(
            "answer",
            "text",
            "What was answered, a number in its digits; empty where an optional field was, or where withheld "
            "is 1.",
            needed=False,
        ),
        Column(
            "withheld",
            "flag",
            "1 when free text was answered that the plan does not export: it could name a person, and stays "
            "on the site.",
            range="0 or 1",
        ),
        unique=("response_id", "field"),
    )

    def seconds(self, block: FormBlock) -> float:
        return reading_seconds(block.text) + SECONDS_PER_FIELD * len(block.form_fields)

    def summary(self, plan: StudyPlan, block: PlannedBlock) -> list[str]:
        assert isinstance(block, FormBlock)
        return [f"fields: {', '.join(field.name for field in block.form_fields)}"]

    def shown(self, block: FormBlock) -> dict[str, Any]:
        return {
            "heading": block.heading,
            "text": paragraphs_of(block.text),
            "fields": [field.to_json() for field in block.form_fields],
        }

    def check(self, answer: FormAnswer, trial: PlannedTrial, block: FormBlock) -> Iterator[Problem]:
        fields = block.form_fields
        known = {field.name for field in fields}
        for name in sorted(set(answer.values) - known):
            yield f"values.{name[:60]}", f"is no field of this form, only {', '.join(sorted(known))}"
        for field in fields:
            if problem := field.problem(answer.values.get(field.name)):
                yield f"values.{field.name}", problem

    def outcomes(self, block: FormBlock) -> dict[str, tuple[str, ...]]:
        return {field.name: field.options for field in block.form_fields if field.type == "choice"}

    def outcome(self, block: FormBlock, given: Sequence[Mapping[str, Any] | None]) -> dict[str, str]:
        values = (given[0] if given else None) or {}
        return {name: str(values[name]) for name in self.outcomes(block) if values.get(name) is not None}

    def quota_groups(self, block: FormBlock) -> tuple[QuotaGroup, ...]:
        return read_quota_groups(block.name, block.quotas, block.form_fields)

    def quota_sums(self, block: FormBlock) -> dict[str, int]:
        groups = {
            field: [group for group in self.quota_groups(block) if group.field == field.name]
            for field in block.form_fields
        }
        return {
            field.name: sum(group.most for group in own)
            for field, own in groups.items()
            if own and covers(field, own)
        }

    def rows(self, plan: StudyPlan, response: Response) -> list[Row]:
        block = block_named(plan, response.trial.block)
        assert isinstance(block, FormBlock)
        return [
            {
                **response.shared,
                "field": field.name,
                "type": field.type,
                **field_answer(field, response.values),
            }
            for field in block.form_fields
        ]

    def row_problems(
        self, plan: StudyPlan, stimuli: Mapping[str, Mapping[str, Any]], row: Mapping[str, Any]
    ) -> Iterator[str]:
        block = block_named(plan, str(row["block"]))
        fields = {field.name: field for field in block.form_fields} if isinstance(block, FormBlock) else {}
        field = fields.get(str(row["field"]))
        if field is None:
            yield f"field {row['field']!r} is none of block {row['block']!r}"
        elif row["type"] != field.type:
            yield f"type is not that of field {field.name!r}"
        elif field.type == "choice" and row["answer"] not in ("", *field.options):
            yield f"answer {row['answer']!r} is none of field {field.name!r}"
        elif not field.exported and row["answer"]:
            yield f"tells what was answered to field {field.name!r}, which the plan does not export"

    def simulate(
        self, rater: Rater, trial: PlannedTrial, block: FormBlock, percepts: Mapping[str, Latents]
    ) -> dict[str, Any]:
        values = {field.name: simulated_value(rater, field) for field in block.form_fields}
        return {"values": values, "rt_ms": reading_time(rater, self.seconds(block))}


def field_answer(field: FormField, values: Mapping[str, Any]) -> Row:
    """Fill the columns of a field's answer; free text leaves only where the plan exports it."""
    value = values.get(field.name)
    if value is None:
        return {"answer": "", "withheld": 0}
    if not field.exported:
        return {"answer": "", "withheld": 1}
    return {"answer": value if isinstance(value, str) else number_text(value), "withheld": 0}


def simulated_value(rater: Rater, field: FormField) -> float | str | None:
    """Draw an answer: any number of the range, any of the options, a text that says who wrote it."""
    if field.optional and rater.rng.random() < 0.5:
        return None
    if field.type == "number":
        drawn = float(rater.rng.uniform(field.low, field.high))
        return int(min(max(round(drawn), field.low), field.high)) if field.whole else round(drawn, 2)
    if field.type == "choice":
        return field.options[int(rater.rng.integers(len(field.options)))]
    return "Written by a simulated participant."


TRIAL_KIND = FormTrials()
