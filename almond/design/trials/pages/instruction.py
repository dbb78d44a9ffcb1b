"""Instructions: pages of text that people read at their own pace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from almond.design.plan import PlannedBlock, StudyPlan
from almond.design.trials.base import Problem, Row
from almond.design.trials.columns import Column
from almond.design.trials.pages.base import (
    PageAnswer,
    PageBlock,
    PageText,
    PageTrials,
    Seconds,
    page_table,
    paragraphs_of,
    place_in_block,
    reading_seconds,
    reading_time,
)
from almond.design.trials.responses import PlannedTrial, Response
from almond.shapes import Text

if TYPE_CHECKING:
    from almond.world.raters import Latents, Rater

NEXT_PAGE = "---"


class InstructionBlock(PageBlock):
    """Text to read; a line ``---`` begins another page."""

    heading: Text = Field("Instructions", title="heading", description="Above every page.")
    text: PageText = Field(
        title="text", description="An empty line begins a paragraph, a line --- another page."
    )
    least_seconds: Seconds = Field(
        0, title="least seconds", description="So long the button of each page waits."
    )

    @property
    def texts(self) -> list[str]:
        """The text of each page; one empty page as long as there is no text."""
        pages: list[list[str]] = [[]]
        text: str = getattr(self, "text", "")
        for line in text.splitlines():
            if line.strip() == NEXT_PAGE:
                pages.append([])
            else:
                pages[-1].append(line)
        return ["\n".join(lines).strip() for lines in pages]

    @property
    def pages(self) -> int:
        return len(self.texts)

    def contradictions(self) -> Iterator[Problem]:
        yield from super().contradictions()
        for number, text in enumerate(self.texts, start=1):
            if not text:
                yield "text", f"page {number} of {self.pages} is empty"


class InstructionTrials(PageTrials):
    name = "instruction"
    icon = "description"
    script = "js/trials/instruction.js"
    usual_texts = ("heading",)
    block = InstructionBlock
    answer = PageAnswer
    table = page_table(
        "instructions", Column("page", "integer", "Number of the page in its block.", range="1 or more")
    )

    def seconds(self, block: InstructionBlock) -> float:
        return max(block.least_seconds, reading_seconds(block.text) / block.pages)

    def summary(self, plan: StudyPlan, block: PlannedBlock) -> list[str]:
        assert isinstance(block, InstructionBlock)
        pages = f"{block.pages} page{'' if block.pages == 1 else 's'}"
        return [f"{pages}, {len(block.text.split())} words"]

    def shown(self, block: InstructionBlock) -> dict[str, Any]:
        return {
            "heading": block.heading,
            "pages": [paragraphs_of(text) for text in block.texts],
            "least_seconds": block.least_seconds,
        }

    def rows(self, plan: StudyPlan, response: Response) -> list[Row]:
        return [{**response.shared, "page": place_in_block(plan, response) + 1}]

    def simulate(
        self, rater: Rater, trial: PlannedTrial, block: InstructionBlock, percepts: Mapping[str, Latents]
    ) -> dict[str, Any]:
        return {"rt_ms": reading_time(rater, self.seconds(block))}


TRIAL_KIND = InstructionTrials()
