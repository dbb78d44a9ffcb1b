"""Labelled buttons: one image, one question, and a row of buttons in an order from low to high."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from almond.design.plan import StudyPlan
from almond.design.trials.base import Problem, own_settings
from almond.design.trials.scales.scaled import Scale, ScaledBlock, ScaledTrials
from almond.design.trials.single_image import images_in_words
from almond.design.trials.timing import timing_problems
from almond.shapes import DifferentTexts


class ButtonsBlock(ScaledBlock):
    """The value of an answer is the place of its button, from 1."""

    labels: Annotated[DifferentTexts, Field(min_length=2, max_length=9)] = Field(
        ("not at all", "a little", "rather", "very"),
        title="buttons",
        description="2 to 9 labels from low to high, one a line. The answer is the place, from 1.",
    )

    def contradictions(self) -> Iterator[Problem]:
        yield from timing_problems(self)
        if len(self.constructs) != 1:
            yield "constructs", f"are {len(self.constructs)}: a block of buttons asks about exactly one"


class ButtonsTrials(ScaledTrials):
    name = "buttons"
    icon = "smart_button"
    script = "js/trials/buttons.js"
    block = ButtonsBlock
    keys = "With the keyboard: the number keys choose a button from the left; or Tab and Enter."

    def scale(self, block: ButtonsBlock) -> Scale:
        return Scale(1.0, float(len(block.labels)), 1.0)

    def shown(self, block: ButtonsBlock) -> dict[str, Any]:
        return own_settings(block)

    def instructions(self, block: ButtonsBlock) -> str:
        return (
            f"You will see {block.trials} pictures, one at a time. Choose the answer that fits each best."
            "\n\nAnswer by your first impression."
        )

    def summary(self, plan: StudyPlan, block: ButtonsBlock) -> list[str]:
        return [images_in_words(block), f"{', '.join(block.constructs)}: {' / '.join(block.labels)}"]


TRIAL_KIND = ButtonsTrials()
