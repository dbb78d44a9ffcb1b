"""Windows, schedules and recipes."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from almond.errors import InputError
from almond.guidance.recipe import Recipe
from almond.guidance.schedule import Schedule, Window
from almond.shapes import read


def make_recipe(**changes: Any) -> Recipe:
    values: dict[str, Any] = {
        "prompt": "a room",
        "seed": 3,
        "generator": "analytic",
        "generator_digest": "0" * 64,
        "objective": {"LB": 1, "CM": -0.5},
        "target_digests": {"LB": "1" * 64},
        "direction": 1,
        "strength": 2,
        "window": (0.2, 0.6),
    }
    return read(Recipe, {**values, **changes}, source="recipe")


def test_guidance_acts_inside_the_window_only() -> None:
    schedule = Schedule(Window(0.2, 0.6), strength=3.0)
    assert [schedule.weight(bar) for bar in (0.0, 0.19, 0.2, 0.4, 0.6, 1.0)] == [0, 0, 3.0, 3.0, 0, 0]


def test_a_ramp_fades_in_and_out() -> None:
    schedule = Schedule(Window(0.2, 0.6), strength=2.0, ramp=0.25)
    assert schedule.weight(0.2) == 0.0
    assert schedule.weight(0.25) == pytest.approx(1.0)
    assert schedule.weight(0.4) == 2.0
    assert schedule.weight(0.55) == pytest.approx(1.0)


def test_a_closed_window_never_acts() -> None:
    assert Schedule(Window(0.3, 0.3), strength=2.0).weight(0.3) == 0.0
    assert not make_recipe(window=(0.3, 0.3)).guided


@pytest.mark.parametrize(("low", "high"), [(-0.1, 0.5), (0.6, 0.5), (0.5, 1.1)])
def test_windows_outside_the_noise_levels_are_refused(low: float, high: float) -> None:
    with pytest.raises(InputError, match="window"):
        Window(low, high)


def test_a_recipe_survives_json_and_keeps_its_digest() -> None:
    recipe = make_recipe()
    again = Recipe.from_json(json.loads(json.dumps(recipe.to_json())))
    assert again == recipe
    assert again.digest == recipe.digest
    assert make_recipe(objective={"CM": -0.5, "LB": 1.0}).digest == recipe.digest


def test_the_digest_of_a_recipe_follows_every_field() -> None:
    changes: dict[str, Any] = {
        "prompt": "a street",
        "seed": 4,
        "generator": "small-unet",
        "generator_digest": "2" * 64,
        "objective": {"LB": 2},
        "target_digests": {},
        "direction": -1,
        "strength": 1,
        "window": (0.2, 0.5),
        "ramp": 0.1,
        "rule": "x0",
        "steps": 10,
    }
    assert set(changes) == {*make_recipe().to_json()} - {"format"}
    digests = {make_recipe(**{name: value}).digest for name, value in changes.items()}
    assert len(digests | {make_recipe().digest}) == len(changes) + 1


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"prompt": "  "}, "prompt"),
        ({"seed": -1}, "seed"),
        ({"direction": 2}, "direction"),
        ({"rule": "magic"}, "rule"),
        ({"steps": 0}, "steps"),
        ({"objective": {}}, "objective"),
        ({"objective": {"LB": float("nan")}}, "objective"),
        ({"strength": -1}, "strength"),
        ({"strength": float("inf")}, "strength"),
        ({"window": (0.5, 0.2)}, "window"),
        ({"ramp": 0.7}, "ramp"),
    ],
)
def test_bad_recipes_are_refused_by_field(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        make_recipe(**changes)


@pytest.mark.parametrize(
    "broken",
    [{"format": "other/1"}, {"colour": "red"}, {"window": [0.1]}, {"objective": [1]}, {"seed": "x"}],
)
def test_json_that_is_no_recipe_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="recipe"):
        Recipe.from_json({**make_recipe().to_json(), **broken})
    incomplete = {name: value for name, value in make_recipe().to_json().items() if name != "prompt"}
    with pytest.raises(InputError, match="prompt"):
        Recipe.from_json(incomplete)


def test_reading_recipes_needs_no_torch() -> None:
    code = "import sys, almond.guidance.recipe; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
