"""Free texts: one image, and words of one's own for the question of each construct."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, Strict

from almond.design.plan import StudyPlan
from almond.design.trials.base import Answer, Problem, Row, own_settings
from almond.design.trials.columns import CONSTRUCT, IMAGE_DIGEST, RECEIVED, RT, Column, TableSchema
from almond.design.trials.responses import PlannedTrial
from almond.design.trials.single_image import STIMULUS_COLUMNS, images_in_words
from almond.design.trials.words.asked import AskingBlock, AskingTrials
from almond.shapes import Whole

if TYPE_CHECKING:
    from almond.world.raters import Latents, Rater

LONGEST_TEXT = 2000
"""Characters: ten such texts are still a small answer."""


class TextBlock(AskingBlock):
    """Texts from ``shortest`` to ``longest`` characters, without the space around them."""

    shortest: Annotated[Whole, Field(ge=0, le=LONGEST_TEXT)] = Field(
        1, title="shortest text", description="Characters; 0 allows an empty answer."
    )
    longest: Annotated[Whole, Field(ge=1, le=LONGEST_TEXT)] = Field(
        500, title="longest text", description=f"Characters, at most {LONGEST_TEXT}."
    )

    def contradictions(self) -> Iterator[Problem]:
        yield from super().contradictions()
        if self.longest < self.shortest:
            yield "longest", f"is {self.longest}, below the shortest, {self.shortest}"


class TextAnswer(Answer):
    """A text for every construct."""

    values: dict[str, Annotated[str, Strict(), Field(max_length=2 * LONGEST_TEXT)]]


class TextTrials(AskingTrials):
    name = "text"
    icon = "edit_note"
    script = "js/trials/text.js"
    style = "css/trials.css"
    block = TextBlock
    answer = TextAnswer
    keys = "With the keyboard: type; Tab goes to the next question and to Continue, Enter there goes on."
    table = TableSchema(
        "texts",
        (
            *STIMULUS_COLUMNS,
            CONSTRUCT,
            Column("text", "text", "What the participant wrote, without space around it.", needed=False),
            RT,
            IMAGE_DIGEST,
            RECEIVED,
        ),
        sorted_by=("participant_id", "trial_index", "construct"),
        unique=("response_id", "construct"),
    )

    def shown(self, block: TextBlock) -> dict[str, Any]:
        return own_settings(block)

    def seconds(self, block: TextBlock) -> float:
        return 15.0 * len(block.constructs)

    def instructions(self, block: TextBlock) -> str:
        asked = "a question" if len(block.constructs) == 1 else f"{len(block.constructs)} questions"
        return (
            f"You will see {block.trials} pictures, one at a time, each with {asked}. Answer in your own"
            " words, then go on.\n\nPlease write nothing by which you or others could be recognised."
        )

    def summary(self, plan: StudyPlan, block: TextBlock) -> list[str]:
        span = f"texts of {block.shortest} to {block.longest} characters"
        return [images_in_words(block), f"{span}: {', '.join(block.constructs)}"]

    def value_problem(self, value: str, block: TextBlock) -> str | None:
        length = len(value.strip())
        if block.shortest <= length <= block.longest:
            return None
        return f"has {length} characters, not from {block.shortest} to {block.longest}"

    def value_rows(self, value: str, block: TextBlock) -> list[Row]:
        return [{"text": value.strip()}]

    def simulate(
        self, rater: Rater, trial: PlannedTrial, block: TextBlock, percepts: Mapping[str, Latents]
    ) -> dict[str, Any]:
        """Write how much of each construct the rater sees, cut or filled up to the lengths allowed."""
        rating = rater.rate(percepts[str(trial.stimulus)], trial.constructs)
        texts = (f"simulated: {value:.0f} of 100" for value in rating.values)
        values = {
            name: text[: block.longest].rstrip().ljust(block.shortest, ".")
            for name, text in zip(trial.constructs, texts, strict=True)
        }
        return {"values": values, "rt_ms": rating.rt_ms}


TRIAL_KIND = TextTrials()
