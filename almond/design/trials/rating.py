"""Ratings: one image, and a slider from 0 to 100 for each construct."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from almond.design.plan import StudyPlan
from almond.design.trials.base import own_settings
from almond.design.trials.scales.scaled import PERCENT, Scale, ScaledAnswer, ScaledBlock, ScaledTrials
from almond.design.trials.single_image import images_in_words
from almond.shapes import Flag, Number


class RatingBlock(ScaledBlock):
    """Sliders. Without a start a slider has no thumb until it is touched: nobody is led to a value."""

    not_written_when_absent = (*ScaledBlock.not_written_when_absent, "start", "path")

    start: Annotated[Number, Field(ge=0, le=100)] | None = Field(
        None,
        title="start of the sliders",
        description="0 to 100: where the thumb stands at first; it must be touched all the same."
        " Empty: there is no thumb until the first touch.",
    )
    path: Flag = Field(
        False,
        title="record how sliders move",
        description="The first touch and the way of every slider, as events of the export.",
    )


class RatingAnswer(ScaledAnswer):
    """A value from 0 to 100 for every construct."""

    values: dict[str, Annotated[Number, Field(ge=0, le=100)]]


class RatingTrials(ScaledTrials):
    name = "rating"
    icon = "linear_scale"
    script = "js/trials/rating.js"
    block = RatingBlock
    answer = RatingAnswer
    keys = (
        "With the keyboard: Tab moves from slider to slider, the arrow keys move a slider by 1, Page Up and"
        " Page Down by 10, Home and End to its ends; Enter keeps it where it is."
    )

    def scale(self, block: RatingBlock) -> Scale:
        return PERCENT

    def shown(self, block: RatingBlock) -> dict[str, Any]:
        return {name: value for name, value in own_settings(block).items() if value not in (None, False)}

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

    def summary(self, plan: StudyPlan, block: RatingBlock) -> list[str]:
        return [images_in_words(block), f"sliders: {', '.join(block.constructs)}"]


TRIAL_KIND = RatingTrials()
