"""Prompts: what is understood, what is ignored, and captions that are read back."""

from __future__ import annotations

import pytest

from almond.errors import InputError
from almond.rng import generator
from almond.world.lab import PROMPTS
from almond.world.prompts import caption, parse_prompt
from almond.world.scenes import draw_scene


@pytest.mark.parametrize(
    ("prompt", "fixed"),
    [
        ("a person standing in a room", {"presence": "one", "posture": "standing", "place": "room"}),
        ("a doorway at night", {"place": "doorway", "light": "night"}),
        ("a street", {"place": "street"}),
        ("a person in a park", {"presence": "one", "place": "park"}),
        ("A street, at NIGHT.", {"place": "street", "light": "night"}),
        ("a room", {"place": "room"}),
        (
            "an angry man with raised arms far away",
            {"presence": "one", "expression": "anger", "posture": "arms-raised", "distance": "far"},
        ),
        ("a group of people, close-up", {"presence": "group", "distance": "near"}),
        ("nobody in a garden with a snake", {"presence": "nobody", "place": "park", "object": "snake"}),
    ],
)
def test_what_is_said_is_fixed(prompt, fixed):
    assert parse_prompt(prompt).fixed == fixed


def test_words_without_meaning_are_listed_in_order():
    parsed = parse_prompt("a photo of seventeen purple doorways beside a doorway at night, trending")
    assert parsed.understood == ("doorway", "at night")
    assert parsed.ignored == ("seventeen", "purple", "doorways", "beside", "trending")


def test_looks_without_a_person_mean_one_person():
    assert parse_prompt("crouching in a street").fixed["presence"] == "one"


def test_the_last_word_on_an_attribute_counts():
    assert parse_prompt("a street or rather a park").fixed == {"place": "park"}


@pytest.mark.parametrize("prompt", ["", "   ", "purple elephants", "the of a", "!!!"])
def test_a_prompt_of_which_nothing_is_understood_is_refused(prompt):
    with pytest.raises(InputError, match="nothing in"):
        parse_prompt(prompt)


def test_the_lab_s_prompts_are_understood_in_full():
    assert [parse_prompt(prompt).ignored for prompt in PROMPTS] == [()] * len(PROMPTS)


def test_no_two_prompts_of_the_example_lab_mean_the_same_scenes():
    meanings = [tuple(sorted(parse_prompt(prompt).fixed.items())) for prompt in PROMPTS]
    assert len(set(meanings)) == len(PROMPTS) >= 8


def test_captions_are_read_back_to_the_scene_they_describe():
    rng = generator(5, "captions")
    for _ in range(400):
        scene = draw_scene(rng)
        for text in (caption(scene), caption(scene, rng)):
            parsed = parse_prompt(text)
            assert parsed.ignored == ()
            assert {name: getattr(scene, name) for name in parsed.fixed} == parsed.fixed


def test_a_full_caption_names_every_attribute_that_shows():
    rng = generator(6, "captions")
    scene = draw_scene(rng, {"presence": "group", "object": "dog"})
    named = set(parse_prompt(caption(scene)).fixed)
    assert named == {
        "place",
        "light",
        "presence",
        "distance",
        "posture",
        "expression",
        "gaze",
        "object",
    }


def test_captions_with_a_generator_leave_some_attributes_free():
    rng = generator(7, "captions")
    scene = draw_scene(rng, {"presence": "one", "object": "fire"})
    sizes = {len(parse_prompt(caption(scene, rng)).fixed) for _ in range(60)}
    assert len(sizes) > 3
