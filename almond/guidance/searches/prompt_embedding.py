"""Gradient ascent on the embedded prompt, through the whole trajectory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import torch

from almond.errors import InputError
from almond.guidance.backends.base import Condition
from almond.guidance.methods import Method, Setting
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import Generated
from almond.guidance.searches.ascent import Ascent
from almond.guidance.searches.context import SearchContext
from almond.guidance.trajectories import Start

METHOD = Method(
    summary="Climb the objective of the finished image with respect to the embedded prompt, which stays "
    "within a radius of the words' own embedding.",
    formula="c <- c0 + min(1, radius * RMS(c0) / RMS(d)) d, d = c - c0 + rate * RMS(c) * g / RMS(g), g = "
    "grad_c V(decode(x(c)))",
    reference="Gal et al. 2022 (textual inversion) with a score in place of pictures",
    cost="per iteration a forward and a backward pass of the denoiser at every step, all kept in memory at "
    "once",
    fails="What no words say is out of the text encoder's range: with a large radius pictures leave what "
    "the model was trained on. Needs a generator whose prompt is a tensor (not the analytic one).",
    times=("iterations",),
    trajectory="ascent",
    settings={
        "iterations": Setting(meaning="gradient steps", default=20.0, low=1.0, high=10000.0, whole=True),
        "rate": Setting(
            meaning="first step, as a share of the embedding", default=0.05, low=0.0001, high=2.0
        ),
        "radius": Setting(
            meaning="largest change, as a share of the embedding", default=0.3, low=0.0, high=10.0
        ),
    },
)


@runtime_checkable
class TextStates(Protocol):
    """A generator whose embedded prompt can be replaced."""

    def text_states(self, condition: Condition) -> torch.Tensor: ...

    def with_text_states(self, condition: Condition, states: torch.Tensor) -> Condition: ...


def search(recipes: Sequence[Recipe], context: SearchContext) -> list[Generated]:
    """Return the best image on the way of each recipe's ascent.

    :raises InputError: a generator whose prompt is no tensor, a recipe that a rule guides as well, or one
        without a direction.
    """
    generator = context.generator
    if not isinstance(generator, TextStates):
        raise InputError(
            "search prompt-embedding",
            f"{generator.name} has no embedded prompt",
            "another search or generator",
        )
    return [_embedded(recipe, context, generator) for recipe in recipes]


def _embedded(recipe: Recipe, context: SearchContext, generator: TextStates) -> Generated:
    condition = context.generator.encode_prompt(recipe.prompt, [recipe.seed])
    words, settings = generator.text_states(condition), recipe.full_settings
    reach = settings["radius"] * words.square().mean().sqrt()

    def started(start: Start, states: torch.Tensor) -> Start:
        return replace(start, condition=generator.with_text_states(start.condition, states))

    def within(states: torch.Tensor) -> torch.Tensor:
        change = states - words
        size = change.square().mean().sqrt()
        return words + change * (reach / size if size > reach else 1.0)

    ascent = Ascent(recipe, context, started)
    return ascent.climb(words, iterations=int(settings["iterations"]), rate=settings["rate"], project=within)
