"""Stable Diffusion 3 and 3.5 (Esser et al. 2024): two CLIP text models, and T5 unless it is left out.

Flow matching over 16 channels; the pooled text of both CLIPs is an input of its own. Text scale 7.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from almond.guidance.backends.families.base import Configs, Inputs, PipelineFamily
from almond.guidance.backends.families.transformer import check_transformer, shift_of


class StableDiffusion3(PipelineFamily):
    """``StableDiffusion3Pipeline``."""

    parts = {
        "transformer": ("SD3Transformer2DModel",),
        "vae": ("AutoencoderKL",),
        "text_encoder": ("CLIPTextModelWithProjection",),
        "text_encoder_2": ("CLIPTextModelWithProjection",),
        "text_encoder_3": ("T5EncoderModel",),
        "tokenizer": ("CLIPTokenizer",),
        "tokenizer_2": ("CLIPTokenizer",),
        "tokenizer_3": ("T5Tokenizer",),
    }
    optional = ("text_encoder_3", "tokenizer_3")
    unused = ("image_encoder", "feature_extractor")
    usual_scale = 7.0
    from_photographs = True
    grain = 2
    longest = 256

    @classmethod
    def check(cls, folder: Path, configs: Configs) -> None:
        check_transformer(folder, configs)

    def conditions(self, prompt: str, height: int, width: int) -> tuple[Inputs, Inputs]:
        states, empty, pooled, empty_pooled = self.pipe.encode_prompt(
            prompt=prompt,
            prompt_2=None,
            prompt_3=None,
            device=self.device,
            do_classifier_free_guidance=True,
            max_sequence_length=self.longest,
        )
        return (
            {"encoder_hidden_states": states, "pooled_projections": pooled},
            {"encoder_hidden_states": empty, "pooled_projections": empty_pooled},
        )

    def schedule(self, steps: int, height: int, width: int) -> dict[str, Any]:
        """Shift by the number of tokens where the scheduler asks for it."""
        config = self.pipe.scheduler.config
        arguments: dict[str, Any] = {"num_inference_steps": steps}
        if config.get("use_dynamic_shifting"):
            _, rows, columns = self.noise_shape(height, width)
            patch = int(self.network.config.patch_size)
            arguments["mu"] = shift_of(config, (rows // patch) * (columns // patch), 1.16)
        return arguments

    def output(self, x: torch.Tensor, time: torch.Tensor, inputs: Inputs) -> torch.Tensor:
        output: torch.Tensor = self.network(hidden_states=x, timestep=time, **inputs, return_dict=False)[0]
        return output

    def readers(self) -> list[tuple[Any, int]]:
        """T5 reads further than CLIP."""
        held = [(self.pipe.tokenizer, 77 - 2)]
        return [*held, (self.pipe.tokenizer_3, self.longest - 1)] if self.pipe.tokenizer_3 else held
