"""Flux.1 dev and schnell (Black Forest Labs 2024): pooled CLIP text, T5 states, latents packed 2 x 2.

Both are distilled: one pass. dev takes the guidance as an input (3.5), schnell none. A text scale above 1
adds a second pass on the empty prompt.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from almond.guidance.backends.families.base import Configs, Inputs
from almond.guidance.backends.families.transformer import PATCH, PackedLatents, check_transformer


class Flux(PackedLatents):
    """``FluxPipeline``."""

    parts = {
        "transformer": ("FluxTransformer2DModel",),
        "vae": ("AutoencoderKL",),
        "text_encoder": ("CLIPTextModel",),
        "text_encoder_2": ("T5EncoderModel",),
        "tokenizer": ("CLIPTokenizer",),
        "tokenizer_2": ("T5Tokenizer",),
    }
    unused = ("image_encoder", "feature_extractor")
    usual_scale = 1.0
    usual_embedded = 3.5
    from_photographs = True

    @classmethod
    def check(cls, folder: Path, configs: Configs) -> None:
        check_transformer(folder, configs, packed=PATCH**2)

    def conditions(self, prompt: str, height: int, width: int) -> tuple[Inputs, Inputs]:
        both = []
        for text in (prompt, ""):
            states, pooled, ids = self.pipe.encode_prompt(prompt=text, prompt_2=None, device=self.device)
            both.append({"encoder_hidden_states": states, "pooled_projections": pooled, "txt_ids": ids})
        return both[0], both[1]

    def output(self, x: torch.Tensor, time: torch.Tensor, inputs: Inputs) -> torch.Tensor:
        """The transformer counts time from 0 to 1."""
        batch, _, rows, columns = x.shape
        places = self.pipe._prepare_latent_image_ids(
            batch, rows // PATCH, columns // PATCH, x.device, x.dtype
        )
        guidance = None
        if self.network.config.guidance_embeds:
            guidance = torch.full([batch], float(self.embedded or 0.0), device=x.device)
        tokens = self.network(
            hidden_states=self.packed(x),
            timestep=time / 1000,
            guidance=guidance,
            img_ids=places,
            **inputs,
            return_dict=False,
        )[0]
        return self.unpacked(tokens, x)

    def readers(self) -> list[tuple[Any, int]]:
        """T5 reads 512 tokens."""
        return [(self.pipe.tokenizer_2, 511)]
