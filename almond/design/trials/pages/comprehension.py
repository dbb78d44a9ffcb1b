"""Comprehension checks: multiple choice about the instructions, with several attempts.

Each attempt is a trial of its own. Whoever answers all questions correctly is asked no more of them; after
an attempt with a wrong answer the instructions are shown again before the next.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from almond.design.plan import PlannedBlock, StudyPlan
from almond.design.trials.base import Answer, Problem, Row
from almond.design.trials.columns import Column
from almond.design.trials.pages.base import (
    PageBlock,
    PageLines,
    PageText,
    PageTrials,
    block_named,
    page_table,
    paragraphs_of,
    place_in_block,
    reading_seconds,
    reading_time,
)
from almond.design.trials.pages.question_lines import CheckQuestion, read_questions
from almond.design.trials.responses import PlannedTrial, Response
from almond.shapes import Text, Whole

if TYPE_CHECKING:
    from almond.world.raters import Latents, Rater

SECONDS_PER_QUESTION = 6.0
LEARNT = 0.8
"""How probably a simulated rater who looks answers a question correctly at each attempt."""


def _readable(text: str) -> str:
    read_questions(text)
    return text


class ComprehensionBlock(PageBlock):
    """Questions about the instructions, and how often they may be answered."""

    questions: Annotated[PageLines, AfterValidator(_readable)] = Field(
        title="questions",
        description="One a line, answers after bars, the correct one with a star: "
        "What do you judge? | its colour | *its threat. No browser is told the star.",
    )
    reread: PageText = Field(
        title="instructions to read again", description="Shown before each attempt but the first."
    )
    attempts: Annotated[Whole, Field(ge=1, le=5)] = Field(
        2, title="attempts", description="Panels ask for two at least."
    )

    @property
    def pages(self) -> int:
        return self.attempts

    @property
    def check_questions(self) -> tuple[CheckQuestion, ...]:
        return read_questions(self.questions)

    def correct(self, values: Mapping[str, Any]) -> int:
        """Count the questions that an attempt answered correctly; it names answers by number from 1."""
        numbered = enumerate(self.check_questions, start=1)
        return sum(values.get(str(number)) == question.correct for number, question in numbered)

    def passes(self, values: Mapping[str, Any]) -> bool:
        """Tell whether an attempt answered every question correctly."""
        return self.correct(values) == len(self.check_questions)


class ComprehensionAnswer(Answer):
    """The answer to each question, by its number from 1."""

    values: dict[str, Text]


class ComprehensionTrials(PageTrials):
    name = "comprehension_check"
    icon = "fact_check"
    script = "js/trials/comprehension_check.js"
    block = ComprehensionBlock
    answer = ComprehensionAnswer
    checks = "comprehension"
    table = page_table(
        "comprehension",
        Column(
            "attempt",
            "integer",
            "Number of the attempt, each one response.",
            range="1 or more",
        ),
        Column("question", "integer", "Number of the question: one row of each.", range="1 or more"),
        Column("answer", "text", "The answer that was chosen."),
        Column("correct", "flag", "1 when it was the correct one of the plan.", range="0 or 1"),
        Column("passed", "flag", "1 when all answers of the attempt were correct.", range="0 or 1"),
        unique=("response_id", "question"),
    )

    def asks_again(self, block: ComprehensionBlock) -> bool:
        return block.attempts > 1

    def needless(
        self, block: ComprehensionBlock, given: Sequence[Mapping[str, Any] | None]
    ) -> Collection[int]:
        """Return the attempts after one that was right."""
        for place, values in enumerate(given):
            if values and block.passes(values):
                return range(place + 1, len(given))
        return ()

    def outcomes(self, block: ComprehensionBlock) -> dict[str, tuple[str, ...]]:
        return {"passed": ("yes", "no")}

    def outcome(self, block: ComprehensionBlock, given: Sequence[Mapping[str, Any] | None]) -> dict[str, str]:
        if any(values and block.passes(values) for values in given):
            return {"passed": "yes"}
        return {"passed": "no"} if given and all(given) else {}

    def seconds(self, block: ComprehensionBlock) -> float:
        """Estimate the first attempt, spread over all: most people need no other."""
        return SECONDS_PER_QUESTION * len(block.check_questions) / block.attempts

    def summary(self, plan: StudyPlan, block: PlannedBlock) -> list[str]:
        assert isinstance(block, ComprehensionBlock)
        number = len(block.check_questions)
        asked = f"{number} question{'' if number == 1 else 's'}"
        return [f"{asked}, {block.attempts} attempt{'' if block.attempts == 1 else 's'}"]

    def shown(self, block: ComprehensionBlock) -> dict[str, Any]:
        return {
            "reread": paragraphs_of(block.reread),
            "questions": [[one.question, list(one.options)] for one in block.check_questions],
        }

    def check(
        self, answer: ComprehensionAnswer, trial: PlannedTrial, block: ComprehensionBlock
    ) -> Iterator[Problem]:
        questions = {str(number): one for number, one in enumerate(block.check_questions, start=1)}
        for name in sorted(set(answer.values) - set(questions)):
            yield f"values.{name[:60]}", f"is no question, only 1 to {len(questions)}"
        for name, question in questions.items():
            if name not in answer.values:
                yield f"values.{name}", "is missing"
            elif answer.values[name] not in question.options:
                yield f"values.{name}", f"is none of {', '.join(question.options)}"

    def rows(self, plan: StudyPlan, response: Response) -> list[Row]:
        block = block_named(plan, response.trial.block)
        assert isinstance(block, ComprehensionBlock)
        attempt = {
            "attempt": place_in_block(plan, response) + 1,
            "passed": int(block.passes(response.values)),
        }
        return [
            {
                **response.shared,
                **attempt,
                "question": number,
                "answer": str(response.values[str(number)]),
                "correct": int(response.values[str(number)] == question.correct),
            }
            for number, question in enumerate(block.check_questions, start=1)
        ]

    def row_problems(
        self, plan: StudyPlan, stimuli: Mapping[str, Mapping[str, Any]], row: Mapping[str, Any]
    ) -> Iterator[str]:
        block = block_named(plan, str(row["block"]))
        questions = block.check_questions if isinstance(block, ComprehensionBlock) else ()
        number = int(row["question"])
        if not 1 <= number <= len(questions):
            yield f"question {number} is none of block {row['block']!r}"
        elif int(row["correct"]) != int(row["answer"] == questions[number - 1].correct):
            yield "correct does not follow from the answer"
        elif int(row["passed"]) > int(row["correct"]):
            yield "passed is 1, but this answer of the attempt is wrong"

    def simulate(
        self, rater: Rater, trial: PlannedTrial, block: ComprehensionBlock, percepts: Mapping[str, Latents]
    ) -> dict[str, Any]:
        knows = 0.0 if rater.lapse >= 1 else LEARNT
        values = {
            str(number): question.correct
            if rater.rng.random() < knows
            else str(rater.rng.choice(question.options))
            for number, question in enumerate(block.check_questions, start=1)
        }
        waited = reading_seconds(block.reread) + SECONDS_PER_QUESTION * len(block.check_questions)
        return {"values": values, "rt_ms": reading_time(rater, waited)}


TRIAL_KIND = ComprehensionTrials()
