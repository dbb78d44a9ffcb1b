"""Learned generators, with tiny networks of the real classes saved to a real folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from almond.errors import DigestMismatch, InputError
from almond.guidance.backends.base import Condition, rms
from almond.guidance.backends.load import load_generator
from almond.guidance.backends.open_folder import load_folder
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import Generated, generate

WORDS = ("a", "room", "street", "person", "in")
SIDE = 8


class Brightness:
    """A score that anyone can compute: how red and how bright an image is."""

    names = ("red", "bright")

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return torch.stack([images[:, 0].mean(dim=(1, 2)), images.mean(dim=(1, 2, 3))], dim=1)


def save_tokenizer(folder: Path) -> CLIPTokenizer:
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    merges = ["r o", "o o", "ro om</w>", "m</w> x", "o m</w>"]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "ro", "oo", "om</w>", "room</w>"]
    vocabulary = {token: index for index, token in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text(
        "\n".join(["#version: 0.2", merges[0], merges[1], "o m</w>", "ro om</w>"])
    )
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 16}))
    return CLIPTokenizer.from_pretrained(folder)


def make_folder(folder: Path, prediction: str = "epsilon") -> Path:
    """A Stable Diffusion folder whose parts have a few channels and random weights."""
    torch.manual_seed(0)
    tokenizer = save_tokenizer(folder.parent / "words")
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=16,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    unet = UNet2DConditionModel(
        sample_size=SIDE,
        in_channels=4,
        out_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=16,
        attention_head_dim=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4,
        latent_channels=4,
        sample_size=16,
    )
    pipeline: Any = StableDiffusionPipeline(
        vae=vae,
        text_encoder=text,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=DDIMScheduler(clip_sample=False, beta_schedule="scaled_linear", prediction_type=prediction),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return make_folder(tmp_path_factory.mktemp("models") / "tiny")


def recipe_for(generator: Any, **changes: Any) -> Recipe:
    values: dict[str, Any] = {
        "prompt": "a person in a room",
        "seed": 1,
        "generator": generator.name,
        "generator_digest": generator.digest,
        "objective": {"red": 1.0},
        "direction": 1,
        "strength": 0.5,
        "window": (0.1, 0.8),
        "steps": 6,
    }
    return Recipe(**{**values, **changes})


def run(generator: Any, *recipes: Recipe) -> list[Generated]:
    return list(generate(recipes, generator=generator, scorer=Brightness()))


def test_a_saved_pipeline_makes_images_that_guidance_moves(folder: Path) -> None:
    generator = load_generator(str(folder))
    assert generator.image_size == 16
    base, up, down = run(
        generator,
        recipe_for(generator, direction=0),
        recipe_for(generator, strength=3.0),
        recipe_for(generator, strength=3.0, direction=-1),
    )
    assert base.image.shape == (16, 16, 3)
    assert down.scores["red"] < base.scores["red"] < up.scores["red"]
    inside = [entry for entry in up.trace if entry["strength"]]
    assert 0 < len(inside) < len(up.trace)
    assert all({"scores", "gradient", "shift"} <= set(entry) for entry in inside)
    assert all(0.1 <= entry["alpha_bar"] < 0.8 for entry in inside)


@pytest.mark.parametrize("name", ["DDIMScheduler", "DPMSolverMultistepScheduler", "EulerDiscreteScheduler"])
def test_the_loop_without_guidance_is_the_pipeline_of_diffusers(folder: Path, name: str) -> None:
    """Same latents, same prompt, same solver: our image is theirs."""
    import diffusers

    pipeline = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = getattr(diffusers, name).from_config(pipeline.scheduler.config)
    generator = load_folder(folder, name=str(folder), scheduler=name)
    (ours,) = run(generator, recipe_for(generator, direction=0))
    theirs = pipeline(
        "a person in a room",
        num_inference_steps=6,
        latents=generator.initial_latent(1)[None],
        output_type="np",
    ).images[0]
    assert np.abs(ours.image / 255.0 - theirs).max() < 2.5 / 255


def test_the_text_matters_and_the_unit_is_the_size_of_its_push(folder: Path) -> None:
    generator = load_folder(folder, name="tiny")
    x = torch.stack([generator.initial_latent(seed) for seed in (1, 2)])
    step = generator.scheduler.start(6).steps[2]
    condition = generator.encode_prompt("a room", [1, 2])
    prediction = generator.predict(x, step, condition)
    prompted, empty = (
        generator._clean(generator._output(x, step, inputs), x, step) for inputs in condition.payload
    )
    torch.testing.assert_close(prediction.unit, 7.5 * rms(prompted - empty), rtol=1e-3, atol=1e-6)
    other = generator.predict(x, step, generator.encode_prompt("street", [1, 2]))
    assert float((other.x0 - prediction.x0).abs().max()) > 1e-5


def test_gradients_reach_the_noisy_latent_through_denoiser_and_decoder(folder: Path) -> None:
    generator = load_folder(folder, name="tiny")
    step = generator.scheduler.start(6).steps[3]
    condition: Condition = generator.encode_prompt("a room", [1])
    x = generator.initial_latent(1)[None].requires_grad_()
    Brightness()(generator.decode(generator.predict(x, step, condition).x0))[:, 0].sum().backward()
    assert x.grad is not None
    assert float(x.grad.abs().max()) > 0
    assert all(parameter.grad is None for parameter in generator.denoiser.parameters())


def test_words_beyond_the_encoders_length_are_reported(folder: Path) -> None:
    generator = load_folder(folder, name="tiny")
    condition = generator.encode_prompt("a room " * 10, [1])
    assert len(condition.understood) + len(condition.ignored) == 20
    assert condition.ignored
    assert generator.encode_prompt("a room", [1]).ignored == ()


def test_the_digest_follows_weights_and_scheduler(folder: Path, tmp_path: Path) -> None:
    generator = load_folder(folder, name="tiny")
    assert load_folder(folder, name="other name").digest == generator.digest
    assert load_folder(folder, name="tiny", scheduler="EulerDiscreteScheduler").digest != generator.digest
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    index = copy / "unet" / "config.json"
    index.write_text(index.read_text().replace("}", " }"))
    with pytest.raises(DigestMismatch, match="tiny"):
        run(load_folder(copy, name="tiny"), recipe_for(generator))


def test_folders_that_are_no_pipeline_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown"):
        load_generator("no-such-generator")
    with pytest.raises(InputError, match="model_index"):
        load_generator(str(tmp_path))
    with pytest.raises(InputError, match="PNDMScheduler"):
        load_generator(f"{folder}#PNDMScheduler")
    with pytest.raises(InputError, match="no scheduler"):
        load_generator(f"{folder}#Magic")
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    shutil.rmtree(broken / "vae")
    with pytest.raises(InputError, match="vae"):
        load_generator(str(broken))
    index = json.loads((broken / "model_index.json").read_text())
    (broken / "model_index.json").write_text(json.dumps({**index, "unet": ["diffusers", "Magic"]}))
    with pytest.raises(InputError, match="unet is Magic"):
        load_generator(str(broken))
    (broken / "model_index.json").write_text("{")
    with pytest.raises(InputError, match="JSON"):
        load_generator(str(broken))
