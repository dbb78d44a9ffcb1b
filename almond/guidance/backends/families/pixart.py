"""PixArt-Sigma (Chen et al. 2024): T5 states with their mask; the output's learned variance is dropped.

Text scale 4.5.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from almond.guidance.backends.families.base import Configs, Inputs, refused_setting
from almond.guidance.backends.families.transformer import MaskedText, check_transformer, mean_of

TRAINED_SIDE = 128
"""Cells for which diffusers makes sizes an input, unless the configuration forbids it."""


class PixArtSigma(MaskedText):
    """``PixArtSigmaPipeline``."""

    parts = {
        "transformer": ("PixArtTransformer2DModel",),
        "vae": ("AutoencoderKL",),
        "text_encoder": ("T5EncoderModel",),
        "tokenizer": ("T5Tokenizer",),
    }
    usual_scale = 4.5
    grain = 2

    @classmethod
    def check(cls, folder: Path, configs: Configs) -> None:
        check_transformer(folder, configs, variance=True)
        config = configs["transformer"]
        sizes = config.get("use_additional_conditions")
        if sizes or (sizes is None and config.get("sample_size") == TRAINED_SIDE):
            problem = "use_additional_conditions is on: this is PixArt-Alpha's transformer"
            raise refused_setting(folder, "transformer", problem, "PixArt-Sigma, which takes no sizes")

    def output(self, x: torch.Tensor, time: torch.Tensor, inputs: Inputs) -> torch.Tensor:
        added = {"resolution": None, "aspect_ratio": None}
        output = self.network(x, timestep=time, added_cond_kwargs=added, **inputs, return_dict=False)[0]
        return mean_of(output, x.shape[1])

    def readers(self) -> list[tuple[Any, int]]:
        return [(self.pipe.tokenizer, 299)]
