"""Recipes: what to draw, written down once under a digest, and the recipes of their single images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.db import transaction

from accounts.models import User
from accounts.services import record
from almond.digest import digest_json
from almond.generating.expand import UP_AND_DOWN, GuidanceGrid, recipes_of_scene
from almond.guidance.added.store import defaults_for
from almond.guidance.generators import DEFAULT_GENERATOR
from almond.guidance.objectives import DEFAULT_OBJECTIVE
from almond.guidance.recipe import Recipe as ImageRecipe
from almond.guidance.recipe import View
from almond.guidance.rules import DEFAULT_RULE
from almond.guidance.searches import DEFAULT_SEARCH
from encoder.models import Target
from generation.models import Recipe
from generation.services.checks import check_recipe, takes_rule
from generation.services.regression import coefficients_of


@transaction.atomic
def create_recipe(
    *,
    name: str,
    prompt: str,
    seeds: Sequence[int],
    targets: Iterable[Target],
    by: User | None,
    strengths: Sequence[float] | None = None,
    window: tuple[float, float] | None = None,
    ramp: float | None = None,
    objective: str = DEFAULT_OBJECTIVE,
    settings: Mapping[str, float] | None = None,
    search: str = DEFAULT_SEARCH,
    penalties: Mapping[str, float] | None = None,
    view: Mapping[str, float] | None = None,
    both_signs: bool = True,
    rule: str = DEFAULT_RULE,
    steps: int | None = None,
    generator: str = DEFAULT_GENERATOR,
) -> Recipe:
    """Write a recipe down under the digest of its content.

    :param seeds: one base scene each, 1 to ``checks.MOST_SEEDS`` different whole numbers from 0.
    :param targets: guides whose weights have been made.
    :param strengths: unit-free, each above 0; None as calibrated. Of a search without a rule, None or 0.
    :param window: lower and upper alpha-bar between which guidance acts; None as calibrated.
    :param ramp: share of the window over which guidance fades in and out; None as calibrated.
    :param objective: a name in ``almond.guidance.objectives.OBJECTIVES``: what is asked of the other targets.
    :param settings: numbers of rule, objective and search, such as ``level``; as declared where left out.
    :param search: a name in ``SEARCHES``; ``penalties``: names in ``PENALTIES`` -> mu; ``view``: fields of
        ``almond.guidance.recipe.View``.
    :param both_signs: guide towards lower scores too, instead of towards higher ones only.
    :param rule: a name in ``RULES``; ``steps``: of the sampler, None as calibrated.
    :param generator: a name in ``almond.guidance.generators.GENERATORS``, or the folder of a pipeline.
    :raises InputError: names the field that is wrong.
    """
    guides = list(targets)
    calibrated = _calibrated(generator, search, strengths=strengths, window=window, ramp=ramp, steps=steps)
    chosen: dict[str, Any] = {"rule": rule, "objective": objective, "settings": dict(settings or {})}
    around = {"search": search, "penalties": dict(penalties or {}), "view": dict(view or {})}
    asked = {**chosen, **around, **calibrated}
    check_recipe(prompt=prompt, generator=generator, seeds=seeds, targets=guides, **asked)
    low, high = calibrated.pop("window")
    content = {
        **calibrated,
        "prompt": prompt,
        "seeds": list(seeds),
        "window_low": float(low),
        "window_high": float(high),
        "both_signs": both_signs,
        **chosen,
        "coefficients": coefficients_of(objective, guides),
        "generator": generator,
    }
    content |= _unusual(around)
    digest = digest_json({**content, "targets": sorted(target.digest for target in guides)})
    recipe = Recipe.objects.create(name=name, digest=digest, **content)
    recipe.targets.set(guides)
    record(verb="create", subject=recipe, by=by, digest=digest)
    return recipe


def _unusual(around: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what came after the first recipes where it says nothing, so that these keep their digests."""
    return {name: value for name, value in around.items() if value not in (DEFAULT_SEARCH, {})}


def _calibrated(generator: str, search: str, **settings: Any) -> dict[str, Any]:
    """Return the settings of guidance, as the generator was calibrated where they are None."""
    usual = defaults_for(generator)
    if settings["strengths"] is None and not takes_rule(search):
        settings["strengths"] = [0.0]
    filled = {name: getattr(usual, name) if value is None else value for name, value in settings.items()}
    strengths = [float(value) for value in filled["strengths"]]
    return {**filled, "strengths": strengths, "ramp": float(filled["ramp"])}


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
