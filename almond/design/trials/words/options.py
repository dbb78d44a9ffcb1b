"""Multiple choice: one image, a question, and options of which one or several are chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from almond.design.plan import StudyPlan
from almond.design.trials.base import Answer, Problem, Row, own_settings
from almond.design.trials.columns import CONSTRUCT, IMAGE_DIGEST, RECEIVED, RT, Column, TableSchema
from almond.design.trials.responses import PlannedTrial
from almond.design.trials.single_image import STIMULUS_COLUMNS, images_in_words
from almond.design.trials.words.asked import AskingBlock, AskingTrials
from almond.shapes import DifferentTexts, Flag

if TYPE_CHECKING:
    from almond.world.raters import Latents, Rater


class OptionsBlock(AskingBlock):
    """The same options for each construct's question."""

    options: Annotated[DifferentTexts, Field(max_length=20)] = Field(
        ("yes", "no", "I cannot tell"), title="options", description="2 to 20, one a line, in this order."
    )
    several: Flag = Field(
        False, title="several options", description="Any number of options may be chosen, none as well."
    )

    def contradictions(self) -> Iterator[Problem]:
        yield from super().contradictions()
        if len(self.options) < 2:
            yield "options", f"are {len(self.options)}, not at least 2"


class OptionsAnswer(Answer):
    """The options chosen, for every construct."""

    values: dict[str, DifferentTexts]


class OptionsTrials(AskingTrials):
    name = "options"
    icon = "checklist"
    script = "js/trials/options.js"
    usual_texts = ("options",)
    style = "css/trials.css"
    block = OptionsBlock
    answer = OptionsAnswer
    keys = "With the keyboard: Tab and the arrow keys move, the space bar chooses, Enter goes on."
    table = TableSchema(
        "selections",
        (
            *STIMULUS_COLUMNS,
            CONSTRUCT,
            Column("option", "text", "An option of the block in the plan: one row for each."),
            Column("selected", "flag", "1 when it was chosen.", range="0 or 1"),
            RT,
            IMAGE_DIGEST,
            RECEIVED,
        ),
        sorted_by=("participant_id", "trial_index", "construct", "option"),
        unique=("response_id", "construct", "option"),
    )

    def shown(self, block: OptionsBlock) -> dict[str, Any]:
        return own_settings(block)

    def seconds(self, block: OptionsBlock) -> float:
        return (6.0 if block.several else 4.0) * len(block.constructs)

    def instructions(self, block: OptionsBlock) -> str:
        asked = "a question" if len(block.constructs) == 1 else f"{len(block.constructs)} questions"
        how = (
            "Choose all answers that fit; none may fit." if block.several else "Choose the answer that fits."
        )
        return f"You will see {block.trials} pictures, one at a time, each with {asked}. {how} Then go on."

    def summary(self, plan: StudyPlan, block: OptionsBlock) -> list[str]:
        several = ", several may be chosen" if block.several else ""
        asked = ", ".join(block.constructs)
        return [images_in_words(block), f"{asked}: {' / '.join(block.options)}{several}"]

    def value_problem(self, value: tuple[str, ...], block: OptionsBlock) -> str | None:
        if others := [option for option in value if option not in block.options]:
            return f"names {others[0][:60]!r}, not one of {', '.join(block.options)}"
        if len(value) != 1 and not block.several:
            return f"names {len(value)} options, not one"
        return None

    def value_rows(self, value: Sequence[str], block: OptionsBlock) -> list[Row]:
        return [{"option": option, "selected": int(option in value)} for option in block.options]

    def simulate(
        self, rater: Rater, trial: PlannedTrial, block: OptionsBlock, percepts: Mapping[str, Latents]
    ) -> dict[str, Any]:
        """Choose one option by how much of the construct the rater sees: the first for most of it."""
        rating = rater.rate(percepts[str(trial.stimulus)], trial.constructs)
        last = len(block.options) - 1
        places = [round((100 - value) / 100 * last) for value in rating.values]
        values = {name: [block.options[place]] for name, place in zip(trial.constructs, places, strict=True)}
        return {"values": values, "rt_ms": rating.rt_ms}


TRIAL_KIND = OptionsTrials()
