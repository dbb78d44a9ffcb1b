"""Affective grid: one image, one point in a square, such as valence across and arousal upwards.

After Russell, Weiss and Mendelsohn (1989), Journal of Personality and Social Psychology 57, 493-502.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from almond.design.plan import StudyPlan
from almond.design.trials.base import Problem, own_settings
from almond.design.trials.scales.scaled import Scale, ScaledBlock, ScaledTrials
from almond.design.trials.single_image import images_in_words
from almond.design.trials.timing import timing_problems
from almond.shapes import Text, Whole


class GridBlock(ScaledBlock):
    """``across`` names the construct of the columns; the other one is that of the rows, from below."""

    across: Text = Field(
        "valence", title="construct across", description="Its low end is left. The other goes upwards."
    )
    points: Annotated[Whole, Field(ge=3, le=11)] = Field(
        9, title="squares a side", description="An odd number from 3 to 11, numbered from 1."
    )

    def contradictions(self) -> Iterator[Problem]:
        yield from timing_problems(self)
        if len(self.constructs) != 2:
            yield "constructs", f"are {len(self.constructs)}: a grid has two, one across and one upwards"
        elif self.across not in self.constructs:
            yield "across", f"is {self.across!r}, not one of {' and '.join(self.constructs)}"
        if self.points % 2 == 0:
            yield "points", f"is {self.points}: a grid needs a middle, and so an odd number"


class GridTrials(ScaledTrials):
    name = "grid"
    icon = "grid_on"
    script = "js/trials/grid.js"
    block = GridBlock
    keys = (
        "With the keyboard: the arrow keys move through the grid, Home and End to its sides,"
        " Enter chooses a square and, once more, goes on."
    )

    def scale(self, block: GridBlock) -> Scale:
        return Scale(1.0, float(block.points), 1.0)

    def shown(self, block: GridBlock) -> dict[str, Any]:
        return own_settings(block)

    def seconds(self, block: GridBlock) -> float:
        return 5.0

    def instructions(self, block: GridBlock) -> str:
        return (
            f"You will see {block.trials} pictures, one at a time, each with a grid. Every square stands"
            " for an impression: how far to the right says one thing about it, how far up another; the"
            " words at the sides say what. The middle is neutral. Choose the one square that fits your"
            " impression best."
            "\n\nAnswer by your first impression."
        )

    def summary(self, plan: StudyPlan, block: GridBlock) -> list[str]:
        upwards = ", ".join(name for name in block.constructs if name != block.across)
        side = block.points
        return [images_in_words(block), f"{side} x {side}: {block.across} across, {upwards} upwards"]


TRIAL_KIND = GridTrials()
