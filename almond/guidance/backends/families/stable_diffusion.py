"""Stable Diffusion 1.5 and 2.1 (Rombach et al. 2022), and models tuned from them.

One CLIP text model; latents of 4 channels at an eighth of the side; noise or velocity prediction as the
scheduler's configuration says. Text scale 7.5.
"""

from __future__ import annotations

from pathlib import Path

from almond.guidance.backends.families.base import Configs, Inputs, check_width
from almond.guidance.backends.families.unet import UNetFamily, check_unet


class StableDiffusion(UNetFamily):
    """``StableDiffusionPipeline``."""

    parts = {
        "unet": ("UNet2DConditionModel",),
        "vae": ("AutoencoderKL",),
        "text_encoder": ("CLIPTextModel",),
        "tokenizer": ("CLIPTokenizer",),
    }
    unused = ("safety_checker", "feature_extractor", "image_encoder")
    constants = {"requires_safety_checker": False}
    usual_scale = 7.5
    from_photographs = True

    @classmethod
    def check(cls, folder: Path, configs: Configs) -> None:
        check_unet(folder, configs)
        width = int(configs["text_encoder"].get("hidden_size", 512))
        check_width(folder, configs, denoiser="unet", key="cross_attention_dim", width=width)

    def conditions(self, prompt: str, height: int, width: int) -> tuple[Inputs, Inputs]:
        prompted, empty = self.pipe.encode_prompt(prompt, self.device, 1, True)
        return {"encoder_hidden_states": prompted}, {"encoder_hidden_states": empty}
