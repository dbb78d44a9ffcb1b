"""What a diagnosis draws and how it is counted. Light: the site reads settings without torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from almond.described import DescribedShape
from almond.generating.expand import GuidanceGrid
from almond.guidance.objectives import DEFAULT_OBJECTIVE, OBJECTIVES
from almond.guidance.recipe import MAX_STEPS
from almond.guidance.rules import DEFAULT_RULE, RULES
from almond.guidance.schedule import LARGEST_RAMP
from almond.shapes import DifferentTexts, Flag, Number, OneOf, Text, Whole, repeated

Share = Annotated[Number, Field(ge=0, le=1)]
Strength = Annotated[Number, Field(gt=0)]
Seed = Annotated[Whole, Field(ge=0)]


DIAGNOSED = ("clamp", "contrast", "alone")
"""Objectives that need no further numbers."""


class DiagnosisSettings(DescribedShape):
    """The pictures of a diagnosis, and how often labels are permuted."""

    generator: Text
    """name of the generator, as in recipes"""
    prompts: Annotated[DifferentTexts, Field(min_length=1)]
    """each is a theme; tests over themes need three or more"""
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    """guided scenes of every prompt"""
    strengths: Annotated[tuple[Strength, ...], Field(min_length=1)]
    """unit-free; two or more show saturation"""
    window: tuple[Share, Share]
    """alpha-bar between which guidance acts"""
    ramp: Annotated[Number, Field(ge=0, le=LARGEST_RAMP)] = 0.0
    """share of the window over which guidance fades in and out"""
    steps: Annotated[Whole, Field(ge=1, le=MAX_STEPS)] = 25
    """of the sampler"""
    rule: Annotated[str, OneOf(RULES)] = DEFAULT_RULE
    """guidance rule"""
    objective: Annotated[str, OneOf(OBJECTIVES)] = DEFAULT_OBJECTIVE
    """what is asked of the other targets: `clamp` holds them, `contrast` climbs rather than them, `alone`
    whatever they do"""
    both_signs: Flag = True
    """guide towards lower scores too"""
    unguided: Annotated[Whole, Field(ge=4)] = 100
    """unguided pictures over all prompts"""
    interpolations: Annotated[Whole, Field(ge=0)] = 2
    """prompts whose pictures are drawn between two noises"""
    permutations: Annotated[Whole, Field(ge=19)] = 1000
    """of targets within themes"""
    random_regions: Annotated[Whole, Field(ge=0)] = 20
    """sets of random weights that control the dissociation of targets"""
    seed: Seed = 0
    """of permutations and random weights"""

    def contradictions(self) -> Iterable[tuple[str, str]]:
        """Refuse doubled entries, and a window that ends before it begins."""
        for name in ("seeds", "strengths"):
            if again := repeated(getattr(self, name)):
                yield name, f"names {again[0]} more than once"
        if self.objective not in DIAGNOSED:
            yield "objective", f"is {self.objective}; a diagnosis takes {', '.join(DIAGNOSED)}"
        low, high = self.window
        if not low < high:
            yield "window", f"is [{low}, {high}], not 0 <= low < high <= 1 in alpha-bar"

    @property
    def ordered_strengths(self) -> tuple[float, ...]:
        return tuple(sorted(self.strengths))

    @property
    def strongest(self) -> float:
        return max(self.strengths)

    @property
    def directions(self) -> tuple[int, ...]:
        return (1, -1) if self.both_signs else (1,)

    @property
    def grid(self) -> GuidanceGrid:
        """Return how guided scenes are guided; their unguided pictures are among the others."""
        return GuidanceGrid(
            steps=self.steps,
            strengths=self.ordered_strengths,
            window=self.window,
            ramp=self.ramp,
            directions=self.directions,
            rules=(self.rule,),
            objectives=(self.objective,),
            base=False,
        )

    @property
    def bare_grid(self) -> GuidanceGrid:
        """Return the grid of unguided pictures alone."""
        return replace(self.grid, strengths=(), base=True)

    @property
    def strongest_grid(self) -> GuidanceGrid:
        """Return the strongest push up, beside the unguided picture."""
        return replace(self.grid, strengths=(self.strongest,), directions=(1,), base=True)

    @property
    def late_grid(self) -> GuidanceGrid | None:
        """Return the strongest push up from the window's release to the end; None where that is nothing."""
        release = self.window[1]
        return replace(self.strongest_grid, window=(release, 1.0), base=False) if release < 1.0 else None

    @property
    def unguided_seeds(self) -> tuple[int, ...]:
        """List the seeds of unguided pictures of every prompt: those that are guided, then further ones."""
        each = max(-(-self.unguided // len(self.prompts)), len(self.seeds), 2)
        following = range(max(self.seeds) + 1, max(self.seeds) + 1 + each - len(self.seeds))
        return (*self.seeds, *following)
