"""The recipes of the single images of a recipe's row. Light: no torch."""

from __future__ import annotations

from collections.abc import Iterator

from almond.guidance.objectives import OBJECTIVES
from almond.guidance.recipe import Recipe as ImageRecipe
from generation.models import Recipe


def image_recipes(recipe: Recipe, *, generator_digest: str) -> Iterator[tuple[str, ImageRecipe]]:
    """Yield (intended target, recipe) of every image; per seed the unguided base first, target ``""``."""
    targets = list(recipe.targets.order_by("pk"))
    digests = {target.name: target.digest for target in targets}
    signs = (1, -1) if recipe.both_signs else (1,)
    for seed in recipe.seeds:
        common = {
            "prompt": recipe.prompt,
            "seed": seed,
            "generator": recipe.generator,
            "generator_digest": generator_digest,
            "rule": recipe.rule,
            "steps": recipe.steps,
        }
        yield "", ImageRecipe(**common)
        for target in targets:
            others = [other.name for other in targets if other.pk != target.pk]
            coefficients = recipe.coefficients.get(target.name, {})
            fields = OBJECTIVES.load(recipe.objective).fields(target.name, others, coefficients)
            for sign in signs:
                for strength in recipe.strengths:
                    yield (
                        target.name,
                        ImageRecipe(
                            **common,
                            **fields,
                            settings=recipe.settings,
                            target_digests=digests,
                            direction=sign,
                            strength=strength,
                            window=(recipe.window_low, recipe.window_high),
                            ramp=recipe.ramp,
                        ),
                    )
