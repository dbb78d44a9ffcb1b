"""The shipped learned generator."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from almond.errors import DigestMismatch, InputError
from almond.guidance.backends.diffusion import DiffusionGenerator
from almond.guidance.backends.load import load_generator
from almond.guidance.backends.small_unet import FOLDER, load_small_unet
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import generate


class Redness:
    names = ("red",)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, :1].mean(dim=(2, 3)) * 10.0


@pytest.fixture(scope="module")
def generator() -> DiffusionGenerator:
    torch.set_num_threads(1)
    return load_small_unet()


def test_it_draws_and_is_guided_like_any_other(generator: DiffusionGenerator) -> None:
    recipes = [
        Recipe(
            prompt="a street at night",
            seed=1,
            generator="small-unet",
            generator_digest=generator.digest,
            objective={"red": 1.0},
            direction=direction,
            strength=2.0,
            window=(0.05, 0.9),
            steps=5,
        )
        for direction in (-1, 0, 1)
    ]
    low, base, high = generate(recipes, generator=generator, scorer=Redness())
    assert base.image.shape == (96, 96, 3)
    assert low.scores["red"] < base.scores["red"] < high.scores["red"]
    (again,) = generate(recipes[2:], generator=load_generator("small-unet"), scorer=Redness())
    np.testing.assert_array_equal(again.image, high.image)


def test_the_prompt_reaches_the_denoiser(generator: DiffusionGenerator) -> None:
    step = generator.scheduler.start(5).steps[1]
    x = generator.initial_latent(1)[None]
    found = [
        generator.decode(generator.predict(x, step, generator.encode_prompt(prompt, [1])).x0)
        for prompt in ("a park by day", "a park at night")
    ]
    assert float(found[0].mean() - found[1].mean()) > 0.02


def test_words_that_it_does_not_know_are_reported(generator: DiffusionGenerator) -> None:
    condition = generator.encode_prompt("a purple street", [1])
    assert condition.ignored == ("purple",)
    assert "street" in condition.understood


def test_changed_or_missing_weights_are_refused(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(FOLDER, copy)
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    with pytest.raises(DigestMismatch, match="unet"):
        load_small_unet(copy)
    weights.unlink()
    with pytest.raises(InputError, match="unet"):
        load_small_unet(copy)
