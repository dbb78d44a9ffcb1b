"""What a rehearsal is asked for: how many people, by which way, and what is declared of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from almond.design.parts import LARGEST_SEED
from almond.shapes import Shape, Whole
from almond.world.psychology import Psychology

BY_PAGES = 2
"""So many of the people go through the pages in a browser."""
MOST_PEOPLE, MOST_REHEARSED_STUDIES = 500, 2000
USUAL_EFFECT = 0.35
"""Of a power simulation where no effect is declared, in SD of one rating."""


class RehearsalSettings(Shape):
    """The settings of a rehearsal; ``pages`` of the ``people`` go through the pages, the first ones."""

    people: Annotated[Whole, Field(ge=1, le=MOST_PEOPLE)] = Field(
        default=40, description="how many simulated people there are in all"
    )
    pages: Annotated[Whole, Field(ge=0, le=10)] = Field(
        default=BY_PAGES, description="how many of them go through the pages in a browser"
    )
    seed: Annotated[Whole, Field(ge=0, le=LARGEST_SEED)] = Field(
        default=1, description="of all random numbers"
    )
    studies: Annotated[Whole, Field(ge=0, le=MOST_REHEARSED_STUDIES)] = Field(
        default=50,
        description="simulated studies with the declared effect, and as many without one, for power and "
        "false positives; 0: none",
    )
    psychology: Psychology = Field(
        default_factory=Psychology, description="what is declared of the simulated people"
    )

    def contradictions(self) -> Iterator[tuple[str, str]]:
        if self.pages > self.people:
            yield "pages", f"are {self.pages} of {self.people} people"
        if self.studies == 1:
            yield "studies", "is 1, not 0 or at least 2"

    @property
    def effect(self) -> float:
        """The effect at which power is simulated, in SD of one rating: the mean size of those declared."""
        return self.psychology.size or USUAL_EFFECT
