"""Attention checks: one question that says which of its answers to choose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from almond.design.plan import PlannedBlock, StudyPlan
from almond.design.trials.base import Answer, Problem, Row
from almond.design.trials.columns import Column
from almond.design.trials.pages.base import (
    PageBlock,
    PageText,
    PageTrials,
    block_named,
    page_table,
    reading_seconds,
    reading_time,
)
from almond.design.trials.pages.form_fields import read_options
from almond.design.trials.responses import PlannedTrial, Response
from almond.shapes import Shape, Text

if TYPE_CHECKING:
    from almond.world.raters import Latents, Rater

PASSED = Column("passed", "flag", "1 when the answer was the correct one of the plan.", range="0 or 1")
USUAL_OPTIONS = "Strongly disagree, Disagree, Neither, Agree, Strongly agree"


def _readable(text: str) -> str:
    read_options(text)
    return text


class AttentionBlock(PageBlock):
    """A question with an explicit instruction, its answers, and which of them is correct."""

    question: PageText = Field(
        title="question",
        description="Says what to choose, such as: This is an attention check. Please choose “Agree”.",
    )
    options: Annotated[Text, AfterValidator(_readable)] = Field(
        USUAL_OPTIONS, title="answers", description="With commas between."
    )
    correct: Text = Field(
        title="correct answer", description="One of the answers. No browser is told it before the answer."
    )

    @property
    def answers(self) -> tuple[str, ...]:
        return read_options(self.options)

    def contradictions(self) -> Iterator[Problem]:
        yield from super().contradictions()
        if self.correct not in self.answers:
            yield "correct", f"is {self.correct!r}, none of the answers {', '.join(self.answers)}"
        elif self.correct.casefold() not in self.question.casefold():
            yield "question", f"does not say to choose {self.correct!r}: panels accept only checks that do"


class Picked(Shape):
    answer: Text


class AttentionAnswer(Answer):
    """The answer that was chosen."""

    values: Picked


class AttentionTrials(PageTrials):
    name = "attention_check"
    icon = "rule"
    script = "js/trials/attention_check.js"
    usual_texts = ("options",)
    block = AttentionBlock
    answer = AttentionAnswer
    checks = "attention"
    table = page_table("attention", Column("answer", "text", "The answer that was chosen."), PASSED)

    def seconds(self, block: AttentionBlock) -> float:
        return 3.0 + reading_seconds(block.question)

    def summary(self, plan: StudyPlan, block: PlannedBlock) -> list[str]:
        assert isinstance(block, AttentionBlock)
        return [f"correct: {block.correct}"]

    def shown(self, block: AttentionBlock) -> dict[str, Any]:
        return {"question": block.question, "options": list(block.answers)}

    def check(self, answer: AttentionAnswer, trial: PlannedTrial, block: AttentionBlock) -> Iterator[Problem]:
        if answer.values.answer not in block.answers:
            yield "values.answer", f"is none of {', '.join(block.answers)}"

    def outcomes(self, block: AttentionBlock) -> dict[str, tuple[str, ...]]:
        return {"passed": ("yes", "no")}

    def outcome(self, block: AttentionBlock, given: Sequence[Mapping[str, Any] | None]) -> dict[str, str]:
        values = given[0] if given else None
        return {"passed": "yes" if values["answer"] == block.correct else "no"} if values else {}

    def rows(self, plan: StudyPlan, response: Response) -> list[Row]:
        block = block_named(plan, response.trial.block)
        assert isinstance(block, AttentionBlock)
        answer = str(response.values["answer"])
        return [{**response.shared, "answer": answer, "passed": int(answer == block.correct)}]

    def row_problems(
        self, plan: StudyPlan, stimuli: Mapping[str, Mapping[str, Any]], row: Mapping[str, Any]
    ) -> Iterator[str]:
        block = block_named(plan, str(row["block"]))
        if not isinstance(block, AttentionBlock):
            yield f"block {row['block']!r} is no attention check of the plan"
        elif int(row["passed"]) != int(row["answer"] == block.correct):
            yield "passed does not follow from the answer"

    def simulate(
        self, rater: Rater, trial: PlannedTrial, block: AttentionBlock, percepts: Mapping[str, Latents]
    ) -> dict[str, Any]:
        attentive = rater.rng.random() >= rater.lapse
        answer = block.correct if attentive else str(rater.rng.choice(block.answers))
        return {"values": {"answer": answer}, "rt_ms": reading_time(rater, self.seconds(block))}


TRIAL_KIND = AttentionTrials()
