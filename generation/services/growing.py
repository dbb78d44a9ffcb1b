"""Further seeds for a pool that misses its yardsticks: recipes and a batch of their own, found again by name.

Everything that a round needs is written in one transaction before its first image is made, so that a job that
was killed finds the round that it was in.
"""

from __future__ import annotations

from django.db import transaction

from accounts.models import User
from accounts.services import record
from encoder.models import Target
from generation.models import Batch, MatchedSet, Recipe
from generation.services.recipes import create_recipe


def own_batch(matched_set: MatchedSet) -> Batch | None:
    """Return the batch of what was drawn for a set; None before the first round."""
    return matched_set.batches.filter(name=_batch_name(matched_set)).first()


def _batch_name(matched_set: MatchedSet) -> str:
    return f"Drawn for set {matched_set.pk}"


def first_recipes(matched_set: MatchedSet) -> list[Recipe]:
    """List the recipes that the set began with, by number."""
    given = matched_set.batches.exclude(name=_batch_name(matched_set))
    return list(Recipe.objects.filter(batches__in=given).distinct().order_by("pk"))


def round_size(matched_set: MatchedSet) -> int:
    """Count the images of one round: as many seeds of every recipe as it began with."""
    return sum(recipe.images for recipe in first_recipes(matched_set))


@transaction.atomic
def add_round(*, matched_set: MatchedSet, by: User | None) -> Batch:
    """Write the recipes of another round: the next seeds of every recipe that the set began with."""
    batch = own_batch(matched_set)
    if batch is None:
        batch = Batch.objects.create(name=_batch_name(matched_set))
        common = set(matched_set.batches.values_list("judges", flat=True))
        for row in matched_set.batches.all():
            common &= set(row.judges.values_list("pk", flat=True))
        batch.judges.set(Target.objects.filter(pk__in=common))
        matched_set.batches.add(batch)
    made = batch.recipes.count()
    for recipe in first_recipes(matched_set):
        batch.recipes.add(_further(matched_set, recipe, batch, by))
    batch.planned = sum(recipe.images for recipe in batch.recipes.all())
    batch.save(update_fields=["planned"])
    record(verb="draw", subject=matched_set, by=by, recipes=batch.recipes.count() - made)
    return batch


def _further(matched_set: MatchedSet, recipe: Recipe, batch: Batch, by: User | None) -> Recipe:
    """Write a recipe with as many seeds as the given one, above all that its prompt has in this set."""
    same = Recipe.objects.filter(batches__in=matched_set.batches.all(), prompt=recipe.prompt)
    taken = max(seed for row in same for seed in row.seeds)
    seeds = list(range(taken + 1, taken + 1 + len(recipe.seeds)))
    ending = f" (set {matched_set.pk}, seeds {seeds[0]} to {seeds[-1]})"
    return create_recipe(
        name=recipe.name[: 120 - len(ending)] + ending,
        prompt=recipe.prompt,
        seeds=seeds,
        targets=recipe.targets.all(),
        by=by,
        strengths=recipe.strengths,
        window=(recipe.window_low, recipe.window_high),
        ramp=recipe.ramp,
        objective=recipe.objective,
        settings=recipe.settings,
        search=recipe.search,
        penalties=recipe.penalties,
        view=recipe.view,
        both_signs=recipe.both_signs,
        rule=recipe.rule,
        steps=recipe.steps,
        generator=recipe.generator,
    )
