"""No search: one trajectory per recipe, guided or not."""

from __future__ import annotations

from collections.abc import Sequence

from almond.guidance.methods import Method
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import Generated, sample
from almond.guidance.searches.context import SearchContext

METHOD = Method(
    summary="One image per recipe; with direction 0 or strength 0 the generator's own, unguided.",
    formula="x(T) ~ N(0, I), then the sampler's steps with the rule's shift inside the window",
    reference="Song et al. 2021 (DDIM); the schedulers of diffusers",
    cost="the passes of the rule; unguided one forward pass per step",
    fails="Unguided it says what the prompt and the seed give, which is what guidance is compared with.",
    trajectory="ruled",
)


def search(recipes: Sequence[Recipe], context: SearchContext) -> list[Generated]:
    """Sample all recipes in one batch."""
    return sample(recipes, context)
