"""The example lab: its scenes, questions and sizes. Used by ``almond demo`` and by the site's example lab."""

from __future__ import annotations

from dataclasses import dataclass

TARGETS = ("LB", "CM", "SF", "AStr")
CONTROLS = ("VC", "IT")
REGIONS = TARGETS + CONTROLS

PROMPTS = (
    "a person standing in a room",
    "a doorway at night",
    "a street",
    "a person in a park",
    "a group of people in a street",
    "a room at dusk",
    "a person at a doorway",
    "a park by day",
    "three people in a room",
    "a person in a street at night",
    "an entrance by day",
    "people in a park at dusk",
)
"""Twelve themes: no two mean the same scenes, and each leaves free what guidance may change. One seed of each
makes twelve independent scenes; three seeds of four would be four."""


@dataclass(frozen=True)
class ConstructText:
    """A judgement in the words a participant reads."""

    name: str
    question: str
    low: str
    high: str
    choice: str


CONSTRUCTS = (
    ConstructText(
        "threat",
        "How threatening is this scene?",
        "not at all",
        "extremely",
        "Which scene is more threatening?",
    ),
    ConstructText(
        "urgency",
        "How urgently does this scene call for action?",
        "not at all",
        "extremely",
        "Which scene calls more urgently for action?",
    ),
    ConstructText(
        "social",
        "How much is this scene about being with others?",
        "not at all",
        "very much",
        "Which scene is more about being with others?",
    ),
    ConstructText(
        "pleasantness",
        "How pleasant is this scene?",
        "very unpleasant",
        "very pleasant",
        "Which scene is more pleasant?",
    ),
)

CONSTRUCT_OF_TARGET = {"LB": "threat", "CM": "urgency", "SF": "social", "AStr": "pleasantness"}


def contrast_against_others(target: str) -> dict[str, float]:
    """Return the coefficients of *this target, not the others*: +1, and -1/3 for each of the other three."""
    others = [name for name in TARGETS if name != target]
    return {target: 1.0, **{name: -1.0 / len(others) for name in others}}
