"""Numbers: one image, and a number with its unit for each construct, such as an age or a price."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, Strict

from almond.design.plan import StudyPlan
from almond.design.trials.base import Problem, own_settings
from almond.design.trials.scales.scaled import Scale, ScaledBlock, ScaledTrials
from almond.design.trials.single_image import images_in_words
from almond.shapes import Number, Whole


class NumberBlock(ScaledBlock):
    """Numbers from ``least`` to ``most``."""

    least: Number = Field(0.0, title="least number", description="Smaller ones are refused.")
    most: Number = Field(100.0, title="largest number", description="Larger ones are refused.")
    decimals: Annotated[Whole, Field(ge=0, le=4)] = Field(
        0, title="decimals", description="0 to 4; 0 for whole numbers."
    )
    unit: Annotated[str, Strict(), Field(max_length=30)] = Field(
        "", title="unit", description="Stands behind the number, such as years. Empty: none."
    )

    def contradictions(self) -> Iterator[Problem]:
        yield from super().contradictions()
        if self.most <= self.least:
            yield "most", f"is {self.most:g}, not above the least, {self.least:g}"


class NumberTrials(ScaledTrials):
    name = "number"
    icon = "pin"
    script = "js/trials/number.js"
    style = "css/trials.css"
    block = NumberBlock
    keys = "With the keyboard: type the number, Enter goes to the next one and then on."

    def scale(self, block: NumberBlock) -> Scale:
        return Scale(block.least, block.most, 10.0**-block.decimals)

    def shown(self, block: NumberBlock) -> dict[str, Any]:
        return own_settings(block)

    def seconds(self, block: NumberBlock) -> float:
        return 5.0 * len(block.constructs)

    def instructions(self, block: NumberBlock) -> str:
        many = len(block.constructs)
        numbers = "a number" if many == 1 else f"{many} numbers"
        return (
            f"You will see {block.trials} pictures, one at a time. For each, type {numbers}"
            f" from {block.least:g} to {block.most:g}, then go on."
        )

    def summary(self, plan: StudyPlan, block: NumberBlock) -> list[str]:
        unit = f" {block.unit}" if block.unit else ""
        asked = ", ".join(block.constructs)
        return [images_in_words(block), f"{block.least:g} to {block.most:g}{unit}: {asked}"]


TRIAL_KIND = NumberTrials()
