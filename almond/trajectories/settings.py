"""What a trajectory asks for and how it is looked for. Light: the site reads settings without torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from almond.described import DescribedShape
from almond.generating.people import usual_reader
from almond.guidance.generators import defaults_of
from almond.guidance.recipe import MAX_STEPS
from almond.guidance.rules import DEFAULT_RULE, RULES
from almond.guidance.schedule import LARGEST_RAMP
from almond.shapes import DifferentTexts, Flag, Number, OneOf, Text, Whole, repeated

Share = Annotated[Number, Field(ge=0, le=1)]


class TrajectorySettings(DescribedShape):
    """The pictures of one trajectory, and how many may be drawn to find them."""

    pictures: Annotated[Whole, Field(ge=3, le=15)] = 5
    """levels at equal distance, with one picture each"""
    within: Annotated[Number, Field(gt=0, lt=0.5)] = 0.25
    """how far a picture's score may lie from its level, in gaps between levels"""
    budget: Annotated[Whole, Field(ge=8)] = 60
    """pictures drawn for one trajectory, at the most"""
    span: Annotated[Number, Field(gt=0, le=1)] = 0.7
    """least share of the range that strengths alone reach, which the levels must cover; 1 spreads them over
    all of it"""
    strengths: Annotated[tuple[Annotated[Number, Field(gt=0)], ...], Field(min_length=1)] = (0.06, 0.12, 0.25)
    """of the pushes up and down that find the range, whatever the other targets do"""
    level_strength: Annotated[Number, Field(gt=0)] = 0.25
    """of the guidance to a level, which weakens with the distance from it"""
    window: tuple[Share, Share] = (0.02, 0.9)
    """alpha-bar between which guidance to a level acts: it ends late, so that the score is met in the end"""
    width: Annotated[Number, Field(gt=0, le=20)] = 0.5
    """distance from the level, in standard deviations, below which the push weakens"""
    noises: Annotated[Whole, Field(ge=1, le=64)] = 10
    """noises that are tried; an embedded generator keeps the layout of the seed, another one draws a new
    scene: then 1"""

    keep_people: Flag = False
    """leave out pictures that a reader finds to show other people than the unguided one"""

    def contradictions(self) -> Iterable[tuple[str, str]]:
        """Refuse a window that ends before it begins, and a budget that ends before levels are sought."""
        low, high = self.window
        if not low < high:
            yield "window", f"is [{low}, {high}], not 0 <= low < high <= 1 in alpha-bar"
        if self.budget < self.first + self.pictures:
            yield "budget", f"is {self.budget}; {self.first} pictures find the range, then one for each level"

    @property
    def first(self) -> int:
        """Count the pictures that find the range: the unguided one, and every strength both ways."""
        return 1 + 2 * len(self.strengths)


def calibrated_settings(settings: TrajectorySettings, generator: str) -> TrajectorySettings:
    """Fill in what was not given for a generator other than the one that the defaults were measured on.

    Strengths are those that the generator was calibrated for, or those to begin with; other noises are tried
    only where they keep the layout of the seed.
    """
    usual = defaults_of(generator)
    if usual.one_scene:
        return settings
    own = {
        "strengths": usual.strengths,
        "level_strength": max(usual.strengths),
        "noises": 1,
    }
    missing = {name: value for name, value in own.items() if name not in settings.model_fields_set}
    return settings.model_copy(update=missing)


class TrajectoryPlan(DescribedShape):
    """Trajectories of several scenes, as the site asks for them: one for each prompt, seed and target."""

    generator: Text
    """name of the generator, as in recipes"""
    prompts: Annotated[DifferentTexts, Field(min_length=1)]
    """one or more"""
    seeds: Annotated[tuple[Annotated[Whole, Field(ge=0)], ...], Field(min_length=1)]
    """scenes of every prompt"""
    window: tuple[Share, Share]
    """alpha-bar between which the pushes that find the range act"""
    ramp: Annotated[Number, Field(ge=0, le=LARGEST_RAMP)] = 0.0
    """share of the window over which guidance fades in and out"""
    steps: Annotated[Whole, Field(ge=1, le=MAX_STEPS)] = 25
    """of the sampler"""
    rule: Annotated[str, OneOf(RULES)] = DEFAULT_RULE
    """guidance rule"""
    trajectory: TrajectorySettings = TrajectorySettings()
    """levels, tolerance and budget"""

    def contradictions(self) -> Iterable[tuple[str, str]]:
        """Refuse seeds that stand twice, and people kept where nobody reads them."""
        if again := repeated(self.seeds):
            yield "seeds", f"names {again[0]} more than once"
        if self.trajectory.keep_people and usual_reader(self.generator) is None:
            yield "trajectory.keep_people", "needs a reader of pictures; there is one for embedded generators"
