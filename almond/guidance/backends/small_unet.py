"""The small learned generator that ships with Almond: it exercises the learned path, as a real model's
folder would.

A text-conditional ``UNet2DConditionModel`` over the world's patch codec; how it was made is in
``almond/guidance/weights/small-unet/card.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel

from almond.guidance.backends.diffusers_folder import load_part
from almond.guidance.backends.diffusers_scheduler import DiffusersScheduler
from almond.guidance.backends.diffusion import DiffusionGenerator
from almond.guidance.backends.families.base import Inputs
from almond.guidance.generators import defaults_of
from almond.world.patches import PATCH, PatchCodec, codec_digest, load_codec
from almond.world.text import SceneTextEncoder, WordTokenizer, load_text
from almond.world.weights import checked, recorded_digests

FOLDER = Path(__file__).parent.parent / "weights" / "small-unet"

GUIDANCE_SCALE = 4.0
"""Weight of the text that the network was looked at with."""


@dataclass(frozen=True)
class WordText:
    """The world's words and their small transformer."""

    tokenizer: WordTokenizer
    encoder: SceneTextEncoder

    def encode(self, prompts: Sequence[str]) -> torch.Tensor:
        states: torch.Tensor = self.encoder(self.tokenizer(prompts))
        return states

    def words(self, prompt: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return self.tokenizer.words(prompt)


@dataclass(frozen=True)
class SmallFamily:
    """The small UNet in the protocol of ``almond.guidance.backends.families.base``, at one size."""

    unet: Any
    text: WordText
    codec: PatchCodec
    scale: float = GUIDANCE_SCALE
    no_guidance: float = 1.0

    def conditions(self, prompt: str, height: int, width: int) -> tuple[Inputs, Inputs]:
        states = self.text.encode(["", prompt])
        return {"encoder_hidden_states": states[1:]}, {"encoder_hidden_states": states[:1]}

    def words(self, prompt: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return self.text.words(prompt)

    def noise_shape(self, height: int, width: int) -> tuple[int, int, int]:
        return (int(self.unet.config.in_channels), height // PATCH, width // PATCH)

    def schedule(self, steps: int, height: int, width: int) -> dict[str, Any]:
        return {"num_inference_steps": steps}

    def output(self, x: torch.Tensor, time: torch.Tensor, inputs: Inputs) -> torch.Tensor:
        output: torch.Tensor = self.unet(x, time, **inputs).sample
        return output

    def combine(self, prompted: torch.Tensor, empty: torch.Tensor) -> torch.Tensor:
        return empty + self.scale * (prompted - empty)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        images: torch.Tensor = self.codec.decode(latents)
        return images

    @property
    def networks(self) -> Mapping[str, torch.nn.Module]:
        return {"denoiser": self.unet, "decoder": self.codec, "text": self.text.encoder}


def load_small_unet(folder: Path = FOLDER) -> DiffusionGenerator:
    """Load the shipped network; a changed file is a ``DigestMismatch``, a missing one an ``InputError``."""
    files = recorded_digests(folder)
    for name in files:
        checked(name, folder)
    unet = load_part(folder, UNet2DConditionModel, "unet", torch_dtype=torch.float32)
    tokenizer, encoder = load_text(folder / "text_encoder")
    return DiffusionGenerator(
        name="small-unet",
        identity={"files": files, "codec": codec_digest()},
        family=SmallFamily(unet, WordText(tokenizer, encoder), load_codec()),
        scheduler=DiffusersScheduler(load_part(folder, DDIMScheduler, "scheduler")),
        image_size=int(unet.config.sample_size) * PATCH,
        defaults=defaults_of("small-unet"),
    )
