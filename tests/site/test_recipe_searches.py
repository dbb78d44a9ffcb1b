"""Searches, penalties and views in the form of a recipe: made from the registries, checked, priced, kept."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from almond.errors import InputError
from almond.guidance.methods import declared
from almond.guidance.penalties import PENALTIES
from almond.guidance.recipe import Recipe as ImageRecipe
from almond.guidance.recipe import View
from almond.guidance.searches import SEARCHES
from encoder.models import Target
from generation.admin.forms import RecipeForm
from generation.admin.methods import penalty_field, setting_field
from generation.diagnoses import Diagnosis
from generation.models import Recipe
from generation.services.recipes import image_recipes
from tests.site.generation_rows import GENERATOR_DIGEST, add_recipe, guides

pytestmark = pytest.mark.django_db

ADD = "admin:generation_recipe_add"


def form(targets: list[Target], **changes: Any) -> dict[str, Any]:
    values = {
        "name": "rooms",
        "prompt": "a room",
        "seeds": "1-2",
        "targets": [target.pk for target in targets],
        "generator": "analytic",
        "objective": "clamp",
        "rule": "through",
        "search": "single",
        "both_signs": "on",
    }
    return {**values, **changes}


def images_of(recipe: Recipe) -> list[ImageRecipe]:
    return [image for _, image in image_recipes(recipe, generator_digest=GENERATOR_DIGEST)]


def test_the_form_has_a_field_for_every_registered_setting_and_penalty() -> None:
    fields = RecipeForm().fields
    for search in SEARCHES:
        for name, item in declared(SEARCHES, search).settings.items():
            field = fields[setting_field(search, name)]
            assert item.meaning[1:] in field.help_text
            assert field.widget.attrs["placeholder"] == f"{item.default:g}"
    assert {penalty_field(name) for name in PENALTIES} <= set(fields)
    assert {f"view_{name}" for name in View.model_fields} <= set(fields)


def test_a_search_with_penalties_and_a_view_reaches_every_guided_image(staff_client: Any) -> None:
    answer = staff_client.post(
        reverse(ADD),
        form(
            guides()[:2],
            search="best-of",
            best_of_candidates="3",
            cma_es_iterations="7",  # of another search: posted as ever, and without a meaning
            penalty_low_level="2.5",
            view_blur="0.02",
            view_copies="2",
            strengths="0.06",
        ),
    )
    assert answer.status_code == 302, answer.context["errors"]
    recipe = Recipe.objects.get()
    assert (recipe.search, recipe.settings) == ("best-of", {"candidates": 3.0})
    assert (recipe.penalties, recipe.view) == ({"low-level": 2.5}, {"blur": 0.02, "copies": 2})
    base, *guided = images_of(recipe)[:5]
    assert (base.search, base.penalties, base.view) == ("single", {}, View())
    assert {image.search for image in guided} == {"best-of"}
    assert guided[0].full_settings["candidates"] == 3.0
    assert (guided[0].penalties, guided[0].view) == ({"low-level": 2.5}, View(blur=0.02, copies=2))
    page = staff_client.get(reverse("admin:generation_recipe_change", args=[recipe.pk])).content.decode()
    assert all(words in page for words in ("candidates = 3", "low-level 2.5", "copies 2"))


def test_a_search_that_climbs_by_itself_takes_no_strength(staff_client: Any) -> None:
    targets = guides()
    asked = form(targets[:1], search="initial-noise", strengths="0.06, 0.12")
    answer = staff_client.post(reverse(ADD), asked)
    assert answer.status_code == 302, answer.context["errors"]
    recipe = Recipe.objects.get()
    assert (recipe.strengths, recipe.images) == ([0.0], 6)
    directions = [(image.direction, image.strength) for image in images_of(recipe)[:3]]
    assert directions == [(0, 0.0), (1, 0.0), (-1, 0.0)]
    with pytest.raises(InputError, match="climbs without a rule"):
        add_recipe(targets[1:2], name="pushed", search="cma-es", strengths=[0.1])


def test_recipes_without_search_keep_their_digest() -> None:
    targets = guides()
    plain = add_recipe(targets)
    said = add_recipe(targets, name="the same", search="single", penalties={}, view={})
    other = add_recipe(targets, name="another", penalties={"colour": 1.0})
    assert plain.digest == said.digest != other.digest


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        (
            {"search": "best-of", "best_of_candidates": "5000"},
            "best_of_candidates",
            "not a number from 1 to 1024",
        ),
        ({"search": "smc", "smc_eta": "2"}, "smc_eta", "from 0 to 1"),
        ({"search": "prompt-embedding"}, "search", "analytic has no embedded prompt"),
        ({"search": "wander"}, "search", "not one of the available choices"),
        ({"penalty_colour": "-1"}, "penalty_colour", "greater than or equal to 0"),
        ({"view_blur": "0.9"}, "view_blur", "0.25"),
        ({"view_copies": "100"}, "view_copies", "64"),
        ({"search": "best-of", "best_of_candidates": "2", "further": "candidates = 3"}, "further", "own"),
    ],
)
def test_what_is_out_of_range_is_said_at_its_field(
    staff_client: Any, changes: dict[str, str], field: str, words: str
) -> None:
    answer = staff_client.post(reverse(ADD), form(guides()[:1], **changes))
    assert answer.status_code == 200
    assert words in str(answer.context["adminform"].form.errors[field])
    assert not Recipe.objects.exists()


def preview(client: Any, **changes: Any) -> Any:
    response = client.get(reverse("admin:generation_recipe_preview"), changes)
    assert response.status_code == 200
    return response.json()


def test_the_cost_follows_the_search(staff_client: Any) -> None:
    asked = {**form([], objective="alone", strengths="0.1", steps="10", seeds="1"), "targets": ["1"]}
    plain = int(preview(staff_client, **asked)["cost"].split(", ")[1].split()[0])
    four = preview(staff_client, **{**asked, "search": "best-of", "best_of_candidates": "4"})
    assert f"3 images, {10 + 4 * (plain - 10)} denoiser passes" in four["cost"]
    noise = preview(staff_client, **{**asked, "search": "initial-noise", "initial_noise_iterations": "5"})
    assert f"3 images, {10 + 2 * 10 * (6 * 3 + 1)} denoiser passes" in noise["cost"]
    assert noise["strengths"] == [0.0]
    held = preview(staff_client, **{**asked, "penalty_colour": "1"})
    assert f"{plain + 10} denoiser passes" in held["cost"]
    none = preview(staff_client, **{**asked, "search": "best-of", "best_of_candidates": "0"})
    assert "from 1 to 1024" in none["problem"]


def diagnosed(targets: list[Target], saturation: dict[str, float | None], **settings: Any) -> Diagnosis:
    rows = [
        {"target": name, "read": {"judge": {"saturation": most}}, "standing": "good"}
        for name, most in saturation.items()
    ]
    asked = {"generator": "analytic", "rule": "through", "objective": "clamp", "strengths": [0.03, 0.06, 0.2]}
    row = Diagnosis.objects.create(
        name=f"diagnosis {Diagnosis.objects.count() + 1}",
        settings={**asked, **settings},
        result={"checks": {"dose": {"numbers": {"targets": rows}}}},
        folder="somewhere",
        verdict="good",
        finished_at=timezone.now(),
    )
    row.targets.set(targets)
    return row


def test_strengths_beyond_what_a_diagnosis_found_are_warned_of(staff_client: Any) -> None:
    targets = guides()
    diagnosed(targets, {"LB": 0.03, "CM": 0.2, "SF": None})
    diagnosed(targets, {"LB": 0.2, "CM": 0.2, "SF": 0.2}, rule="x0")
    asked = form(targets, strengths="0.03, 0.06")
    said = " ".join(preview(staff_client, **asked)["warnings"])
    assert "LB: in the diagnosis “diagnosis 1” nothing was gained beyond 0.03." in said
    assert "SF: in the diagnosis “diagnosis 1” no strength moved the judge." in said
    assert "CM" not in said  # still gaining at the strongest that was drawn
    assert preview(staff_client, **{**asked, "rule": "x0"})["warnings"] == []
    assert preview(staff_client, **{**asked, "objective": "alone"})["warnings"] == []
    answer = staff_client.post(reverse(ADD), asked, follow=True)
    assert "nothing was gained beyond 0.03" in answer.content.decode()
    diagnosed(targets, {"LB": 0.2, "CM": 0.2, "SF": 0.2})  # the newest counts
    assert preview(staff_client, **asked)["warnings"] == []
    assert "beyond 0.25" in preview(staff_client, **{**asked, "strengths": "0.5"})["warnings"][0]
