"""Self-assessment figures: one image, and a row of drawn figures for valence, arousal or dominance.

The method is that of Bradley and Lang (1994), Journal of Behavior Therapy and Experimental Psychiatry 25,
49-59. The figures are Almond's own drawing, made by ``static/js/trials/figures.js``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from almond.design.plan import StudyPlan
from almond.design.trials.base import Problem, own_settings
from almond.design.trials.scales.scaled import Scale, ScaledBlock, ScaledTrials
from almond.design.trials.single_image import images_in_words
from almond.shapes import Flag

DRAWN = ("valence", "arousal", "dominance")


class FiguresBlock(ScaledBlock):
    """Five figures a row: 5 points, or 9 where one may also choose between two figures."""

    between: Flag = Field(
        False, title="points between figures", description="9 points instead of 5, numbered from 1."
    )

    def contradictions(self) -> Iterator[Problem]:
        yield from super().contradictions()
        if others := [name for name in self.constructs if name not in DRAWN]:
            yield "constructs", f"have no figures for {', '.join(others)}, only for {', '.join(DRAWN)}"


class FiguresTrials(ScaledTrials):
    name = "figures"
    icon = "accessibility_new"
    script = "js/trials/figures.js"
    style = "css/trials.css"
    block = FiguresBlock
    keys = (
        "With the keyboard: the number keys choose a figure from the left and go to the next row; Tab and the"
        " arrow keys work as well. Enter goes on."
    )

    def scale(self, block: FiguresBlock) -> Scale:
        return Scale(1.0, 9.0 if block.between else 5.0, 1.0)

    def shown(self, block: FiguresBlock) -> dict[str, Any]:
        return own_settings(block)

    def instructions(self, block: FiguresBlock) -> str:
        between = ", or a point between two figures" if block.between else ""
        return (
            f"You will see {block.trials} pictures, one at a time. Below each are figures that show how"
            f" one may feel. In every row choose the figure that fits best how you feel{between}."
            "\n\nAnswer by your first impression."
        )

    def summary(self, plan: StudyPlan, block: FiguresBlock) -> list[str]:
        points = 9 if block.between else 5
        return [images_in_words(block), f"figures, {points} points: {', '.join(block.constructs)}"]


TRIAL_KIND = FiguresTrials()
