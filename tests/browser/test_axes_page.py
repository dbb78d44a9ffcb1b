"""The axes page in a real browser: a dot shows its picture and leads to its history, a line drawn around dots
makes a pool; the strips of trajectories beside it."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from almond.trajectories.settings import TrajectoryPlan
from generation.models import Batch, ImageSet, Stimulus, TrajectorySet
from tests.browser.conftest import log_in
from tests.site.generation_rows import full_batch

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def home(tmp_path: Any, settings: Any) -> None:
    settings.ALMOND_HOME = tmp_path / "home"


def spread_batch() -> Batch:
    """Unguided images in a row, so that there are components, and guided ones above and below."""
    batch = full_batch(seeds=[1, 2, 3, 4])
    for number, image in enumerate(batch.stimuli.bases()):
        image.scores = {**image.scores, "LB": number - 1.5, "CM": 0.3 * (number % 2)}
        image.save()
    return batch


@pytest.mark.parametrize("width", [1280, 390])
def test_dots_show_pictures_and_a_line_around_them_makes_a_pool(visit: Any, width: int) -> None:
    batch = spread_batch()
    here = visit(width, 1000)
    log_in(here)
    page = here.page
    page.goto(f"{here.address}{reverse('axes')}?batch={batch.pk}")
    assert page.locator("#plane circle").count() == batch.stimuli.count()
    dot = page.locator("#plane a").first
    dot.hover()
    page.wait_for_selector("#preview img")
    image = Stimulus.objects.get(pk=batch.stimuli.order_by("pk").values_list("pk", flat=True)[0])
    assert page.get_attribute("#preview img", "src") == image.url
    assert page.is_disabled("#make")
    box = page.locator("#plane").bounding_box()
    corners = [(0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99)]
    page.mouse.move(box["x"] + corners[0][0] * box["width"], box["y"] + corners[0][1] * box["height"])
    page.mouse.down()
    for across, down in corners[1:]:
        page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"], steps=3)
    page.mouse.up()
    assert page.inner_text("#chosen") == str(batch.stimuli.count())
    page.select_option("#axis-y", label="CM")
    assert page.inner_text("#chosen") == str(batch.stimuli.count())
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    here.shot(f"axes-{width}", whole=True)
    page.fill("[name=name]", "everything")
    page.click("#make")
    page.wait_for_selector("text=are in the set everything")
    assert ImageSet.objects.get().stimuli.count() == batch.stimuli.values("digest").distinct().count()
    page.goto(f"{here.address}{reverse('axes')}?batch={batch.pk}")
    page.locator("#plane a").first.click()
    page.wait_for_url(f"**{reverse('admin:generation_stimulus_change', args=[image.pk])}")
    assert here.complaints == []


@pytest.mark.parametrize("width", [1280, 390])
def test_strips_of_trajectories_are_shown_with_what_was_missed(visit: Any, width: int) -> None:
    batch = spread_batch()
    images = list(batch.stimuli.filter(intended_target="LB")[:5])
    steps = [
        {
            "recipe_digest": image.recipe_digest,
            "level": float(number),
            "error": 0.4 if number == 2 else 0.1,
            "scores": {"LB": number + 0.1},
            "read": {"guide": {"LB": number + 0.1}, "judge": {"LB": number / 2}},
        }
        for number, image in enumerate(images)
    ]
    changes = [{"said": ["object: none → snake"]}, *[{"said": []}] * (len(images) - 2)]
    plan = TrajectoryPlan(generator="analytic", prompts=("a room",), seeds=(1,), window=(0.02, 0.5))
    row = TrajectorySet.objects.create(
        name="strips",
        plan=plan.model_dump(mode="json"),
        folder="trajectories-1",
        finished_at=timezone.now(),
        batch=batch,
        result={
            "headline": ["0 of 1 trajectories have 5 pictures at equal distance."],
            "reached": 0,
            "trajectories": [
                {
                    "target": "LB",
                    "prompt": "a room",
                    "seed": 1,
                    "reached": False,
                    "sentences": ["Not reachable with 60 pictures: 1 of 5 levels (+2.00 SD)."],
                    "steps": steps,
                    "changes": changes,
                    "drawn": 60,
                    "people_share": 0.5,
                }
            ],
        },
    )
    here = visit(width, 900)
    log_in(here)
    here.page.goto(here.address + reverse("admin:generation_trajectoryset_change", args=[row.pk]))
    assert here.page.locator(".al-sheet img").count() == len(images)
    assert here.page.locator("text=misses 2.00").count() == 1
    assert here.page.locator("text=object: none → snake").count() == 1
    assert "50 % of the guided ones" in here.page.inner_text(".al")
    assert here.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    here.shot(f"trajectories-{width}", whole=True)
    assert here.complaints == []
