"""The best of several candidates, guided or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from almond.guidance.methods import Method, Setting
from almond.guidance.objectives.objective import Objective
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import Generated, pixels_of, sample
from almond.guidance.searches.context import SearchContext, evaluations

METHOD = Method(
    summary="Make several images of one scene from different noise, guided or not, and keep the one that the "
    "objective likes best.",
    formula="argmax_n V(x_n), x_n ~ p(x) or as guided, n = 1 .. candidates",
    reference="Best-of-n sampling; baseline of inference-time search (Ma et al. 2025)",
    cost="candidates times the passes of one image",
    fails="What the generator seldom draws it cannot find: its shift grows with the logarithm of the number. "
    "It chooses by the guide's own score, so that a score that is fooled chooses what fools it.",
    times=("candidates",),
    trajectory="ruled",
    settings={
        "candidates": Setting(meaning="images per recipe", default=4.0, low=1.0, high=1024.0, whole=True)
    },
)


def search(recipes: Sequence[Recipe], context: SearchContext) -> list[Generated]:
    """Return the best candidate of each recipe; ``searched`` holds the values of all."""
    return [_best(recipe, context) for recipe in recipes]


def _best(recipe: Recipe, context: SearchContext) -> Generated:
    count = int(recipe.full_settings["candidates"])
    recipes, numbers = [recipe] * count, list(range(count))
    made = sample(recipes, context, candidates=numbers)
    objective = Objective(
        recipes, context.generator, context.scorer, references=context.references, candidates=numbers
    )
    with torch.no_grad():
        values = objective.at(made[0].trace[-1]["step"])(pixels_of(made)).value.tolist()
    best = max(numbers, key=values.__getitem__)
    searched = {
        "values": values,
        "chosen": best,
        "evaluations": count * evaluations(recipe, made[best].trace),
    }
    return replace(made[best], searched=searched)
