"""What the recipe form says before anything is stored: words, cost, schedule; and the page of words."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from almond.world.prompts import PHRASES, parse_prompt
from generation.models import Recipe
from jobs.models import Job, State
from tests.site.generation_rows import full_batch

pytestmark = pytest.mark.django_db

FORM = {
    "prompt": "a woman sitting in a kitchen",
    "generator": "analytic",
    "seeds": "1-2",
    "targets": ["1", "2"],
    "both_signs": "on",
    "rule": "through",
}


def preview(client: Any, **changes: Any) -> Any:
    response = client.get(reverse("admin:generation_recipe_preview"), {**FORM, **changes})
    assert response.status_code == 200
    return response.json()


def test_known_and_ignored_words_are_told_apart(staff_client: Any) -> None:
    words = preview(staff_client)["words"]
    assert (words["understood"], words["ignored"]) == (["woman"], ["sitting", "kitchen"])
    assert "nothing in 'xyzzy' is understood" in preview(staff_client, prompt="xyzzy")["words"]["problem"]
    assert preview(staff_client, prompt="")["words"]["problem"] == ""
    assert preview(staff_client, generator="/models/sdxl", prompt="xyzzy")["words"]["all"]
    assert not Recipe.objects.exists()


def test_cost_and_curve_follow_the_settings(staff_client: Any) -> None:
    found = preview(staff_client, steps="25", window_low="0.02", window_high="0.5", strengths="0.1, 0.2")
    inside = [step for step in found["curve"] if step["share"]]
    assert len(found["curve"]) == 25
    assert len(inside) == 10
    assert all(0.02 <= step["alpha_bar"] < 0.5 for step in inside)
    # Two scenes: one base of 25 passes each, as many for the unguided trajectory with which held targets are
    # compared, and 2 targets x 2 directions x 2 strengths with 10 guided steps.
    assert found["cost"].startswith(f"18 images, {2 * (25 + 25 + 8 * (25 + 2 * 10))} denoiser passes")
    cheap = preview(staff_client, rule="x0", strengths="0.1, 0.2")
    assert cheap["cost"].startswith(f"18 images, {2 * 10 * 25} denoiser passes")
    alone = preview(staff_client, rule="x0", objective="alone", strengths="0.1, 0.2")
    assert alone["cost"].startswith(f"18 images, {2 * 9 * 25} denoiser passes")
    assert "'of a lab' is not known" in preview(staff_client, rule="of a lab")["problem"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"seeds": "a"}, "seeds"),
        ({"window_low": "0.9", "window_high": "0.1"}, "window"),
        ({"ramp": "half"}, "ramp"),
        ({"steps": "0"}, "steps"),
    ],
)
def test_what_cannot_be_read_yet_is_said(staff_client: Any, changes: dict[str, str], problem: str) -> None:
    assert problem in preview(staff_client, **changes)["problem"]


def test_the_time_is_that_of_the_last_batch(staff_client: Any) -> None:
    assert "known after the first batch" in preview(staff_client)["cost"]
    batch = full_batch()
    assert batch.job is not None
    begun = timezone.now()
    Job.objects.filter(pk=batch.job.pk).update(
        state=State.DONE,
        worker="",
        heartbeat=None,
        result={"made": 10},
        started_at=begun,
        finished_at=begun + timedelta(seconds=20),
    )
    generator = batch.recipes.get().generator
    assert "18 images" in preview(staff_client, generator=generator, strengths="0.1, 0.2")["cost"]
    assert "about 36 s" in preview(staff_client, generator=generator, strengths="0.1, 0.2")["cost"]


def test_the_page_of_a_recipe_names_ignored_words_and_the_cost(staff_client: Any) -> None:
    recipe = full_batch().recipes.get()
    Recipe.objects.filter(pk=recipe.pk).update(prompt="a woman sitting in a street")
    text = staff_client.get(reverse("admin:generation_recipe_change", args=[recipe.pk])).content.decode()
    assert "does not know: sitting" in text
    assert "denoiser passes" in text
    assert reverse("admin:generation_recipe_vocabulary") in text


def test_the_vocabulary_lists_every_phrase(staff_client: Any) -> None:
    text = staff_client.get(reverse("admin:generation_recipe_vocabulary")).content.decode()
    assert all(phrase in text for phrase in PHRASES)
    assert parse_prompt("a woman").fixed == {"presence": "one"}


def test_strangers_see_neither(client: Any) -> None:
    for name in ("preview", "vocabulary"):
        assert client.get(reverse(f"admin:generation_recipe_{name}")).status_code == 302
