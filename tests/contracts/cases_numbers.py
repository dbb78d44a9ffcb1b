"""Circumstances from the field: numbers that are none, and symmetric choices that look like an effect."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file
from scipy.stats import binomtest

from almond.analysis.questions.choices import ChoiceResult, alignment
from almond.errors import InputError
from almond.guidance.backends.diffusion import DiffusionGenerator
from almond.guidance.backends.load import load_generator
from almond.guidance.sampler import generate
from tests.almond.test_guidance_diffusion import Brightness, make_folder, recipe_for


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return make_folder(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def folder(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "model"))


def changed(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def wide_unet(folder: Path, **options: Any) -> None:
    """Replace the UNet by one of another build."""
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=16,
        attention_head_dim=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        **options,
    )
    shutil.rmtree(folder / "unet")
    unet.save_pretrained(folder / "unet")


SIZES = {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 64,
}


class Wrapped:
    """A decoder or a UNet whose numbers are changed on the way out."""

    def __init__(self, decode: Callable[[torch.Tensor], torch.Tensor], spoil: float) -> None:
        self.inner, self.spoil = decode, spoil

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        images = self.inner(latents).clone()
        images[:, :, 3:] = self.spoil
        return images


def refusal(generator: DiffusionGenerator, **changes: Any) -> str:
    made = []
    with pytest.raises(InputError) as caught:
        made += list(generate([recipe_for(generator, **changes)], generator=generator, scorer=Brightness()))
    assert not made
    return str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(("direction", "step"), [(1, "step 3 of 6"), (0, "after step 6 of 6")])
def test_a_decoder_that_overflows_is_named(folder: Path, value: float, direction: int, step: str) -> None:
    generator = load_generator(str(folder))
    assert isinstance(generator, DiffusionGenerator)
    generator.decoder = Wrapped(generator.decoder.decode, value)
    text = refusal(generator, direction=direction)
    for part in (str(folder), "seed 1", step, "DDIMScheduler", "epsilon", "half precision", "float32"):
        assert part in text
    assert ("guidance strength 0.5" in text) == bool(direction)


def test_a_denoiser_and_a_strength_that_overflow_are_named(folder: Path) -> None:
    generator = load_generator(str(folder))
    assert isinstance(generator, DiffusionGenerator)
    text = refusal(generator, strength=1e39)
    assert "guidance strength 1e+39" in text
    assert "a lower strength" in text
    with torch.no_grad():
        generator.denoiser.conv_out.bias[1] = torch.nan
    text = refusal(generator, direction=0)
    assert "seed 1, step 1 of 6" in text
    assert re.search(r"predicted clean latent: 64 of 256 .* at channel 2, row 1, column 1", text)


def test_images_before_the_one_that_fails_are_whole(folder: Path) -> None:
    generator = load_generator(str(folder))
    recipes = [recipe_for(generator), recipe_for(generator, strength=1e39)]
    images = generate(recipes, generator=generator, scorer=Brightness(), batch=1)
    assert np.isfinite(list(next(images).scores.values())).all()
    with pytest.raises(InputError, match="no image was made"):
        next(images)


def test_weights_that_overflowed_when_they_were_saved_are_refused(folder: Path) -> None:
    path = folder / "vae" / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    weights["decoder.conv_out.bias"][2] = torch.inf
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"vae: decoder\.conv_out\.bias: 1 of 3 .*\[2\].*float32"):
        load_generator(str(folder))
    del weights["decoder.conv_out.bias"]
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"vae: has no fitting weights .*decoder\.conv_out\.bias"):
        load_generator(str(folder))


def sdxl(folder: Path) -> None:
    wide_unet(folder, **SIZES)
    changed(
        folder / "model_index.json",
        _class_name="StableDiffusionXLPipeline",
        text_encoder_2=["transformers", "CLIPTextModelWithProjection"],
        tokenizer_2=["transformers", "CLIPTokenizer"],
    )


def flux(folder: Path) -> None:
    index = folder / "model_index.json"
    changed(index, _class_name="FluxPipeline", transformer=["diffusers", "FluxTransformer2DModel"], unet=None)


FOLDERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "sdxl": (sdxl, "text_encoder_2: has no readable config"),
    "sdxl unet": (lambda folder: wide_unet(folder, **SIZES), "wants pooled text and sizes"),
    "inpainting": (lambda folder: wide_unet(folder, in_channels=9), "in_channels is 9.*inpainting"),
    "learned variance": (lambda folder: wide_unet(folder, out_channels=8), "out_channels is 8"),
    "guidance input": (lambda folder: wide_unet(folder, time_cond_proj_dim=8), "latent consistency"),
    "flux": (flux, "FluxPipeline"),
    "controlnet": (
        lambda folder: changed(
            folder / "model_index.json",
            _class_name="StableDiffusionControlNetPipeline",
            controlnet=["diffusers", "ControlNetModel"],
        ),
        "StableDiffusionControlNetPipeline, which wants another input",
    ),
    "another pipeline": (
        lambda folder: changed(folder / "model_index.json", _class_name="StableDiffusionInpaintPipeline"),
        "the pipeline is StableDiffusionInpaintPipeline",
    ),
    "class beside the weights": (
        lambda folder: changed(folder / "vae" / "config.json", _class_name="AutoencoderTiny"),
        "vae is AutoencoderTiny",
    ),
    "text width": (
        lambda folder: changed(folder / "text_encoder" / "config.json", hidden_size=32),
        "cross_attention_dim is 16, the text encoder gives 32",
    ),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_folders_of_other_pipelines_are_refused_when_they_are_loaded(folder: Path, name: str) -> None:
    spoil, expected = FOLDERS[name]
    spoil(folder)
    with pytest.raises(InputError, match=f"{folder}.*{expected}"):
        load_generator(str(folder))


SCHEDULES: dict[str, tuple[dict[str, Any], str, str]] = {
    "zero SNR": (
        {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"},
        "",
        "rescale_betas_zero_snr with prediction_type: is epsilon",
    ),
    "zero SNR, other solver": (
        {"rescale_betas_zero_snr": True},
        "#EulerDiscreteScheduler",
        "EulerDiscreteScheduler, rescale_betas_zero_snr with prediction_type: is epsilon",
    ),
    "zero SNR by betas": ({"trained_betas": [0.5] * 999 + [1.0]}, "", "alpha-bar 0"),
    "first step left out": (
        {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"},
        "",
        "timestep_spacing: is leading",
    ),
    "unknown": ({"prediction_type": "original"}, "", "is 'original'.*one of epsilon"),
    "not taken": (
        {"prediction_type": "sample"},
        "#HeunDiscreteScheduler",
        "HeunDiscreteScheduler cannot step",
    ),
    "flow for noise": ({}, "#FlowMatchEulerDiscreteScheduler", "is epsilon, with which FlowMatch"),
    "flow sigmas": ({"use_flow_sigmas": True}, "#UniPCMultistepScheduler", "those of flow matching"),
    "noise for flow": (
        {"prediction_type": "flow_prediction"},
        "#DPMSolverMultistepScheduler",
        "without use_flow_sigmas",
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedulers_that_contradict_the_prediction_are_refused_when_loaded(folder: Path, name: str) -> None:
    settings, solver, expected = SCHEDULES[name]
    changed(folder / "scheduler" / "scheduler_config.json", **settings)
    with pytest.raises(InputError, match=f"{folder}/scheduler.*{expected}"):
        load_generator(f"{folder}{solver}")


@pytest.mark.parametrize("solver", ["DDIMScheduler", "EulerDiscreteScheduler", "DPMSolverMultistepScheduler"])
def test_zero_terminal_snr_with_velocity_is_drawn(folder: Path, solver: str) -> None:
    changed(
        folder / "scheduler" / "scheduler_config.json",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        prediction_type="v_prediction",
    )
    generator = load_generator(f"{folder}#{solver}")
    made = list(generate([recipe_for(generator)], generator=generator, scorer=Brightness()))
    assert 0.0 < made[0].scores["bright"] < 1.0


def choices(aligned: np.ndarray[Any, Any]) -> pd.DataFrame:
    """Choices (people, scenes), 1 for the image that was pushed up."""
    people, scenes = (axis.ravel() for axis in np.indices(aligned.shape))
    return pd.DataFrame(
        {
            "participant_id": [f"P{index:02}" for index in people],
            "base_scene": [f"s{index:02}" for index in scenes],
            "pair_id": [f"s{index:02}-0" for index in scenes],
            "intended_target": "LB",
            "chosen": "left",
            "aligned": aligned.ravel().astype(int),
        }
    )


def result_of(aligned: np.ndarray[Any, Any]) -> ChoiceResult:
    return alignment(choices(aligned))


@pytest.mark.parametrize("scenes", [4, 6, 8, 12])
@pytest.mark.parametrize("people", [5, 20])
def test_scenes_on_which_everybody_agrees_balance(scenes: int, people: int) -> None:
    result = result_of(np.tile(np.arange(scenes) < scenes // 2, (people, 1)))
    assert (result.estimate, result.p, result.share) == (0.0, 1.0, 0.5)
    assert result.chi2 == pytest.approx(0.0, abs=1e-9)
    assert result.p_likelihood == pytest.approx(1.0, abs=1e-4)
    assert result.low < 0.5 < result.high
    assert (result.probability_low, result.probability_high) == (0.0, 1.0)


@pytest.mark.parametrize("seed", range(6))
def test_designs_that_are_their_own_mirror_image_give_zero(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, (0.5, 3.0, 20.0)[seed % 3], 4) + rng.normal(0, (8.0, 0.5)[seed % 2], (8, 1))
    half = rng.random((8, 4)) < 1 / (1 + np.exp(-logits))
    result = result_of(np.hstack([half, ~half]))
    assert result.estimate == pytest.approx(0.0, abs=1e-4)
    assert result.p == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("aligned", range(7, 12))
def test_scenes_that_agree_within_are_as_many_coins_as_scenes(aligned: int) -> None:
    """The likelihood of signs: 2 (k log k/S + (S - k) log (S - k)/S + S log 2), an oracle without models."""
    result = result_of(np.tile(np.arange(12) < aligned, (10, 1)))
    shares = np.array([aligned, 12 - aligned])
    oracle = 2.0 * (shares @ np.log(shares / 12) + 12 * np.log(2))
    assert result.chi2 == pytest.approx(oracle, rel=1e-6)
    signs = binomtest(aligned, 12).pvalue
    assert result.p == pytest.approx(signs, abs=0.25)
    assert (result.p < 0.05) == (result.p_likelihood < 0.05) == (aligned >= 10)


def test_people_who_are_all_or_none_are_as_many_coins_as_people() -> None:
    result = result_of(np.tile(np.arange(20)[:, None] < 12, (1, 8)))
    assert 0.3 < result.p < 0.5
    assert 0.3 < result.p_likelihood < 0.5
    assert set(result.sd) == {"participant"}
    assert result.on_bound
