"""Integrity of recipes, stimuli and matched sets: each constraint is broken on purpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from generation.models import ImageSet, MatchedPair, MatchedSet, Recipe, Stimulus
from tests.site.encoder_rows import digest
from tests.site.generation_rows import full_batch

pytestmark = pytest.mark.django_db

MADE: dict[str, Any] = {
    "digest": digest(1),
    "suffix": "png",
    "name": "x",
    "width": 8,
    "height": 8,
    "base_scene": "room-1",
    "recipe_digest": digest(2),
}


def refused(constraint: str, make: Callable[[], Any]) -> None:
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        make()
    assert constraint in str(caught.value) or "UNIQUE constraint failed" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"window_low": 0.6, "window_high": 0.6}, "recipe_window_within_alpha_bar"),
        ({"window_low": -0.1}, "recipe_window_within_alpha_bar"),
        ({"window_high": 1.1}, "recipe_window_within_alpha_bar"),
        ({"steps": 0}, "recipe_has_steps"),
        ({"ramp": 0.6}, "recipe_ramp_is_a_share"),
        ({"prompt": ""}, "recipe_has_a_prompt"),
    ],
)
def test_recipes(changes: dict[str, Any], constraint: str) -> None:
    values = {"name": "x", "prompt": "a room", "window_low": 0.2, "window_high": 0.6, "steps": 20}
    refused(constraint, lambda: Recipe.objects.create(**{**values, **changes}))


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"recipe_digest": ""}, "stimulus_made_or_brought_in"),
        ({"direction": 1}, "stimulus_pushed_or_base"),
        ({"direction": 1, "intended_target": "LB", "strength": -0.1}, "stimulus_pushed_or_base"),
        ({"direction": 2, "intended_target": "LB", "strength": 1.0}, "stimulus_pushed_or_base"),
        ({"intended_target": "LB"}, "stimulus_pushed_or_base"),
        ({"strength": 1.0}, "stimulus_pushed_or_base"),
        ({"width": 0}, "stimulus_has_a_size"),
        ({"suffix": "svg"}, "stimulus_is_png_or_jpeg"),
    ],
)
def test_stimuli(changes: dict[str, Any], constraint: str) -> None:
    refused(constraint, lambda: Stimulus.objects.create(**{**MADE, **changes}))


def test_a_recipe_has_one_image(db: None) -> None:
    Stimulus.objects.create(**MADE)
    refused("one_stimulus_per_recipe", lambda: Stimulus.objects.create(**MADE))


def test_an_image_set_names_each_image_once(db: None) -> None:
    image_set = ImageSet.objects.create(name="photographs", folder="/x")
    values = {**MADE, "recipe_digest": "", "image_set": image_set}
    Stimulus.objects.create(**values)
    refused("image_named_once_per_set", lambda: Stimulus.objects.create(**values))
    refused(
        "stimulus_made_or_brought_in",
        lambda: Stimulus.objects.create(**{**values, "name": "y", "recipe_digest": digest(3)}),
    )


def test_the_same_bytes_may_stand_in_two_sets(db: None) -> None:
    for name in ("one", "two"):
        image_set = ImageSet.objects.create(name=name, folder="/x")
        Stimulus.objects.create(**{**MADE, "recipe_digest": "", "image_set": image_set})
    assert Stimulus.objects.filter(digest=MADE["digest"]).count() == 2


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"tolerance": 0}, "matching_tolerance_above_zero"),
        ({"state": "frozen"}, "matched_set_frozen_at_a_time"),
        ({"frozen_at": timezone.now()}, "matched_set_frozen_at_a_time"),
        ({"state": "open"}, "matched_set_frozen_at_a_time"),
    ],
)
def test_matched_sets(values: dict[str, Any], constraint: str) -> None:
    refused(constraint, lambda: MatchedSet.objects.create(name="x", **values))


def test_pairs(db: None) -> None:
    high = Stimulus.objects.create(**MADE)
    low = Stimulus.objects.create(**{**MADE, "recipe_digest": digest(3)})
    matched = MatchedSet.objects.create(name="x")
    make = MatchedPair.objects.create
    make(matched_set=matched, base_scene="room-1", target="LB", high=high, low=low)
    refused(
        "one_pair_per_scene_and_target",
        lambda: make(matched_set=matched, base_scene="room-1", target="LB", high=high, low=low),
    )
    refused(
        "pair_of_two_images",
        lambda: make(matched_set=matched, base_scene="room-2", target="LB", high=high, low=high),
    )


def test_a_recipe_knows_how_many_images_it_makes(db: None) -> None:
    batch = full_batch()
    recipe = batch.recipes.get()
    assert recipe.images == 2 * (1 + 3 * 2 * 2) == batch.planned == batch.stimuli.count()


def test_bases_and_pushed_images_are_told_apart(db: None) -> None:
    batch = full_batch()
    bases = Stimulus.objects.bases()
    assert {one.base_scene for one in bases} == {"a-room-1", "a-room-2"}
    assert Stimulus.objects.guided().count() == batch.planned - 2
    assert not Stimulus.objects.natural().exists()


def test_a_matched_set_knows_its_images_and_bases(db: None) -> None:
    batch = full_batch()
    matched = MatchedSet.objects.create(name="x")
    matched.batches.add(batch)
    up, down = (
        batch.stimuli.get(intended_target="LB", direction=sign, strength=1, base_scene="a-room-1")
        for sign in (1, -1)
    )
    matched.pairs.create(base_scene="a-room-1", target="LB", high=up, low=down)
    assert set(matched.stimuli()) == {up, down}
    assert [one.base_scene for one in matched.bases()] == ["a-room-1"]
