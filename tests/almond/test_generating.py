"""``python -m almond generate``: configuration, shards, resuming and joining, without a database."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from almond.cli.main import main
from almond.digest import digest_bytes, digest_file
from almond.encoding.features.kinds.world import open_world
from almond.errors import DigestMismatch, InputError
from almond.generating import make
from almond.generating.configuration import GenerationConfig, planned_images, read_generation
from almond.generating.folder import IMAGES, SCORES, finished, merge_generated, read_generated
from almond.generating.make import Shard, generate_shard
from almond.generating.sources import load_sources
from almond.guidance.backends.load import load_generator
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import generate
from almond.progress import Silent
from almond.shapes import ShapeError
from almond.stimuli.images import png_bytes
from almond.targets.target import Target, save_target

EXAMPLES = Path(__file__).parents[2] / "examples"
PROMPTS = ["a street at night", "a room"]
Write = Callable[..., Path]


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, space = tmp_path_factory.mktemp("lab") / "targets", open_world()
    rng = np.random.default_rng(1)
    for name in ("LB", "CM", "LB_judge"):
        weights = rng.standard_normal(space.dimension)
        save_target(folder, Target(name, weights, 0.0, 10.0, space.digest, ("0" * 64,)))
    return folder


@pytest.fixture
def write(tmp_path: Path, targets: Path) -> Write:
    """Write a configuration that makes ten small images, with changes."""

    def write_config(**changes: Any) -> Path:
        values = {
            "features": {"kind": "world"},
            "target_folder": str(targets),
            "targets": ["LB", "CM"],
            "judges": ["LB_judge"],
            "prompts": PROMPTS,
            "seeds": [3],
            "strengths": [0.2],
            "steps": 4,
            "window": [0.0, 0.9],
            "output": "made",
        }
        path = tmp_path / "generate.yaml"
        path.write_text(yaml.safe_dump({**values, **changes}))
        return path

    return write_config


def config_of(path: Path, **changes: Any) -> GenerationConfig:
    return read_generation(path, GenerationConfig).model_copy(update=changes)


def bytes_in(folder: Path) -> dict[str, str]:
    return {path.name: digest_file(path) for path in sorted((folder / IMAGES).iterdir())}


def test_every_error_is_told_at_once_with_its_path(write: Write) -> None:
    path = write(
        prompts=["a street", "xyzzy"],
        rules=["thruogh"],
        strengths=[0.1, -1],
        directions=[1, 2],
        window=[0.5, 0.2],
        targets=["LB", "LB", {"name": "IT", "region": "IT"}],
        colour="red",
    )
    with pytest.raises(ShapeError) as caught:
        read_generation(path, GenerationConfig)
    paths = {problem.split(":")[0] for problem in caught.value.problems}
    assert {"rules[0]", "strengths[1]", "directions[1]", "colour"} <= paths
    assert {"prompts[1]", "window", "targets", "targets[2]"} <= paths
    with pytest.raises(ShapeError, match="seeds: '4-1' is no range"):
        config_of(write(seeds=["4-1"]))


def test_seeds_are_written_as_ranges_too(write: Write) -> None:
    assert config_of(write(seeds=["1-3", 9])).seeds == (1, 2, 3, 9)
    assert config_of(write(seeds="2-3")).seeds == (2, 3)


def test_what_is_not_given_is_as_the_generator_was_calibrated(write: Write) -> None:
    grid = config_of(write(strengths=None, window=None, steps=None)).grid
    usual = load_generator("analytic").defaults
    assert (grid.strengths, grid.window, grid.steps) == (usual.strengths, usual.window, usual.steps)


def test_a_grid_expands_to_every_combination_once(write: Write) -> None:
    config = config_of(
        write(rules=["through", "x0"], objectives=["alone", "contrast"], strengths=[0.1, 0.2], seeds=[1, 2])
    )
    planned = planned_images(config, generator_digest="a" * 64, targets={"LB": "1" * 64, "CM": "2" * 64})
    assert len(planned) == 4 * (1 + 2 * 2 * 2 * 2 * 2) == 4 * config.grid.images_of_scene(2)
    assert len({image.recipe.digest for image in planned}) == len(planned)
    assert planned[0].recipe.direction == 0
    contrast = next(image for image in planned if image.target == "CM" and image.objective == "contrast")
    assert contrast.recipe.objective == {"CM": 1.0, "LB": -1.0}


def test_an_image_of_a_folder_is_the_image_of_its_recipe(write: Write) -> None:
    config = config_of(write(prompts=PROMPTS[:1]))
    report = generate_shard(config, Shard(), Silent())
    assert (report.made, report.there, report.planned) == (5, 5, 5)
    table = pd.read_csv(config.output / SCORES)
    assert list(table["intended_target"].fillna("")) == ["", "LB", "LB", "CM", "CM"]
    record, png = next(iter(read_generated(config.output)))
    assert set(record.scores) == {"LB", "CM", "LB_judge"}
    assert len(record.trace) == config.grid.steps
    sources = load_sources(config)
    (again,) = generate([record.recipe], generator=sources.generator, scorer=sources.scorer)
    assert png_bytes(again.image) == png
    row = table.set_index("recipe_digest").loc[record.name]
    assert row["image_sha256"] == digest_bytes(png)
    assert row["score_LB"] == pytest.approx(again.scores["LB"])


def test_shards_together_are_the_whole(write: Write, tmp_path: Path) -> None:
    config = config_of(write())
    generate_shard(config, Shard(), Silent())
    parts = [tmp_path / f"part{number}" for number in (1, 2)]
    for number, part in enumerate(parts, start=1):
        report = generate_shard(config_of(write(), output=part), Shard(number, 2), Silent())
        assert (report.images, report.there) == (5, 5)
    assert merge_generated(parts, tmp_path / "joined")[0] == 10
    assert bytes_in(tmp_path / "joined") == bytes_in(config.output)
    assert main(["import-images", *map(str, parts), "--out", str(tmp_path / "joined")]) == 0


def test_work_goes_on_at_the_first_missing_picture(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of(write(prompts=PROMPTS[:1]))
    generate_shard(config, Shard(), Silent())
    whole = bytes_in(config.output)
    lost = finished(config.output)[1:3]
    (config.output / IMAGES / f"{lost[0]}.json").unlink()  # the image without its record, as after a kill
    for ending in ("json", "png"):
        (config.output / IMAGES / f"{lost[1]}.{ending}").unlink()
    asked: list[str] = []

    def watched(recipes: list[Recipe], **options: Any) -> Any:
        asked.extend(recipe.digest for recipe in recipes)
        return generate(recipes, **options)

    monkeypatch.setattr(make, "generate", watched)
    assert generate_shard(config, Shard(), Silent()).made == 2
    assert sorted(asked) == sorted(lost)
    assert bytes_in(config.output) == whole


def test_what_was_changed_or_made_with_other_weights_is_refused(
    write: Write, tmp_path: Path, targets: Path
) -> None:
    config = config_of(write(prompts=PROMPTS[:1], directions=[1]))
    generate_shard(config, Shard(), Silent())
    with pytest.raises(InputError, match="another configuration"):
        generate_shard(config_of(write(directions=[1])), Shard(), Silent())
    others = tmp_path / "others"
    shutil.copytree(targets, others)
    old = next(path for path in others.glob("*.json") if json.loads(path.read_bytes())["name"] == "LB")
    old.unlink()
    save_target(others, Target("LB", np.ones(open_world().dimension), 0.0, 1.0, open_world().digest, ()))
    foreign = config_of(write(prompts=PROMPTS[:1], directions=[1], target_folder=str(others)))
    with pytest.raises(DigestMismatch, match="target LB"):
        generate_shard(foreign, Shard(), Silent())
    generate_shard(foreign.model_copy(update={"output": tmp_path / "foreign"}), Shard(), Silent())
    with pytest.raises(DigestMismatch, match="target LB"):
        merge_generated([config.output, tmp_path / "foreign"], tmp_path / "joined")
    name = finished(config.output)[0]
    picture, record = (config.output / IMAGES / f"{name}.{ending}" for ending in ("png", "json"))
    bytes_before = picture.read_bytes()
    picture.write_bytes(bytes_before + b"x")
    with pytest.raises(DigestMismatch, match=r"\.png"):
        generate_shard(config, Shard(), Silent())
    picture.write_bytes(bytes_before)
    record.write_text(record.read_text().replace('"score_digests"', '"Score_digests"'))
    with pytest.raises(DigestMismatch, match=r"\.json"):
        merge_generated([config.output], tmp_path / "joined")


def test_targets_that_are_missing_are_named(write: Write) -> None:
    with pytest.raises(InputError, match=r"holds 0 targets called IT.*CM, LB, LB_judge"):
        generate_shard(config_of(write(targets=["IT"])), Shard(), Silent())


def test_the_command_says_first_what_it_will_make(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(prompts=["a woman sitting in a kitchen"])
    assert main(["generate", str(path), "--plan"]) == 0
    printed = capsys.readouterr().out
    assert "5 images of 1 scenes" in printed
    assert "does not know sitting, kitchen" in printed
    assert not (path.parent / "made").exists()
    assert main(["generate", str(path), "--shard", "3/2"]) != 0
    assert main(["generate", str(path), "--json", "--out", str(path.parent / "there")]) == 0
    assert json.loads(capsys.readouterr().out)["there"] == 5


def test_the_examples_are_configurations(tmp_path: Path) -> None:
    folder = tmp_path / "examples"
    for name in ("models/sdxl-base-1.0", "artifacts", "reference", "../demo/targets"):
        (folder / name).resolve().mkdir(parents=True)
    for name in ("generate.yaml", "sdxl.yaml"):
        shutil.copy(EXAMPLES / name, folder)
    small = config_of(folder / "generate.yaml")
    assert small.target_folder is not None
    assert small.target_folder.resolve() == tmp_path / "demo" / "targets"
    large = config_of(folder / "sdxl.yaml")
    assert large.generator == str(folder / "models" / "sdxl-base-1.0")
    assert large.grid.images_of_scene(len(large.targets)) == 1 + 2 * 2 * 2 * 2
