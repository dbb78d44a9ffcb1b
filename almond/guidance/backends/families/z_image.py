"""Z-Image and Z-Image-Turbo (Alibaba 2025): states of Qwen 3, lists instead of batches, time from noise to
image.

The velocity points the other way, and guidance is written c + s (c - u): scale 5 is 6 elsewhere, and 0 is
without, as Turbo wants it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from almond.guidance.backends.families.base import Configs, Inputs, PipelineFamily
from almond.guidance.backends.families.transformer import check_transformer, even_sigmas, shift_of


class ZImage(PipelineFamily):
    """``ZImagePipeline``."""

    parts = {
        "transformer": ("ZImageTransformer2DModel",),
        "vae": ("AutoencoderKL",),
        "text_encoder": ("Qwen3Model", "Qwen3ForCausalLM"),
        "tokenizer": ("Qwen2Tokenizer",),
    }
    usual_scale = 5.0
    no_guidance = 0.0
    from_photographs = True
    grain = 2

    @classmethod
    def check(cls, folder: Path, configs: Configs) -> None:
        config = {**configs["transformer"]}
        check_transformer(folder, {**configs, "transformer": config})

    def size(self) -> int:
        return 1024

    def conditions(self, prompt: str, height: int, width: int) -> tuple[Inputs, Inputs]:
        states, empty = self.pipe.encode_prompt(prompt, device=self.device, do_classifier_free_guidance=True)
        return {"cap_feats": list(states)}, {"cap_feats": list(empty)}

    def schedule(self, steps: int, height: int, width: int) -> dict[str, Any]:
        _, rows, columns = self.noise_shape(height, width)
        length = (rows // 2) * (columns // 2)
        return {"sigmas": list(even_sigmas(steps)), "mu": shift_of(self.pipe.scheduler.config, length)}

    def output(self, x: torch.Tensor, time: torch.Tensor, inputs: Inputs) -> torch.Tensor:
        pictures = list(x[:, :, None].unbind(0))
        outputs = self.network(pictures, (1000 - time) / 1000, inputs["cap_feats"], return_dict=False)[0]
        return -torch.stack(list(outputs))[:, :, 0]

    def combine(self, prompted: torch.Tensor, empty: torch.Tensor) -> torch.Tensor:
        return prompted + self.scale * (prompted - empty)

    def readers(self) -> list[tuple[Any, int]]:
        return [(self.pipe.tokenizer, 500)]
