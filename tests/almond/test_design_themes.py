"""Themes of base scenes: stated, or derived and said so; digests of old plans; enough of them for a test."""

from __future__ import annotations

from typing import Any

import pytest

from almond.design.plan import StudyPlan
from almond.design.readiness import least_themes, theme_warnings, themes_of_test
from almond.design.themes import LEAST_THEMES, theme_in_name, theme_named
from almond.shapes import ShapeError
from tests.almond.design_plans import full_plan, natural_plan, with_themes


def changed(plan: StudyPlan, **fields: Any) -> StudyPlan:
    return StudyPlan.from_json({**plan.to_json(), **fields})


def test_a_plan_with_themes_is_read_back_and_has_another_digest() -> None:
    plain, plan = full_plan(6, 2), with_themes(full_plan(6, 2), 2)
    assert StudyPlan.from_bytes(plan.to_bytes()) == plan
    assert plan.to_json()["stimuli"][0]["theme"] == "theme-0"
    assert plan.digest != plain.digest
    assert plan.themes == ("theme-0", "theme-1", "theme-2")
    assert plan.theme_of_scene["scene-5"] == "theme-2"
    assert plan.theme_remark == ""


def test_a_plan_without_themes_keeps_its_bytes() -> None:
    """The digest was taken before there were themes."""
    plan = full_plan()
    assert b"theme" not in plan.to_bytes()
    assert plan.digest == "05e56c8400eea84c748a3d91e97656328d09fa86e25fcac843ca7f580eedfde7"
    assert StudyPlan.from_bytes(plan.to_bytes()).to_bytes() == plan.to_bytes()


def test_themes_that_no_plan_states_are_prompts_and_said_so() -> None:
    plan = full_plan(3, 2)
    assert plan.theme_of_scene == dict.fromkeys(("scene-0", "scene-1", "scene-2"), "a street")
    assert plan.told_themes == {}
    assert plan.theme_remark == (
        "The plan does not state every theme: the prompt stands for the theme of 3 base scenes."
    )


def test_natural_images_without_themes_are_one_each_and_said_so() -> None:
    plan = natural_plan(5, 3)
    assert plan.themes == tuple(sorted(plan.theme_of_scene))
    assert plan.theme_remark == (
        "The plan does not state every theme: 5 base scenes without a prompt count as a theme each."
    )


def test_the_theme_of_one_image_is_that_of_its_scene() -> None:
    values = full_plan(2, 1).to_json()
    values["stimuli"][0]["theme"] = "streets"
    plan = StudyPlan.from_json(values)
    assert plan.theme_of_scene == {"scene-0": "streets", "scene-1": "a street"}
    assert plan.theme_remark == (
        "The plan does not state every theme: the prompt stands for the theme of 1 base scene."
    )


def test_two_themes_of_one_scene_are_refused() -> None:
    values = full_plan(2, 1).to_json()
    values["stimuli"][0]["theme"], values["stimuli"][1]["theme"] = "streets", "roads"
    with pytest.raises(ShapeError) as error:
        StudyPlan.from_json(values)
    assert error.value.problems == (
        "stimuli[1].theme: is 'roads', but base scene 'scene-0' has theme 'streets'",
    )
    values["stimuli"][1]["theme"] = " "
    with pytest.raises(ShapeError, match=r"stimuli\[1\]\.theme: is empty"):
        StudyPlan.from_json(values)


@pytest.mark.parametrize(
    ("text", "theme"), [("A  Street\n at night", "a street at night"), (" ", ""), ("Acorns 1", "acorns 1")]
)
def test_a_text_names_a_theme_whatever_its_spaces_and_capitals(text: str, theme: str) -> None:
    assert theme_named(text) == theme


@pytest.mark.parametrize(
    ("name", "theme"),
    [
        ("Acorns 1", "acorns"),
        ("dog_12", "dog"),
        ("Beach-3", "beach"),
        ("2841", "2841"),
        ("Route 66 b", "route 66 b"),
    ],
)
def test_a_name_holds_a_theme_and_a_number(name: str, theme: str) -> None:
    assert theme_in_name(name) == theme


def test_six_themes_are_the_fewest_that_reach_five_percent() -> None:
    for alpha in (0.05, 0.01, 0.005, 0.001):
        needed = least_themes(alpha)
        assert 2 / 2**needed <= alpha < 2 / 2 ** (needed - 1)
    assert least_themes(0.05) == LEAST_THEMES == 6
    assert least_themes(0.5) == 6
    assert least_themes(0.0) == 6


def test_too_few_themes_are_said_with_the_number_that_would_do() -> None:
    plan = with_themes(full_plan(8, 2), 2)
    assert len(themes_of_test(plan, "choices")) == 4
    first, second = theme_warnings(plan)
    assert first.startswith("The test “classification” has 4 themes, and needs 6: it counts themes as")
    assert first.endswith("Plan images of 2 more.")
    assert "seeds of one prompt" in first
    assert second.startswith("The test “choices” has 4 themes")
    assert theme_warnings(with_themes(full_plan(6, 2), 1)) == []
    strict = changed(with_themes(full_plan(6, 2), 1), analysis={"alpha": 0.01, "primary": ["choices"]})
    assert theme_warnings(strict)[0].endswith("Plan images of 2 more.")


def test_a_test_has_the_themes_of_what_its_blocks_show() -> None:
    values = with_themes(full_plan(7, 2, choices=4), 1).to_json()
    pairs = [pair for pair in values["pairs"] if pair["base_scene"] < "scene-2"]
    fewer = StudyPlan.from_json({**values, "pairs": pairs})
    assert themes_of_test(fewer, "choices") == {"theme-0", "theme-1"}
    assert len(themes_of_test(fewer, "classification")) == 7
    (warning,) = theme_warnings(fewer)
    assert "“choices” has 2 themes" in warning


def test_a_study_of_photographs_is_told_of_images_not_of_prompts() -> None:
    plan = changed(with_themes(natural_plan(8, 4), 8), analysis={"primary": ["natural"]})
    (warning,) = theme_warnings(plan)
    assert "has 1 theme, and needs 6" in warning
    assert "not images" in warning
