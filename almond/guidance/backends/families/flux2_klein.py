"""Flux.2 klein (Black Forest Labs 2025): states of three layers of Qwen 3, latents normalised and patchified.

The base model is used with text scale 4, the distilled one (``is_distilled``) without.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu

from almond.guidance.backends.families.base import Configs, Inputs, PipelineFamily
from almond.guidance.backends.families.transformer import PATCH, check_transformer, even_sigmas


class Flux2Klein(PipelineFamily):
    """``Flux2KleinPipeline``. The latent that is denoised has 4 times the channels and half the side."""

    parts = {
        "transformer": ("Flux2Transformer2DModel",),
        "vae": ("AutoencoderKLFlux2",),
        "text_encoder": ("Qwen3ForCausalLM",),
        "tokenizer": ("Qwen2Tokenizer",),
    }
    flags = ("is_distilled",)
    usual_scale = 4.0

    @classmethod
    def usual_scale_of(cls, pipe: Any) -> float:
        return cls.no_guidance if pipe.config.is_distilled else cls.usual_scale

    @classmethod
    def check(cls, folder: Path, configs: Configs) -> None:
        check_transformer(folder, configs, packed=PATCH**2)

    @property
    def factor(self) -> int:
        return int(self.pipe.vae_scale_factor) * PATCH

    def size(self) -> int:
        return int(self.pipe.default_sample_size) * int(self.pipe.vae_scale_factor)

    def conditions(self, prompt: str, height: int, width: int) -> tuple[Inputs, Inputs]:
        both = []
        for text in (prompt, ""):
            states, ids = self.pipe.encode_prompt(prompt=text, device=self.device)
            both.append({"encoder_hidden_states": states, "txt_ids": ids})
        return both[0], both[1]

    def schedule(self, steps: int, height: int, width: int) -> dict[str, Any]:
        _, rows, columns = self.noise_shape(height, width)
        return {"sigmas": even_sigmas(steps), "mu": compute_empirical_mu(rows * columns, steps)}

    def output(self, x: torch.Tensor, time: torch.Tensor, inputs: Inputs) -> torch.Tensor:
        places = self.pipe._prepare_latent_ids(x).to(x.device)
        tokens = self.network(
            hidden_states=self.pipe._pack_latents(x),
            timestep=time / 1000,
            guidance=None,
            img_ids=places,
            **inputs,
            return_dict=False,
        )[0]
        output: torch.Tensor = self.pipe._unpack_latents_with_ids(tokens, places)
        return output

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Undo the normalisation by the autoencoder's batch statistics, then the patches."""
        statistics = self.pipe.vae.bn
        mean, variance = (
            values[None, :, None, None].to(latents)
            for values in (statistics.running_mean, statistics.running_var)
        )
        spread = (variance + self.pipe.vae.config.batch_norm_eps).sqrt()
        return self.decoded(self.pipe._unpatchify_latents(latents * spread + mean))

    def readers(self) -> list[tuple[Any, int]]:
        return [(self.pipe.tokenizer, 500)]
