"""Trajectories: equal spacing by an oracle, the search by a staircase, the command on a tiny world."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy.optimize import linprog

from almond.axes.configuration import AxesConfig
from almond.cli.main import main
from almond.digest import digest_file
from almond.encoding.features.kinds.world import open_world
from almond.errors import DigestMismatch, InputError
from almond.generating.configuration import read_generation
from almond.guidance.recipe import Recipe
from almond.pictures.reading import read_image
from almond.progress import Silent
from almond.rng import generator
from almond.shapes import ShapeError
from almond.stimuli.images import png_bytes
from almond.targets.target import Target, save_target
from almond.trajectories.changes import changed_attributes
from almond.trajectories.configuration import TrajectoryConfig
from almond.trajectories.from_config import trajectories_of_config
from almond.trajectories.search import TrajectoryScene, next_aims, seek_trajectory
from almond.trajectories.settings import TrajectorySettings, calibrated_settings
from almond.trajectories.spacing import best_spacing, fitted_levels, spacing_at

COMMON = {
    "prompt": "a street",
    "seed": 3,
    "generator": "analytic",
    "generator_digest": "0" * 64,
    "window": (0.02, 0.5),
    "ramp": 0.0,
    "steps": 25,
}


def largest_residual(values: np.ndarray) -> float:
    """The smallest largest residual of a line, by linear programming."""
    steps = np.arange(len(values))
    rows = [[*sign * np.array([-1.0, -step]), -1.0] for sign in (1, -1) for step in steps]
    bounds = [*-values, *values]
    found = linprog([0, 0, 1], A_ub=rows, b_ub=bounds, bounds=[(None, None), (None, None), (0, None)])
    return float(found.x[2])


@pytest.mark.parametrize("seed", range(5))
def test_levels_are_fitted_as_linear_programming_does(seed: int) -> None:
    values = np.sort(np.random.default_rng(seed).normal(size=6))
    levels = fitted_levels(values)
    assert levels is not None
    np.testing.assert_allclose(np.diff(levels), np.diff(levels)[0])
    assert np.abs(values - levels).max() == pytest.approx(largest_residual(values), abs=1e-9)


def test_scores_that_fall_have_no_levels() -> None:
    assert fitted_levels(np.array([3.0, 2.0, 1.0])) is None


@pytest.mark.parametrize("seed", range(4))
def test_the_best_spacing_beats_every_grid_between_two_scores(seed: int) -> None:
    scores = np.random.default_rng(seed).normal(size=12)
    least = 0.6 * np.ptp(scores)
    best = best_spacing(scores, 4, least=least)
    grids = [
        spacing_at(scores, np.linspace(low, high, 4)).worst
        for low, high in itertools.permutations(scores, 2)
        if high - low >= least
    ]
    assert best.worst <= min(grids) + 1e-9
    assert best.levels[-1] - best.levels[0] >= least * (1 - 1e-6)
    np.testing.assert_allclose(best.errors, np.abs(scores[list(best.pictures)] - best.levels) / best.gap)


def test_what_cannot_be_spaced_is_refused() -> None:
    with pytest.raises(InputError, match="span"):
        best_spacing(np.array([0.0, 1.0, 2.0]), 3, least=3.0)
    with pytest.raises(InputError, match="3 or more"):
        best_spacing(np.array([0.0, 1.0, 2.0]), 2, least=1.0)
    with pytest.raises(InputError, match="ascending"):
        spacing_at(np.array([0.0, 1.0]), np.array([1.0, 0.0, 2.0]))


def staircase(recipe: Recipe) -> float:
    """A world whose score only takes quarters off whole numbers; other noises shift the stairs."""
    if recipe.objective_kind == "level":
        wanted = recipe.direction * recipe.settings["level"]
        return round(wanted) + 0.37 * recipe.noise % 1.0
    return recipe.direction * (4.0 if recipe.strength > 0.1 else 1.0)


class Drawn:
    """Scores recipes by the staircase, and remembers them."""

    def __init__(self, score: Callable[[Recipe], float] = staircase) -> None:
        self.own, self.recipes = score, list[Recipe]()

    def __call__(self, recipes: Sequence[Recipe]) -> list[float]:
        self.recipes += recipes
        return [self.own(recipe) for recipe in recipes]


def scene(**changes: Any) -> TrajectoryScene:
    return TrajectoryScene("LB", COMMON, TrajectorySettings(**changes))


def test_other_noises_are_tried_until_every_level_is_met() -> None:
    drawn = Drawn()
    sought = seek_trajectory(scene(pictures=6), drawn)
    assert sought.reached
    assert sought.sentences == []
    assert len(drawn.recipes) < 60
    assert len({recipe.digest for recipe in drawn.recipes}) == len(drawn.recipes)
    spacing = sought.spacing
    assert spacing is not None
    assert spacing.worst <= 0.25
    assert np.ptp(spacing.levels) >= 0.7 * 8.0


def test_the_same_scores_ask_for_the_same_pictures() -> None:
    first, second = Drawn(), Drawn()
    seek_trajectory(scene(pictures=6), first)
    seek_trajectory(scene(pictures=6), second)
    assert [recipe.digest for recipe in first.recipes] == [recipe.digest for recipe in second.recipes]


def test_what_is_not_reachable_is_said_and_the_budget_is_kept() -> None:
    def stuck(recipe: Recipe) -> float:
        return float(recipe.direction * 2 if recipe.objective_kind == "axis" else 0)

    drawn = Drawn(stuck)
    sought = seek_trajectory(scene(budget=21), drawn)
    assert len(drawn.recipes) == 21
    assert not sought.reached
    assert len(sought.sentences) == 1
    assert sought.sentences[0].startswith("Not reachable with 21 pictures: 2 of 5 levels (")


def test_all_ways_are_tried_once_and_then_the_search_ends() -> None:
    drawn = Drawn(lambda recipe: float(recipe.direction * 2 if recipe.objective_kind == "axis" else 0))
    sought = seek_trajectory(scene(noises=1, budget=1000), drawn)
    assert len(drawn.recipes) == 7 + 2 * 3  # two levels, three strengths, one noise
    assert sought.spacing is not None
    assert list(next_aims(sought.scene, sought.pool, sought.spacing)) == []


def test_a_score_that_hardly_moves_has_no_trajectory() -> None:
    drawn = Drawn(lambda recipe: 0.01 * recipe.direction)
    sought = seek_trajectory(scene(noises=1), drawn)
    assert sought.spacing is None
    assert len(drawn.recipes) == 7
    assert "move LB by 0.02 SD" in sought.sentences[0]


def test_further_noises_are_tried_where_pushes_hardly_move_the_score() -> None:
    def others_only(recipe: Recipe) -> float:
        return float("nan") if recipe.guided and not recipe.noise else staircase(recipe)

    drawn = Drawn(others_only)
    sought = seek_trajectory(scene(), drawn)
    assert sought.reached
    assert [recipe.noise for recipe in drawn.recipes[:13]] == [0] * 7 + [1] * 6

    nobody = Drawn(lambda recipe: float("nan") if recipe.guided else 0.0)
    flat = seek_trajectory(scene(budget=20), nobody)
    assert flat.spacing is None
    assert len(nobody.recipes) == 13
    assert "among the 1 pictures with the people of the scene" in flat.sentences[0]


def test_pictures_that_may_not_be_taken_are_not() -> None:
    def no_others(recipe: Recipe) -> float:
        return float("nan") if recipe.noise == 1 else staircase(recipe)

    sought = seek_trajectory(scene(pictures=6), Drawn(no_others))
    assert sought.spacing is not None
    assert all(sought.pool.recipes[index].noise != 1 for index in sought.spacing.pictures)
    assert any(recipe.noise == 1 for recipe in sought.pool.recipes)


def test_levels_below_the_unguided_picture_are_approached_from_above() -> None:
    low = scene().levelled(-1.5, 0.0, 2, 1.0)
    assert (low.direction, low.settings["level"], low.noise) == (-1, 1.5, 2)
    assert low.window == (0.02, 0.9)


def test_changed_attributes_are_written_in_words() -> None:
    before, after = (
        {"object": "none", "presence": "nobody"},
        {"object": "snake", "presence": "one", "gaze": "direct"},
    )
    assert changed_attributes(before, after) == [
        "object: none → snake",
        "presence: nobody → one",
        "gaze: nothing → direct",
    ]
    assert changed_attributes(before, before) == []


def test_other_generators_start_with_their_own_strengths_and_one_noise() -> None:
    assert calibrated_settings(TrajectorySettings(), "analytic") == TrajectorySettings()
    other = calibrated_settings(TrajectorySettings(noises=3), "/models/sdxl")
    assert (other.strengths, other.level_strength, other.noises) == ((0.5, 1.0), 1.0, 3)
    assert calibrated_settings(TrajectorySettings(), "small-unet").noises == 1


@pytest.fixture(scope="module")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, space = tmp_path_factory.mktemp("trajectory"), open_world()
    for number, name in enumerate(("LB", "CM", "LB_judge", "CM_judge")):
        weights = generator(number, "target").normal(size=space.dimension)
        save_target(folder / "targets", Target(name, weights, 0.0, 10.0, space.digest, ("0" * 64,)))
    values = {
        "features": {"kind": "world"},
        "target_folder": "targets",
        "targets": ["LB"],
        "judges": ["LB_judge"],
        "prompts": ["a street"],
        "seeds": [3],
        "steps": 3,
        "window": [0.0, 0.9],
        "output": "pictures",
        "trajectory": {"pictures": 3, "budget": 8, "strengths": [0.5], "window": [0.0, 1.0]},
    }
    path = folder / "trajectory.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.fixture(scope="module")
def result(config_file: Path) -> dict[str, Any]:
    assert main(["trajectory", str(config_file)]) == 0
    written: dict[str, Any] = json.loads((config_file.parent / "trajectories" / "result.json").read_bytes())
    return written


def test_the_command_writes_a_trajectory_with_its_provenance(
    config_file: Path, result: dict[str, Any]
) -> None:
    folder = config_file.parent / "trajectories"
    row = result["trajectories"][0]
    assert row["drawn"] <= 8
    assert result["provenance"]["generator"]["name"] == "analytic"
    assert [reader["role"] for reader in result["readers"]] == ["guide", "judge"]
    for step in row["steps"]:
        assert digest_file(folder / step["file"]) == step["image_sha256"]
        assert (config_file.parent / "pictures" / "images" / f"{step['recipe_digest']}.json").is_file()
        assert step["read"]["guide"]["LB"] == pytest.approx(step["scores"]["LB"], abs=1e-4)
        assert set(step["read"]) == {"guide", "judge"}
        assert step["scene"]["presence"] in ("nobody", "one", "group")
    assert read_image(folder / "strips" / "01.png").shape[0] == 192
    assert len(row["changes"]) == 2
    assert "Trajectories" in (folder / "report.html").read_text()


def test_finished_pictures_are_not_drawn_again(
    config_file: Path, result: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def none_to_draw(recipes: Sequence[Recipe], **_: Any) -> list[Any]:
        asked.append(len(recipes))
        return []

    monkeypatch.setattr("almond.generating.drawn.generate", none_to_draw)
    assert main(["trajectory", str(config_file), "--json"]) == 0
    assert set(asked) == {0}


def test_a_changed_picture_is_refused(config_file: Path, result: dict[str, Any]) -> None:
    name = result["trajectories"][0]["steps"][0]["recipe_digest"]
    path = config_file.parent / "pictures" / "images" / f"{name}.png"
    before = path.read_bytes()
    path.write_bytes(before + b"x")
    try:
        with pytest.raises(DigestMismatch):
            trajectories_of_config(read_generation(config_file, TrajectoryConfig), Silent())
    finally:
        path.write_bytes(before)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"objectives": ["clamp"]}, "objectives: is decided by the trajectory"),
        ({"trajectory": {"budget": 9}}, "trajectory: budget|trajectory.budget"),
        ({"trajectory": {"window": [0.9, 0.1]}}, "trajectory.*window"),
        ({"trajectory": {"world_judge": True}}, "judges: stand beside"),
    ],
)
def test_contradictions_are_told(
    config_file: Path, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    values = yaml.safe_load(config_file.read_text())
    values["target_folder"] = str(config_file.parent / "targets")
    path = tmp_path / "trajectory.yaml"
    path.write_text(yaml.safe_dump({**values, **changes}))
    with pytest.raises(ShapeError, match=words):
        read_generation(path, TrajectoryConfig)


def test_the_example_is_a_configuration(tmp_path: Path) -> None:
    values = yaml.safe_load((Path(__file__).parents[2] / "examples" / "trajectory.yaml").read_text())
    (tmp_path / "demo" / "targets").mkdir(parents=True)
    path = tmp_path / "examples" / "trajectory.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(values))
    config = read_generation(path, TrajectoryConfig)
    assert config.trajectory.pictures == 5
    assert config.trajectory.budget == 60


@pytest.mark.parametrize("shape", [TrajectoryConfig, AxesConfig])
def test_sections_that_would_do_nothing_are_refused(shape: type[Any], config_file: Path) -> None:
    values = yaml.safe_load(config_file.read_text())
    values.pop("trajectory", None)
    photograph = config_file.with_name("photograph.png")
    photograph.write_bytes(png_bytes(np.zeros((8, 8, 3), np.uint8)))
    values |= {"start": {"photograph": str(photograph), "strength": 0.5}, "rank": {"keep": 3}}
    path = config_file.with_name("in-vain.yaml")
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(ShapeError) as caught:
        read_generation(path, shape=shape)
    said = "\n".join(caught.value.problems)
    assert "start: is given, and" in said
    assert "rank: is given, and" in said
