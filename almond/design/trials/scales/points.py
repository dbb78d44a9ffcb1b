"""Likert scales: one image, and for each construct 2 to 11 points between two labelled ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, Strict

from almond.design.plan import StudyPlan
from almond.design.trials.base import Problem, own_settings
from almond.design.trials.scales.scaled import Scale, ScaledBlock, ScaledTrials
from almond.design.trials.single_image import images_in_words
from almond.shapes import Whole


class PointsBlock(ScaledBlock):
    """Points from 1; the ends bear the construct's own words, the middle one may have a label too."""

    points: Annotated[Whole, Field(ge=2, le=11)] = Field(
        7, title="points", description="From 2 to 11, numbered from 1."
    )
    middle: Annotated[str, Strict(), Field(max_length=60)] = Field(
        "", title="label of the middle", description="Of an odd number of points. Empty: none."
    )

    def contradictions(self) -> Iterator[Problem]:
        yield from super().contradictions()
        if self.middle and self.points % 2 == 0:
            yield "middle", f"has no place among {self.points} points"


class PointsTrials(ScaledTrials):
    name = "likert"
    icon = "more_horiz"
    script = "js/trials/points.js"
    style = "css/trials.css"
    block = PointsBlock
    keys = (
        "With the keyboard: the number keys choose a point (0 stands for 10, minus for 11) and go to the next"
        " question; Tab and the arrow keys work as well. Enter goes on."
    )

    def scale(self, block: PointsBlock) -> Scale:
        return Scale(1.0, float(block.points), 1.0)

    def shown(self, block: PointsBlock) -> dict[str, Any]:
        return own_settings(block)

    def instructions(self, block: PointsBlock) -> str:
        many = len(block.constructs)
        questions = "one question" if many == 1 else f"{many} questions"
        return (
            f"You will see {block.trials} pictures, one at a time, each with {questions}."
            f" Answer on the {block.points} points between the two ends, then go on."
            "\n\nAnswer by your first impression."
        )

    def summary(self, plan: StudyPlan, block: PointsBlock) -> list[str]:
        return [images_in_words(block), f"{block.points} points: {', '.join(block.constructs)}"]


TRIAL_KIND = PointsTrials()
