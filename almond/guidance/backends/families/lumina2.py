"""Lumina Image 2.0 (Qin et al. 2025): states of Gemma 2 with their mask, time from noise to image.

The velocity points the other way; the combination of both passes gets the norm of the prompted one back, row
by row. Text scale 4.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from almond.guidance.backends.families.base import Configs, Inputs
from almond.guidance.backends.families.transformer import (
    MaskedText,
    check_transformer,
    even_sigmas,
    norm_restored,
    shift_of,
)


class Lumina2(MaskedText):
    """``Lumina2Pipeline``."""

    parts = {
        "transformer": ("Lumina2Transformer2DModel",),
        "vae": ("AutoencoderKL",),
        "text_encoder": ("Gemma2Model",),
        "tokenizer": ("GemmaTokenizer",),
    }
    usual_scale = 4.0
    grain = 2

    @classmethod
    def check(cls, folder: Path, configs: Configs) -> None:
        config = {**configs["transformer"]}
        config["out_channels"] = None  # the class takes it from the input
        check_transformer(folder, {**configs, "transformer": config})

    @property
    def factor(self) -> int:
        """The autoencoder's own; the pipeline writes 8 for every one."""
        return int(2 ** (len(self.pipe.vae.config.block_out_channels) - 1))

    def schedule(self, steps: int, height: int, width: int) -> dict[str, Any]:
        """The pipeline takes the latents' channels for the number of tokens; a shift by size follows it."""
        channels = self.noise_shape(height, width)[0]
        return {"sigmas": even_sigmas(steps), "mu": shift_of(self.pipe.scheduler.config, channels)}

    def output(self, x: torch.Tensor, time: torch.Tensor, inputs: Inputs) -> torch.Tensor:
        output = self.network(hidden_states=x, timestep=1 - time / 1000, **inputs, return_dict=False)[0]
        return -torch.as_tensor(output)

    def combine(self, prompted: torch.Tensor, empty: torch.Tensor) -> torch.Tensor:
        return norm_restored(super().combine(prompted, empty), prompted)

    def readers(self) -> list[tuple[Any, int]]:
        return [(self.pipe.tokenizer, 200)]
