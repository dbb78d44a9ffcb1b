"""Qwen-Image (Alibaba 2025): states of Qwen 2.5 VL with their mask, packed latents, a video autoencoder.

Text scale 4; the combination of both passes gets the norm of the prompted one back, token by token.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from almond.guidance.backends.families.base import Configs, Inputs, per_channel, refused_setting
from almond.guidance.backends.families.transformer import (
    PATCH,
    PackedLatents,
    check_transformer,
    norm_restored,
)


class QwenImage(PackedLatents):
    """``QwenImagePipeline``."""

    parts = {
        "transformer": ("QwenImageTransformer2DModel",),
        "vae": ("AutoencoderKLQwenImage",),
        "text_encoder": ("Qwen2_5_VLForConditionalGeneration",),
        "tokenizer": ("Qwen2Tokenizer",),
    }
    usual_scale = 4.0
    longest = 512

    @classmethod
    def check(cls, folder: Path, configs: Configs) -> None:
        check_transformer(folder, configs, latents="z_dim", packed=PATCH**2)
        if configs["transformer"].get("guidance_embeds"):
            problem = "guidance_embeds is true: a distilled version that nobody has tried here"
            raise refused_setting(folder, "transformer", problem, "guidance_embeds: false")

    def conditions(self, prompt: str, height: int, width: int) -> tuple[Inputs, Inputs]:
        both = []
        for text in (prompt, ""):
            states, mask = self.pipe.encode_prompt(
                prompt=text, device=self.device, max_sequence_length=self.longest
            )
            both.append({"encoder_hidden_states": states, "encoder_hidden_states_mask": mask})
        return both[0], both[1]

    def output(self, x: torch.Tensor, time: torch.Tensor, inputs: Inputs) -> torch.Tensor:
        batch, _, rows, columns = x.shape
        tokens = self.network(
            hidden_states=self.packed(x),
            timestep=time / 1000,
            guidance=None,
            img_shapes=[[(1, rows // PATCH, columns // PATCH)]] * batch,
            attention_kwargs={},
            **inputs,
            return_dict=False,
        )[0]
        return self.unpacked(tokens, x)

    def combine(self, prompted: torch.Tensor, empty: torch.Tensor) -> torch.Tensor:
        tokens = self.packed(prompted)
        combined = self.packed(super().combine(prompted, empty))
        return self.unpacked(norm_restored(combined, tokens), prompted)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode one frame; latents have a mean and a spread per channel."""
        config = self.pipe.vae.config
        mean, std = (per_channel(config[key], latents) for key in ("latents_mean", "latents_std"))
        frames = self.pipe.vae.decode((latents * std + mean)[:, :, None], return_dict=False)[0]
        images: torch.Tensor = frames[:, :, 0] / 2 + 0.5
        return images

    def readers(self) -> list[tuple[Any, int]]:
        return [(self.pipe.tokenizer, self.longest)]
