"""Objectives of recipes: what a form offers and refuses, and what single images are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.urls import reverse

from almond.errors import InputError
from almond.guidance.recipe import Recipe as ImageRecipe
from almond.rng import generator as random_generator
from generation.models import Recipe, Stimulus
from generation.services.recipes import image_recipes
from generation.services.regression import FEWEST_IMAGES, coefficients_of
from tests.site.generation_rows import GENERATOR_DIGEST, add_recipe, full_batch, guides

pytestmark = pytest.mark.django_db


def first_guided(recipe: Recipe) -> ImageRecipe:
    return next(image for target, image in image_recipes(recipe, generator_digest=GENERATOR_DIGEST) if target)


def test_a_recipe_clamps_unless_it_says_otherwise() -> None:
    targets = guides()
    image = first_guided(add_recipe(targets))
    assert (image.objective, image.objective_kind, image.others) == ({"LB": 1.0}, "clamp", ("CM", "SF"))
    level = add_recipe(targets, name="level", objective="level", settings={"level": 1.5})
    assert first_guided(level).full_settings == {"level": 1.5, "width": 0.5}
    alone = first_guided(add_recipe(targets, name="alone", objective="alone", rule="damped"))
    assert (alone.objective, alone.rule) == ({"LB": 1.0}, "damped")


def test_a_contrast_is_written_down_as_it_always_was() -> None:
    """Images of recipes that were made before there were objectives are found again by their digest."""
    recipe = add_recipe(guides(), objective="contrast")
    image = first_guided(recipe)
    assert image.objective == {"LB": 1.0, "CM": -0.5, "SF": -0.5}
    stored = image.to_json()
    assert set(stored) == {
        *("format", "prompt", "seed", "generator", "generator_digest", "objective", "target_digests"),
        *("direction", "strength", "window", "ramp", "rule", "steps"),
    }


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"objective": "both"}, "objective: 'both' is not known"),
        ({"settings": {"level": 1.0}}, "settings.level: is taken by none of the chosen methods"),
        ({"settings": {"hold": -1.0}}, "settings.hold: is -1"),
        ({"settings": {"hold": float("nan")}}, "settings.hold: is nan"),
        ({"objective": "partial"}, "partial needs 30 unguided images scored by these targets; there are 0"),
    ],
)
def test_what_no_objective_can_do_is_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        add_recipe(guides(), **changes)
    assert not Recipe.objects.exists()


def test_partial_coefficients_are_those_of_the_regression(tmp_path: Path, settings: Any) -> None:
    settings.ALMOND_HOME = tmp_path
    batch = full_batch(seeds=list(range(FEWEST_IMAGES)), strengths=[1.0], judged=False)
    targets = list(batch.recipes.get().targets.order_by("pk"))
    rng = random_generator(1, "scores")
    table = rng.normal(size=(FEWEST_IMAGES, 3)) @ np.array([[1, 0.5, 0.2], [0, 1, 0.3], [0, 0, 1]])
    digests = {target.score_name: target.digest for target in targets}
    for row, base in zip(table, Stimulus.objects.bases(), strict=True):
        base.scores = dict(zip(digests, map(float, row), strict=True))
        base.score_digests = digests
        base.save()
    found = coefficients_of("partial", targets)
    design = np.column_stack([np.ones(FEWEST_IMAGES), table[:, 1:]])
    expected = np.linalg.solve(design.T @ design, design.T @ table[:, 0])[1:]
    assert list(found["LB"].values()) == pytest.approx(list(expected))
    recipe = add_recipe(targets, name="partial", objective="partial")
    weights = first_guided(recipe).objective
    assert weights == pytest.approx({"LB": 1.0, "CM": -expected[0], "SF": -expected[1]})
    assert coefficients_of("clamp", targets) == {}


def form(**changes: Any) -> dict[str, Any]:
    values = {"name": "rooms", "prompt": "a room", "seeds": "1", "rule": "through", "generator": "analytic"}
    return {**values, "targets": [target.pk for target in guides()], **changes}


def test_the_form_offers_objectives_and_stores_their_settings(staff_client: Any) -> None:
    address = reverse("admin:generation_recipe_add")
    text = staff_client.get(address).content.decode()
    assert '<option value="clamp" selected>this target, the others held</option>' in text
    assert "Shift along the gradient with respect to the noisy latent" in text
    values = form(objective="level", level="1.5", further="width = 0.25", strengths="0.12, 0.5")
    response = staff_client.post(address, values, follow=True)
    recipe = Recipe.objects.get()
    assert (recipe.objective, recipe.settings) == ("level", {"level": 1.5, "width": 0.25})
    text = response.content.decode()
    assert "Strength 0.5: beyond 0.25, guidance of analytic" in text
    assert "level = 1.5, width = 0.25" in text


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"objective": "clamp", "level": "1"}, "is taken by none of the chosen methods"),
        ({"further": "hold = much"}, "hold is &#x27;much&#x27;"),
        ({"further": "hold"}, "name = value"),
    ],
)
def test_wrong_settings_are_refused_in_the_form(
    staff_client: Any, changes: dict[str, Any], problem: str
) -> None:
    response = staff_client.post(reverse("admin:generation_recipe_add"), form(**changes))
    assert response.status_code == 200
    assert problem in response.content.decode()
