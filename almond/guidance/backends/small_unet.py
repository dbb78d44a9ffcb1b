"""The small learned generator that ships with Almond: it exercises the learned path, as a real model's
folder would.

A text-conditional ``UNet2DConditionModel`` over the world's patch codec; how it was made is in
``almond/guidance/weights/small-unet/card.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel

from almond.digest import digest_json
from almond.guidance.backends.diffusers_folder import load_part
from almond.guidance.backends.diffusers_scheduler import DiffusersScheduler
from almond.guidance.backends.diffusion import DiffusionGenerator
from almond.guidance.generators import defaults_of
from almond.world.patches import PATCH, PatchCodec, codec_digest, load_codec
from almond.world.text import SceneTextEncoder, WordTokenizer, load_text
from almond.world.weights import checked, recorded_digests

FOLDER = Path(__file__).parent.parent / "weights" / "small-unet"

GUIDANCE_SCALE = 2.5
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
class CodecDecoder:
    """The world's patch codec."""

    codec: PatchCodec

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        images: torch.Tensor = self.codec.decode(latents)
        return images


def load_small_unet(folder: Path = FOLDER) -> DiffusionGenerator:
    """Load the shipped network; a changed file is a ``DigestMismatch``, a missing one an ``InputError``."""
    files = recorded_digests(folder)
    for name in files:
        checked(name, folder)
    unet = load_part(folder, UNet2DConditionModel, "unet", torch_dtype=torch.float32)
    tokenizer, encoder = load_text(folder / "text_encoder")
    return DiffusionGenerator(
        name="small-unet",
        digest=digest_json({"files": files, "codec": codec_digest()}),
        unet=unet,
        scheduler=DiffusersScheduler(load_part(folder, DDIMScheduler, "scheduler")),
        text=WordText(tokenizer, encoder),
        decoder=CodecDecoder(load_codec()),
        image_size=int(unet.config.sample_size) * PATCH,
        guidance_scale=GUIDANCE_SCALE,
        defaults=defaults_of("small-unet"),
    )
