"""What kinds share that ask something of one image by constructs, and have a table of their own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from almond.design.parts import PlannedBlock, PlannedPair, PlannedStimulus
from almond.design.plan import StudyPlan
from almond.design.trials.base import Problem, Row, TrialKind, TrialLists, block_of, drawn_on
from almond.design.trials.responses import PlannedTrial, Response
from almond.design.trials.single_image import (
    SHOWN_IMAGE_FACTS,
    shown_image_problems,
    shown_image_row,
    single_image_lists,
)
from almond.design.trials.timing import TimedBlock, timing_problems


class AskingBlock(TimedBlock):
    """A block that asks the questions of its constructs; their ends are not shown."""

    def contradictions(self) -> Iterator[Problem]:
        yield from timing_problems(self)
        if not self.constructs:
            yield "constructs", f"a {self.kind} block needs at least one, whose question is asked"


class AskingTrials(TrialKind):
    """One image, and an answer to the question of every construct of the block."""

    facts = SHOWN_IMAGE_FACTS

    def items(
        self, block: PlannedBlock, stimuli: Sequence[PlannedStimulus], pairs: Sequence[PlannedPair]
    ) -> tuple[PlannedStimulus, ...]:
        return drawn_on(block, stimuli)

    def make_lists(
        self, plan: StudyPlan, block: PlannedBlock, before: TrialLists, rng: np.random.Generator
    ) -> list[list[PlannedTrial]]:
        return single_image_lists(plan, block, before, rng)

    def row_problems(
        self, plan: StudyPlan, stimuli: Mapping[str, Mapping[str, Any]], row: Mapping[str, Any]
    ) -> Iterator[str]:
        return shown_image_problems(stimuli, row)

    def check(self, answer: Any, trial: PlannedTrial, block: Any) -> Iterator[Problem]:
        for name in sorted(set(answer.values) - set(trial.constructs)):
            yield f"values.{name[:60]}", f"is not asked here, only {', '.join(trial.constructs)}"
        for name in trial.constructs:
            if name not in answer.values:
                yield f"values.{name}", "is missing"
            elif problem := self.value_problem(answer.values[name], block):
                yield f"values.{name}", problem

    @abstractmethod
    def value_problem(self, value: Any, block: Any) -> str | None:
        """Say why the answer to one question is none that the block allows."""

    @abstractmethod
    def value_rows(self, value: Any, block: Any) -> list[Row]:
        """Return the columns that tell the answer to one question, one or more rows of them."""

    def rows(self, plan: StudyPlan, response: Response) -> list[Row]:
        shown, block = shown_image_row(plan, response), block_of(plan, response.trial.block)
        return [
            {**shown, "construct": name, **told}
            for name in response.trial.constructs
            for told in self.value_rows(response.values[name], block)
        ]
