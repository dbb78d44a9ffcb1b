"""Breaks: a page to rest on, with a least and a longest time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from almond.design.plan import PlannedBlock, StudyPlan
from almond.design.trials.base import Problem
from almond.design.trials.pages.base import (
    PageAnswer,
    PageBlock,
    PageText,
    PageTrials,
    Seconds,
    page_table,
    paragraphs_of,
    reading_time,
)
from almond.design.trials.responses import PlannedTrial
from almond.shapes import Whole

if TYPE_CHECKING:
    from almond.world.raters import Latents, Rater

USUAL_SECONDS = 20.0
"""How long people rest where nothing holds them, by our guess."""


class BreakBlock(PageBlock):
    """A rest. After ``longest_seconds`` the study goes on by itself; without it, when the person does."""

    text: PageText = Field(
        "Rest your eyes for a moment. Go on when you are ready.",
        title="text",
        description="What people read during the break.",
    )
    least_seconds: Seconds = Field(
        0, title="least seconds", description="So long nobody can go on; the seconds that are left are said."
    )
    longest_seconds: Annotated[Whole, Field(ge=1, le=3600)] | None = Field(
        None, title="longest seconds", description="Then the study goes on by itself. Empty: never."
    )

    def contradictions(self) -> Iterator[Problem]:
        yield from super().contradictions()
        if self.longest_seconds is not None and self.longest_seconds < self.least_seconds:
            yield "longest_seconds", f"is {self.longest_seconds}, less than the least, {self.least_seconds}"


class BreakTrials(PageTrials):
    name = "break"
    icon = "self_improvement"
    script = "js/trials/break.js"
    usual_texts = ("text",)
    block = BreakBlock
    answer = PageAnswer
    table = page_table("breaks")

    def seconds(self, block: BreakBlock) -> float:
        longest = USUAL_SECONDS if block.longest_seconds is None else block.longest_seconds
        return max(float(block.least_seconds), min(USUAL_SECONDS, longest))

    def summary(self, plan: StudyPlan, block: PlannedBlock) -> list[str]:
        assert isinstance(block, BreakBlock)
        least = f"at least {block.least_seconds} s" if block.least_seconds else "no least time"
        longest = f"at most {block.longest_seconds} s" if block.longest_seconds else "until people go on"
        return [f"{least}, {longest}"]

    def shown(self, block: BreakBlock) -> dict[str, Any]:
        return {
            "text": paragraphs_of(block.text),
            "least_seconds": block.least_seconds,
            "longest_seconds": block.longest_seconds,
        }

    def simulate(
        self, rater: Rater, trial: PlannedTrial, block: BreakBlock, percepts: Mapping[str, Latents]
    ) -> dict[str, Any]:
        stayed = max(1000.0 * block.least_seconds, reading_time(rater, self.seconds(block)))
        longest = block.longest_seconds
        return {"rt_ms": stayed if longest is None else min(stayed, 1000.0 * longest)}


TRIAL_KIND = BreakTrials()
