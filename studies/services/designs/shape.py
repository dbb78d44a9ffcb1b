"""The file of a design: what it holds, and what is wrong with one."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, Strict

from almond.design.trials import TRIAL_KINDS
from almond.design.words import ENGLISH, LANGUAGES
from almond.shapes import OneOf, Shape, Text, Whole
from studies.models import Block

FORMAT = "almond-design/1"

Line = Annotated[str, Strict()]


class DesignWords(Shape):
    """A judgement in one language; without ``choice`` it is asked of no pairs."""

    language: Annotated[str, OneOf(LANGUAGES)] = ENGLISH
    question: Text
    low: Text
    high: Text
    choice: Line = ""


class DesignConstruct(DesignWords):
    """A judgement, in the words it was written in and in ``translations``; without ``target`` it has no own
    pairs."""

    name: Text
    target: Line = ""
    translations: tuple[DesignWords, ...] = ()


class DesignBlock(Shape):
    """A block. ``photographs`` names an image set of its own; ``settings`` are those of its kind."""

    kind: Annotated[str, OneOf(TRIAL_KINDS)]
    name: Text
    trials: Annotated[Whole, Field(ge=1)] | None = None
    repeats: Annotated[Whole, Field(ge=0)] = 0
    instructions: Line = ""
    arms: Line = ""
    most_of_scene: Annotated[Whole, Field(ge=1)] | None = None
    asked_of: Annotated[str, OneOf(Block.AskedOf.values)] = Block.AskedOf.ALL
    photographs: Text | None = None
    constructs: tuple[Text, ...] = ()
    settings: dict[str, Any] = {}


class StudyDesign(Shape):
    """Everything of a study but its responses, its state, its link and how it recruits.

    ``matched_set`` and ``image_set`` name its images; ``fields`` are those of the study's form by name,
    ``parts`` its hypotheses, exclusion rules and texts: rows of values by the names of their fields.
    """

    format: Literal["almond-design/1"]
    title: Text
    matched_set: Text | None = None
    image_set: Text | None = None
    fields: dict[str, Any] = {}
    constructs: tuple[DesignConstruct, ...] = ()
    blocks: tuple[DesignBlock, ...] = ()
    parts: dict[str, tuple[dict[str, Any], ...]] = {}

    @property
    def photographs(self) -> tuple[str, ...]:
        """Names of the image sets of single blocks, each once."""
        return tuple(dict.fromkeys(block.photographs for block in self.blocks if block.photographs))
