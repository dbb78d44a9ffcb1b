"""Sana (Xie et al. 2024): states of Gemma 2 with their mask, an autoencoder that compresses 32 times.

The prompt stands behind the instruction with which the model was trained, as in its pipeline. Text scale 4.5.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from almond.guidance.backends.families.base import Configs, Inputs
from almond.guidance.backends.families.transformer import MaskedText, check_transformer, mean_of


class Sana(MaskedText):
    """``SanaPipeline``."""

    parts = {
        "transformer": ("SanaTransformer2DModel",),
        "vae": ("AutoencoderDC",),
        "text_encoder": ("Gemma2Model", "Gemma2ForCausalLM"),
        "tokenizer": ("GemmaTokenizer",),
    }
    usual_scale = 4.5

    @property
    def encoding(self) -> Mapping[str, Any]:  # type: ignore[override]
        """The instruction is the default of the pipeline's own call."""
        name = "complex_human_instruction"
        return {name: inspect.signature(self.pipe.__call__).parameters[name].default}

    @classmethod
    def check(cls, folder: Path, configs: Configs) -> None:
        check_transformer(folder, configs, variance=True)

    def output(self, x: torch.Tensor, time: torch.Tensor, inputs: Inputs) -> torch.Tensor:
        scaled = time * self.network.config.timestep_scale
        output = self.network(x, timestep=scaled, **inputs, return_dict=False)[0]
        return mean_of(output, x.shape[1])

    def readers(self) -> list[tuple[Any, int]]:
        return [(self.pipe.tokenizer, 298)]
