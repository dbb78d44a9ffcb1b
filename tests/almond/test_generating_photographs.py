"""``python -m almond generate`` from photographs: configuration, digests, likeness, the example."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from almond.cli.main import main
from almond.digest import digest_file
from almond.encoding.features.kinds.world import open_world
from almond.errors import DigestMismatch, InputError
from almond.generating import make
from almond.generating.configuration import GenerationConfig, read_generation
from almond.generating.folder import SCORES, read_generated, read_manifest
from almond.generating.make import Shard, generate_shard
from almond.generating.sources import added_networks, load_sources, recipe_pictures
from almond.guidance.added.add import add_model
from almond.guidance.backends.diffusion import DiffusionGenerator
from almond.guidance.backends.load import load_generator
from almond.guidance.batch_size import GIB
from almond.guidance.model_settings import ModelOptions
from almond.progress import Silent
from almond.shapes import ShapeError
from almond.targets.target import Target, save_target
from tests.almond.picture_folders import (
    SIDE,
    save_adapter,
    save_control,
    save_image_encoder,
    save_mask,
    save_photograph,
)
from tests.almond.tiny_pipelines import save_pipeline, unet

EXAMPLES = Path(__file__).parents[2] / "examples"
Write = Callable[..., Path]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny SDXL and Stable Diffusion, what is added to SDXL, photographs and targets."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("lab")
    for name in ("sdxl", "sd15", "pixart"):
        save_pipeline(name, folder)
    network = load_generator(str(folder / "sdxl")).denoiser  # type: ignore[attr-defined]
    save_control(folder / "control", network)
    save_adapter(folder / "adapter.safetensors", network)
    save_image_encoder(folder / "encoder")
    save_photograph(folder / "kitchen.png", side=24)
    save_mask(folder / "mask.png", side=24)
    save_mask(folder / "small.png", side=12)
    (folder / "reference").mkdir()
    for seed in range(8):
        save_photograph(folder / "reference" / f"{seed}.png", seed=seed)
    space, rng = open_world(), np.random.default_rng(1)
    for name in ("LB", "CM"):
        weights = rng.standard_normal(space.dimension)
        save_target(folder / "targets", Target(name, weights, 0.0, 10.0, space.digest, ("0" * 64,)))
    return folder


@pytest.fixture
def write(tmp_path: Path, lab: Path) -> Write:
    def write_config(**changes: Any) -> Path:
        values = {
            "generator": str(lab / "sdxl"),
            "features": {"kind": "world"},
            "target_folder": str(lab / "targets"),
            "targets": ["LB"],
            "prompts": ["a kitchen"],
            "seeds": [3],
            "objectives": ["alone"],
            "strengths": [0.5],
            "directions": [1],
            "window": [0.0, 1.0],
            "steps": 4,
            "start": {
                "photograph": str(lab / "kitchen.png"),
                "strength": 0.5,
                "mask": str(lab / "mask.png"),
            },
            "output": "made",
        }
        path = tmp_path / "photograph.yaml"
        path.write_text(yaml.safe_dump({**values, **changes}))
        return path

    return write_config


def config_of(path: Path) -> GenerationConfig:
    return read_generation(path, GenerationConfig)


def added(lab: Path, **more: Any) -> dict[str, Any]:
    """A ControlNet and an IP-Adapter as the file names them."""
    picture = str(lab / "kitchen.png")
    adapter = {"weights": str(lab / "adapter.safetensors"), "encoder": str(lab / "encoder")}
    return {
        "control": {"model": str(lab / "control"), "picture": picture, "scale": 0.5},
        "adapter": {**adapter, "picture": picture, "scale": 0.5, **more},
    }


def test_images_are_made_with_likeness_beside_their_scores(write: Write, lab: Path, tmp_path: Path) -> None:
    path = write(**added(lab, reference=str(lab / "reference"), turn=[20, 40]), batch=2)
    config = config_of(path)
    assert main(["generate", str(path)]) == 0
    table = pd.read_csv(config.output / SCORES)
    assert len(table) == config.images_of_scene == 1 + 1 + 2
    assert list(table["objective"].fillna("")) == ["", "alone", *["embedding-direction"] * 2]
    assert (table["likeness_pixel_outside"] == 0.0).all()
    assert (table["likeness_pixel_inside"] > table["likeness_pixel"]).all()
    assert (table["likeness_features"] > 0.0).all()
    photograph = np.asarray(Image.open(lab / "kitchen.png").resize((SIDE, SIDE), Image.Resampling.LANCZOS))
    for record, png in read_generated(config.output):
        recipe = record.recipe
        assert recipe.start is not None
        assert recipe.control is not None
        assert recipe.adapter is not None
        assert recipe.start.image_sha256 == digest_file(lab / "kitchen.png")
        assert recipe.start.mask_sha256 == digest_file(lab / "mask.png")
        assert recipe.adapter.weights_sha256 == digest_file(lab / "adapter.safetensors")
        assert recipe.control.scale == recipe.adapter.scale == 0.5
        (tmp_path / "image.png").write_bytes(png)
        pixels = np.asarray(Image.open(tmp_path / "image.png"))
        np.testing.assert_array_equal(pixels[:, : SIDE // 2], photograph[:, : SIDE // 2])
        squares = ((pixels.astype(float) - photograph) / 255) ** 2
        assert record.likeness["pixel"] == pytest.approx(np.sqrt(squares.mean()))
        assert ("r2" in record.searched) == (record.objective == "embedding-direction")
    assert read_manifest(config.output).batch == 2
    again = config.model_copy(update={"batch": None})
    assert generate_shard(again, Shard(), Silent()).made == 0


def test_the_batch_that_memory_holds_is_measured_once(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def measured(device: object, run: object) -> Callable[[int], int]:
        def measure(size: int) -> int:
            tried.append(size)
            return size * GIB

        return measure

    monkeypatch.setattr(make, "measure_on", measured)
    config = config_of(write(batch="auto", memory=3.0))
    generate_shard(config, Shard(), Silent())
    assert tried == [1, 2, 4, 3]
    assert read_manifest(config.output).batch == 3
    generate_shard(config, Shard(), Silent())
    assert len(tried) == 4


def test_a_picture_that_was_changed_makes_another_folder(write: Write, lab: Path, tmp_path: Path) -> None:
    own = shutil.copy(lab / "kitchen.png", tmp_path / "own.png")
    path = write(start={"photograph": str(own), "alpha_bar": 0.3, "method": "inversion"}, strengths=[0.1])
    config = config_of(path)
    generate_shard(config, Shard(), Silent())
    record, _ = next(iter(read_generated(config.output)))
    assert record.recipe.start is not None
    assert record.recipe.start.method == "inversion"
    assert record.trace[0]["inversion_residual"] > 0
    sources = load_sources(config)
    save_photograph(Path(own), seed=5, side=24)
    with pytest.raises(DigestMismatch, match=r"own\.png"):
        sources.generator.pictures.read(record.recipe.start.image_sha256, "start")  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="another configuration"):
        generate_shard(config, Shard(), Silent())


def test_an_added_model_is_named_with_its_settings(
    write: Write, lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALMOND_HOME", str(tmp_path / "home"))
    add_model("tiny", str(lab / "sd15"), ModelOptions(scale=1.0, steps=6))
    kitchen = {"photograph": str(lab / "kitchen.png"), "strength": 0.5, "method": "inversion"}
    config = config_of(write(generator="tiny", start=kitchen, steps=None))
    assert config.grid.steps == 6
    planned = load_sources(config).planned(config)
    assert {image.recipe.generator for image in planned} == {"tiny"}
    assert (
        config_of(write(generator="tiny#EulerDiscreteScheduler")).generator == "tiny#EulerDiscreteScheduler"
    )


def test_every_error_is_told_with_its_path(write: Write, lab: Path) -> None:
    picture = str(lab / "kitchen.png")
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"start": {"photograph": picture}}, "start: give either `alpha_bar` or `strength`"),
        ({"start": {"photograph": "none.png", "strength": 0.5}}, "start.photograph: file not found"),
        ({"start": {"photograph": picture, "strength": 1.5}}, "start.strength"),
        ({"start": {"photograph": picture, "strength": 0.5, "method": "magic"}}, "start.method"),
        ({"start": {"strength": 0.5}}, "give either a `photograph` or a `scene`"),
        ({"start": {"photograph": picture, "strength": 0.5, "masks": picture}}, "start.masks"),
        ({"generator": "analytic"}, "start: is a photograph, and analytic draws scenes"),
        ({"generator": "small-unet", "start": None, **added(lab)}, "control: is given, and small-unet"),
        (
            {"start": {"photograph": picture, "strength": 0.5, "method": "inversion"}, "seeds": [1, 2]},
            "seeds: are several, and inversion uses no noise",
        ),
        (added(lab, turn=[20]), "adapter: `reference` and `turn` belong together"),
        ({"control": {"model": "nowhere", "picture": picture}}, "control.model: folder not found"),
        ({"generator": "analytic", "start": None, "batch": 4}, "batch: is given, and that of analytic"),
        ({"memory": 4.0}, "memory: is given, and `batch` is not auto"),
        ({"batch": "all"}, "batch"),
    ]
    for changes, problem in wrong:
        with pytest.raises(ShapeError) as caught:
            config_of(write(**changes))
        assert problem in str(caught.value), changes


def test_what_does_not_fit_is_refused_before_anything_is_made(
    write: Write, lab: Path, tmp_path: Path
) -> None:
    picture, kitchen = str(lab / "kitchen.png"), {"photograph": str(lab / "kitchen.png"), "strength": 0.5}
    Image.fromarray(np.zeros((24, 24), np.uint8)).save(tmp_path / "black.png")
    torch.manual_seed(0)
    unet(cross_attention_dim=32).save_pretrained(tmp_path / "no-control")
    other = added(lab)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"start": {**kitchen, "mask": str(lab / "small.png")}}, "mask: has 12 x 12 pixels"),
        ({"start": {**kitchen, "mask": str(tmp_path / "black.png")}}, "mask: marks no cell"),
        ({"generator": str(lab / "pixart")}, "PixArtSigma does not start from photographs"),
        ({"generator": str(lab / "pixart"), "start": None, **other}, "is not offered for PixArtSigma"),
        (
            {"control": {"model": str(tmp_path / "no-control"), "picture": picture}},
            "is of UNet2DConditionModel",
        ),
        ({"generator": str(lab / "sd15"), "control": other["control"]}, "cross_attention_dim is 64"),
        ({"generator": str(lab / "sd15"), "adapter": other["adapter"]}, "does not fit the model"),
        ({"adapter": {**other["adapter"], "encoder": str(lab / "reference")}}, "holds no weights"),
    ]
    for changes, problem in wrong:
        with pytest.raises(InputError) as caught:
            generate_shard(config_of(write(**changes)), Shard(), Silent())
        assert problem in str(caught.value), changes
    assert not (tmp_path / "made").exists()
    euler = f"{lab / 'sdxl'}#UniPCMultistepScheduler"
    with pytest.raises(InputError, match="no deterministic solver of first order"):
        generate_shard(
            config_of(write(generator=euler, start={**kitchen, "method": "inversion"})), Shard(), Silent()
        )


def test_the_example_fits_tiny_folders(lab: Path, tmp_path: Path) -> None:
    folder = tmp_path / "examples"
    for name in ("models", "artifacts", "photographs"):
        (folder / name).mkdir(parents=True)
    shutil.copy(EXAMPLES / "photograph.yaml", folder)
    shutil.copytree(lab / "sdxl", folder / "models" / "sdxl-base-1.0")
    shutil.copytree(lab / "control", folder / "models" / "controlnet-depth-sdxl")
    shutil.copytree(lab / "encoder", folder / "models" / "image_encoder")
    shutil.copy(lab / "adapter.safetensors", folder / "models" / "ip-adapter_sdxl_vit-h.safetensors")
    shutil.copytree(lab / "reference", folder / "reference")
    Image.open(lab / "kitchen.png").save(folder / "photographs" / "kitchen.jpg")
    shutil.copy(lab / "mask.png", folder / "photographs" / "kitchen-table.png")
    shutil.copy(lab / "kitchen.png", folder / "photographs" / "kitchen-depth.png")
    config = config_of(folder / "photograph.yaml")
    generator = load_generator(config.generator, added_networks(config))
    assert isinstance(generator, DiffusionGenerator)
    pictures = recipe_pictures(config, generator)
    assert pictures.start is not None
    assert pictures.adapter is not None
    assert len(generator.pictures.members(str(pictures.adapter.reference_sha256))) == 8
    assert (config.images_of_scene, config.batch) == (1 + 2 * 2 * 2 + 2 * 2 * 2, "auto")
    assert json.loads(json.dumps(pictures.start.model_dump(mode="json")))["strength"] == 0.6
