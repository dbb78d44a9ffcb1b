"""Axes of score space: components by an oracle, dose curves, clusters, and the command on a tiny world."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import adjusted_rand_score, silhouette_score

from almond.axes.components import score_components
from almond.axes.configuration import AxesConfig
from almond.axes.dose import SideDose
from almond.axes.profiles import profile_clusters, silhouette
from almond.cli.main import main
from almond.encoding.features.kinds.world import open_world
from almond.errors import InputError
from almond.generating.configuration import GenerationConfig, read_generation
from almond.rng import generator
from almond.shapes import ShapeError
from almond.stats.geometry.partitions import adjusted_rand
from almond.targets.axes import principal_axes
from almond.targets.target import Target, load_target, save_target, scores

NAMES = ("LB", "CM", "SF")


def targets(count: int = 3, width: int = 6) -> list[Target]:
    return [
        Target(name, generator(n, "axis test").normal(size=width), 0.2, 1.5, "f" * 64, ())
        for n, name in enumerate(NAMES[:count])
    ]


def test_components_are_the_principal_axes_of_targets() -> None:
    features = generator(1, "features").normal(size=(40, 6))
    rows = targets()
    values = np.stack([scores(target, features) for target in rows], axis=1)
    mine, axes = score_components(values), principal_axes(rows, features)
    np.testing.assert_allclose(mine.loadings, axes.loadings, atol=1e-9)
    np.testing.assert_allclose(mine.shares, axes.shares, atol=1e-12)
    along = np.stack([scores(target, features) for target in axes.targets], axis=1)
    np.testing.assert_allclose(mine.along(values), along, atol=1e-9)


def test_components_have_fixed_signs() -> None:
    values = generator(2, "scores").normal(size=(30, 3))
    first, flipped = score_components(values), score_components(-values)
    np.testing.assert_allclose(first.loadings, flipped.loadings, atol=1e-12)
    largest = np.abs(first.loadings).argmax(axis=1)
    assert (first.loadings[np.arange(3), largest] > 0).all()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros((5, 2)), "do not vary"),
        (np.zeros((2, 2)), "shape"),
        (np.array([[0.0, 1.0], [np.nan, 1.0], [2.0, 3.0]]), "not finite|NaN|nan"),
    ],
)
def test_scores_without_components_are_refused(values: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        score_components(values)


def dose(shifts: list[float], direction: int = 1) -> SideDose:
    values = direction * np.array([[[value, 0.5] for value in shifts]])
    return SideDose(0, direction, np.array([0.1, 0.2, 0.4][: len(shifts)]), values)


def test_each_side_is_calibrated_by_its_own_curve() -> None:
    assert dose([0.5, 1.5, 2.0]).strength_for(1.0) == pytest.approx(0.15)
    assert dose([0.5, 1.5, 2.0], direction=-1).strength_for(1.0) == pytest.approx(0.15)
    assert dose([2.0]).strength_for(1.0) == pytest.approx(0.05)
    assert dose([0.5, 0.9, 0.7]).strength_for(1.0) is None
    assert dose([0.8, 0.4, 1.2]).strength_for(1.0) == pytest.approx(0.3)  # the dip does not count


def test_off_axis_shift_and_monotone_scenes_are_read_from_the_curve() -> None:
    shifts = np.array([[[0.2, 0.1], [1.0, 0.7]], [[1.0, 0.0], [0.5, 0.9]], [[-0.5, 0.0], [-0.4, 0.2]]])
    side = SideDose(0, 1, np.array([0.1, 0.2]), shifts)
    np.testing.assert_allclose(side.off_axis, [1.1 / 3, 0.6])
    assert side.monotone == pytest.approx(1 / 3)
    assert side.right_sign == pytest.approx(2 / 3)


def test_silhouette_and_rand_index_equal_those_of_scikit_learn() -> None:
    rng = generator(3, "clusters")
    points, labels = rng.normal(size=(25, 3)), rng.integers(0, 4, 25)
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    assert silhouette(distances, labels) == pytest.approx(silhouette_score(points, labels))
    other = rng.integers(0, 3, 25)
    table = np.zeros((4, 3), np.intp)
    np.add.at(table, (labels, other), 1)
    assert adjusted_rand(table) == pytest.approx(adjusted_rand_score(labels, other))


def test_profiles_that_fall_into_groups_are_found_and_compared_with_regions() -> None:
    rng = generator(4, "profiles")
    centres = np.array([[4.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 4.0]])
    truth = np.repeat([0, 1, 2], [20, 12, 8])
    clusters = profile_clusters(centres[truth] + rng.normal(scale=0.3, size=(40, 3)))
    np.testing.assert_array_equal(clusters.labels, truth)  # the largest first
    assert clusters.agreement == pytest.approx(1.0)
    assert clusters.silhouette > 0.7
    np.testing.assert_array_equal(clusters.counts, np.diag([20, 12, 8]))
    assert len(profile_clusters(rng.normal(size=(40, 3)), count=5).centres) == 5
    with pytest.raises(InputError, match="does not vary"):
        profile_clusters(np.ones((12, 2)))


@pytest.fixture(scope="module")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, space = tmp_path_factory.mktemp("axes"), open_world()
    for number, name in enumerate((*NAMES[:2], "LB_judge", "CM_judge")):
        weights = generator(number, "target").normal(size=space.dimension)
        save_target(folder / "targets", Target(name, weights, 0.0, 10.0, space.digest, ("0" * 64,)))
    values = {
        "features": {"kind": "world"},
        "target_folder": "targets",
        "targets": list(NAMES[:2]),
        "judges": ["LB_judge", "CM_judge"],
        "prompts": ["a street"],
        "seeds": [3],
        "steps": 2,
        "strengths": [0.5],
        "window": [0.0, 1.0],
        "output": "pictures",
        "axes": {
            "unguided": 10,
            "components": 1,
            "contrasts": {"CM_LB": {"CM": 1, "LB": -1}},
            "wanted": 0.01,
        },
    }
    path = folder / "axes.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def test_the_command_pushes_along_axes_and_keeps_them_as_targets(config_file: Path) -> None:
    assert main(["axes", str(config_file)]) == 0
    folder = config_file.parent / "axes"
    result = json.loads((folder / "result.json").read_bytes())
    assert [axis["name"] for axis in result["axes"]] == ["PC_1", "CM_LB"]
    for axis in result["axes"]:
        kept = load_target(folder / "targets" / f"{axis['target_digest']}.json")
        assert kept.name == axis["name"]
        assert set(axis["read"]) == {"guide", "judge"}
        for side in axis["read"]["guide"]:
            reached = axis["calibrated_strengths"][side["side"]]
            assert (reached is None) == (side["shift"][0] < 0.01)
            assert (side["reached_when_calibrated"] is None) == (reached is None)
    unguided = pd.read_csv(folder / "unguided.csv")
    assert len(unguided) == 10
    assert unguided["PC_1"].std(ddof=0) == pytest.approx(1.0, abs=1e-6)
    pushes = pd.read_csv(folder / "pushes.csv")
    assert (~pushes["calibrated"]).sum() == 4
    assert "Axes of score space" in (folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"objectives": ["clamp"]}, "objectives: is decided by the axes"),
        ({"axes": {"components": 0}}, "names no axis"),
        ({"axes": {"contrasts": {"a": {"IT": 1}}}}, "weighs IT"),
        ({"axes": {"contrasts": {"a": {"LB": 0}}}}, "no weight that is not 0"),
        ({"axes": {"world_judge": True}}, "judges: stand beside"),
        ({"targets": ["LB"], "judges": []}, "needs two targets"),
    ],
)
def test_contradictions_of_axes_are_told(
    config_file: Path, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    values = yaml.safe_load(config_file.read_text())
    values["target_folder"] = str(config_file.parent / "targets")
    path = tmp_path / "axes.yaml"
    path.write_text(yaml.safe_dump({**values, **changes}))
    with pytest.raises(ShapeError, match=words):
        read_generation(path, AxesConfig)


@pytest.mark.parametrize(("name", "shape"), [("axes", AxesConfig), ("free", GenerationConfig)])
def test_examples_are_configurations(tmp_path: Path, name: str, shape: type[GenerationConfig]) -> None:
    text = (Path(__file__).parents[2] / "examples" / f"{name}.yaml").read_text()
    (tmp_path / "demo" / "targets").mkdir(parents=True)
    path = tmp_path / "examples" / f"{name}.yaml"
    path.parent.mkdir()
    path.write_text(text)
    config = read_generation(path, shape)
    assert config.output.name in ("axes-pictures", "free")
