"""The recipes of the single images of a recipe's row. Light: no torch."""

from __future__ import annotations

from collections.abc import Iterator

from almond.generating.expand import UP_AND_DOWN, GuidanceGrid, recipes_of_scene
from almond.guidance.recipe import Recipe as ImageRecipe
from almond.guidance.recipe import View
from generation.models import Recipe


def grid_of(recipe: Recipe) -> GuidanceGrid:
    """Return how the scenes of a recipe's row are guided."""
    return GuidanceGrid(
        steps=recipe.steps,
        strengths=tuple(recipe.strengths),
        window=(recipe.window_low, recipe.window_high),
        ramp=recipe.ramp,
        directions=UP_AND_DOWN if recipe.both_signs else UP_AND_DOWN[:1],
        rules=(recipe.rule,),
        objectives=(recipe.objective,),
        settings=dict(recipe.settings),
        coefficients=dict(recipe.coefficients),
        search=recipe.search,
        penalties=dict(recipe.penalties),
        view=View(**recipe.view),
    )


def image_recipes(recipe: Recipe, *, generator_digest: str) -> Iterator[tuple[str, ImageRecipe]]:
    """Yield (intended target, recipe) of every image; per seed the unguided base first, target ``""``."""
    digests = {target.name: target.digest for target in recipe.targets.order_by("pk")}
    grid = grid_of(recipe)
    for seed in recipe.seeds:
        for planned in recipes_of_scene(
            recipe.prompt,
            seed,
            grid,
            generator=recipe.generator,
            generator_digest=generator_digest,
            targets=list(digests),
            target_digests=digests,
        ):
            yield planned.target, planned.recipe
