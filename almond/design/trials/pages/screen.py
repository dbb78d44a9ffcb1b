"""Setting up the screen: full screen for whoever agrees, and its size by a bank card held against it.

Cards of the format ID-1 (ISO/IEC 7810) are 85.60 mm wide and 53.98 mm high everywhere. The person makes a
frame as large as the card; its size in CSS pixels tells how many there are to a millimetre. Nobody is held
here: full screen can be declined and left at any time, browsers without it say so, and who has no card goes
on without.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from almond.design.plan import PlannedBlock, StudyPlan
from almond.design.trials.base import Answer, Problem, Row
from almond.design.trials.columns import Column
from almond.design.trials.pages.base import PageBlock, PageTrials, block_named, page_table, reading_time
from almond.design.trials.responses import PlannedTrial, Response
from almond.shapes import Flag, Number, Shape, Whole

if TYPE_CHECKING:
    from almond.world.raters import Latents, Rater

CARD_MM = (85.60, 53.98)
"""Width and height of a card."""
USUAL_PX_PER_MM = 96 / 25.4
"""CSS pixels to a millimetre where a browser's inch is one, which it rarely is."""
FULLSCREEN = ("entered", "declined", "unavailable")
CARD = ("fitted", "none")


class ScreenBlock(PageBlock):
    """A page that asks for full screen, for the size of the screen, or for both."""

    fullscreen: Flag = Field(
        True,
        title="ask for full screen",
        description="A button, and a way on without it. Telephones whose browsers have none skip it.",
    )
    card: Flag = Field(
        True,
        title="ask for a bank card",
        description="Held against the screen it tells how many pixels there are to a millimetre.",
    )

    def contradictions(self) -> Iterator[Problem]:
        yield from super().contradictions()
        if not (self.fullscreen or self.card):
            yield "fullscreen", "is off, and so is the card: there is nothing to ask"


class ScreenValues(Shape):
    """What became of full screen and card, and what the browser says of the screen in CSS pixels."""

    fullscreen: Literal["entered", "declined", "unavailable", "not_asked"]
    card: Literal["fitted", "none", "not_asked"]
    px_per_mm: Annotated[Number, Field(ge=0.5, le=40)] | None = None
    screen_width: Annotated[Whole, Field(ge=1, le=100_000)]
    screen_height: Annotated[Whole, Field(ge=1, le=100_000)]
    pixel_ratio: Annotated[Number, Field(gt=0, le=100)]

    def contradictions(self) -> Iterator[Problem]:
        if (self.card == "fitted") != (self.px_per_mm is not None):
            yield "px_per_mm", "stands where a card was fitted, and only there"


class ScreenAnswer(Answer):
    values: ScreenValues


class ScreenTrials(PageTrials):
    name = "screen"
    icon = "aspect_ratio"
    script = "js/trials/screen.js"
    block = ScreenBlock
    answer = ScreenAnswer
    table = page_table(
        "screens",
        Column(
            "fullscreen",
            "text",
            "Whether the participant went to full screen here; unavailable in browsers without it.",
            range="entered, declined, unavailable or not_asked",
        ),
        Column("card", "text", "Whether a card was fitted to the screen.", range="fitted, none or not_asked"),
        Column(
            "px_per_mm",
            "number",
            "CSS pixels to a millimetre of the screen, by the card; empty without one.",
            unit="1/mm",
            range="0.5 to 40",
            needed=False,
        ),
        Column("screen_width", "integer", "Width of the screen.", unit="CSS px", range="1 or more"),
        Column("screen_height", "integer", "Height of the screen.", unit="CSS px", range="1 or more"),
        Column("pixel_ratio", "number", "Pixels of the screen to a CSS pixel.", range="0 or more"),
    )

    def seconds(self, block: ScreenBlock) -> float:
        return (6.0 if block.fullscreen else 0.0) + (25.0 if block.card else 0.0)

    def summary(self, plan: StudyPlan, block: PlannedBlock) -> list[str]:
        assert isinstance(block, ScreenBlock)
        asked = (("full screen", block.fullscreen), ("size of the screen by a bank card", block.card))
        return [", ".join(words for words, wanted in asked if wanted)]

    def shown(self, block: ScreenBlock) -> dict[str, Any]:
        return {"fullscreen": block.fullscreen, "card": block.card}

    def check(self, answer: ScreenAnswer, trial: PlannedTrial, block: ScreenBlock) -> Iterator[Problem]:
        for name, asked in (("fullscreen", block.fullscreen), ("card", block.card)):
            if (getattr(answer.values, name) == "not_asked") == asked:
                yield f"values.{name}", f"is {'missing' if asked else 'not asked here'}"

    def outcomes(self, block: ScreenBlock) -> dict[str, tuple[str, ...]]:
        asked = (("fullscreen", FULLSCREEN, block.fullscreen), ("card", CARD, block.card))
        return {name: answers for name, answers, wanted in asked if wanted}

    def outcome(self, block: ScreenBlock, given: Sequence[Mapping[str, Any] | None]) -> dict[str, str]:
        values = given[0] if given else None
        return {name: str(values[name]) for name in self.outcomes(block)} if values else {}

    def rows(self, plan: StudyPlan, response: Response) -> list[Row]:
        values = response.values
        own = ("fullscreen", "card", "screen_width", "screen_height", "pixel_ratio")
        measured = values.get("px_per_mm")
        return [
            {
                **response.shared,
                **{name: values[name] for name in own},
                "px_per_mm": "" if measured is None else measured,
            }
        ]

    def row_problems(
        self, plan: StudyPlan, stimuli: Mapping[str, Mapping[str, Any]], row: Mapping[str, Any]
    ) -> Iterator[str]:
        block = block_named(plan, str(row["block"]))
        if not isinstance(block, ScreenBlock):
            yield f"block {row['block']!r} is no page about the screen in the plan"
            return
        for name, asked in (("fullscreen", block.fullscreen), ("card", block.card)):
            if (row[name] == "not_asked") == asked:
                yield f"{name} is {row[name]}, which the block does not fit"

    def simulate(
        self, rater: Rater, trial: PlannedTrial, block: ScreenBlock, percepts: Mapping[str, Latents]
    ) -> dict[str, Any]:
        measured = round(USUAL_PX_PER_MM * float(rater.rng.uniform(0.8, 1.5)), 3)
        values = {
            "fullscreen": "entered" if block.fullscreen else "not_asked",
            "card": "fitted" if block.card else "not_asked",
            "px_per_mm": measured if block.card else None,
            "screen_width": 1920,
            "screen_height": 1080,
            "pixel_ratio": 1.0,
        }
        return {"values": values, "rt_ms": reading_time(rater, self.seconds(block))}


TRIAL_KIND = ScreenTrials()
