"""``python -m almond diagnose``: its configuration, its readers, its answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from almond.cli.main import main
from almond.diagnosis.configuration import DiagnosisConfig
from almond.diagnosis.from_config import readers_of_config
from almond.encoding.artifacts.artifact import EncoderArtifact, save_artifact
from almond.encoding.features.kinds.world import open_world
from almond.encoding.features.space import card_of_space
from almond.errors import InputError
from almond.generating.configuration import read_generation
from almond.generating.sources import load_sources
from almond.rng import generator
from almond.shapes import ShapeError
from almond.targets.target import Target, save_target

EXAMPLE = Path(__file__).parents[2] / "examples" / "diagnose.yaml"
Write = Callable[..., Path]
REGIONS = ("LB", "CM")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Targets from files, and encoders of four subjects, with random weights."""
    folder, space = tmp_path_factory.mktemp("lab"), open_world()
    for number, name in enumerate(("LB", "CM", "LB_judge", "CM_judge")):
        weights = generator(number, "target").normal(size=space.dimension)
        save_target(folder / "targets", Target(name, weights, 0.0, 10.0, space.digest, ("0" * 64,)))
    for region in REGIONS:
        for subject in ("01", "02", "03"):
            artifact = EncoderArtifact(
                subject=subject,
                region=region,
                model="pls",
                feature_space=card_of_space(space),
                weights=generator(1, region, subject).normal(size=(space.dimension, 1)),
                intercept=np.zeros(1),
                voxels=np.zeros((1, 3), np.int64),
                dropped=np.zeros((0, 3), np.int64),
                mask_digest="0" * 64,
            )
            save_artifact(folder / "encoders", artifact)
    return folder


@pytest.fixture
def write(tmp_path: Path, lab: Path) -> Write:
    def write_config(**changes: Any) -> Path:
        values: dict[str, Any] = {
            "features": {"kind": "world"},
            "target_folder": str(lab / "targets"),
            "targets": list(REGIONS),
            "judges": ["LB_judge", "CM_judge"],
            "prompts": ["a room", "a street"],
            "seeds": [3],
            "strengths": [0.12],
            "steps": 2,
            "window": [0.0, 0.9],
            "output": "pictures",
            "diagnosis": {"unguided": 4, "interpolations": 0, "permutations": 19, "report": "report"},
        }
        path = tmp_path / "diagnose.yaml"
        path.write_text(yaml.safe_dump({**values, **changes}))
        return path

    return write_config


def of_encoders(lab: Path, subjects: list[str]) -> dict[str, Any]:
    return {
        "encoders": str(lab / "encoders"),
        "reference": {"scenes": 5},
        "targets": [{"name": name, "region": name, "subjects": subjects} for name in REGIONS],
        "judges": [],
    }


def readers_of(path: Path) -> tuple[dict[str, Any], list[str]]:
    config = read_generation(path, DiagnosisConfig)
    readers, remarks = readers_of_config(config, load_sources(config))
    return {reader.role: reader for reader in readers}, remarks


def test_the_command_says_the_verdict_and_writes_the_report(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write()
    assert main(["diagnose", str(path)]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[0].startswith(("No verdict", "Bad"))
    assert "2 prompts allow no test over themes" in said
    report = path.parent / "report"
    result = json.loads((report / "result.json").read_text())
    assert result["pictures"] == {"unguided": 4, "guided": 8, "late": 4}
    drawn = {file: file.stat().st_mtime_ns for file in (path.parent / "pictures").rglob("*.png")}
    assert len(drawn) == 16
    assert main(["diagnose", str(path), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again == result
    assert drawn == {file: file.stat().st_mtime_ns for file in (path.parent / "pictures").rglob("*.png")}


def test_the_example_holds_the_settings_of_the_recipes(tmp_path: Path) -> None:
    text = EXAMPLE.read_text().replace("../demo/targets", str(tmp_path))
    path = tmp_path / "diagnose.yaml"
    path.write_text(text)
    settings = read_generation(path, DiagnosisConfig).diagnosis_settings()
    assert (len(settings.prompts), settings.strengths) == (6, (0.03, 0.06, 0.12))
    assert (settings.window, settings.objective, settings.both_signs) == ((0.02, 0.5), "clamp", True)


def test_subjects_who_do_not_guide_judge(write: Write, lab: Path) -> None:
    readers, remarks = readers_of(write(**of_encoders(lab, ["01", "02"])))
    assert (readers["guide"].subjects, readers["judge"].subjects) == ({"01", "02"}, {"03"})
    assert "made of sub-03" in remarks[0]


def test_where_everybody_guides_the_first_half_guides_instead(write: Write, lab: Path) -> None:
    readers, remarks = readers_of(write(**of_encoders(lab, [])))
    assert (readers["guide"].subjects, readers["judge"].subjects) == ({"01"}, {"02", "03"})
    assert "made anew of sub-01" in remarks[0]


def test_targets_from_files_without_judges_have_none(write: Write) -> None:
    readers, remarks = readers_of(write(judges=[]))
    assert set(readers) == {"guide"}
    assert "no judges were named" in remarks[0]
    world = {"world_judge": True}
    assert set(readers_of(write(judges=[], diagnosis=world))[0]) == {"guide", "judge"}


def test_a_judge_for_one_guide_alone_is_refused(write: Write) -> None:
    with pytest.raises(InputError, match="does not score CM"):
        readers_of(write(judges=["LB_judge"]))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"objectives": ["alone", "contrast"]}, "objectives: has several entries"),
        ({"directions": [-1]}, "directions: is"),
        ({"diagnosis": {"unguided": 2}}, "diagnosis.unguided"),
        ({"diagnosis": {"world_judge": True}}, "judges: stand beside"),
        ({"diagnosis": {"natural": "/no/such/folder"}}, "diagnosis.natural"),
        ({"diagnosis": {"ungided": 9}}, "unguided"),
    ],
)
def test_wrong_settings_are_named(write: Write, changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ShapeError, match=problem):
        read_generation(write(**changes), DiagnosisConfig)
