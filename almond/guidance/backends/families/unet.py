"""What Stable Diffusion 1 and 2 and SDXL share: a ``UNet2DConditionModel``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from almond.guidance.backends.families.base import (
    Configs,
    Inputs,
    PipelineFamily,
    check_channels,
    refused_setting,
)

CONDITIONS = (
    ("addition_embed_type", "wants pooled text and sizes, as SDXL"),
    ("class_embed_type", "wants a class label"),
    ("num_class_embeds", "wants a class label"),
    ("encoder_hid_dim_type", "wants projected text or images"),
    ("time_cond_proj_dim", "wants the guidance scale as an input, as latent consistency models"),
)
"""Settings of a UNet that asks for inputs beyond latent, time and text."""


class UNetFamily(PipelineFamily):
    """Latents of the autoencoder as they are; the output is the UNet's."""

    denoiser = "unet"

    def output(self, x: torch.Tensor, time: torch.Tensor, inputs: Inputs) -> torch.Tensor:
        output: torch.Tensor = self.network(x, time, **inputs, return_dict=False)[0]
        return output


def check_unet(folder: Path, configs: Configs, takes: tuple[str, ...] = ()) -> None:
    """Refuse a UNet that wants inputs other than those in ``takes``, or has other latents."""
    unet, vae = configs["unet"], configs["vae"]
    for key, meaning in CONDITIONS:
        if key not in takes and unet.get(key) is not None:
            problem = f"the UNet {meaning} ({key}: {unet[key]})"
            raise refused_setting(folder, "unet", problem, "a UNet that takes latents, time and text")
    latent = int(vae.get("latent_channels", 4))
    settings: dict[str, Any] = {"in_channels": 4, "out_channels": 4, **unet}
    check_channels(folder, {"unet": settings}, denoiser="unet", inside=latent, outside=latent)
    if not isinstance(unet.get("sample_size"), int):
        raise refused_setting(folder, "unet", f"sample_size is {unet.get('sample_size')}", "a whole number")
