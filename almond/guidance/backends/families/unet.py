"""What Stable Diffusion 1 and 2 and SDXL share: a ``UNet2DConditionModel``, and the networks added to it."""

from __future__ import annotations

from collections.abc import Mapping
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


CONTROL, ADAPTER = "control", "adapter"
"""Inputs that pictures add: of a ControlNet its ``picture`` (1, 3, H, W) in [0, 1] and ``scale``, of an
IP-Adapter the embedded picture."""


class UNetFamily(PipelineFamily):
    """Latents of the autoencoder as they are; the output is the UNet's. ``control`` is a ControlNet that was
    loaded onto it."""

    denoiser = "unet"
    control: Any = None

    def output(self, x: torch.Tensor, time: torch.Tensor, inputs: Inputs) -> torch.Tensor:
        plain = {name: value for name, value in inputs.items() if name not in (CONTROL, ADAPTER)}
        residuals = self._residuals(x, time, plain, inputs[CONTROL]) if CONTROL in inputs else {}
        if ADAPTER in inputs:
            added = {**plain.get("added_cond_kwargs", {}), "image_embeds": [inputs[ADAPTER]]}
            plain["added_cond_kwargs"] = added
        output: torch.Tensor = self.network(x, time, **plain, **residuals, return_dict=False)[0]
        return output

    def _residuals(
        self, x: torch.Tensor, time: torch.Tensor, inputs: Inputs, picture: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Run the ControlNet on what the UNet is given; its outputs are added inside the UNet."""
        down, middle = self.control(
            x,
            time,
            **{name: value for name, value in inputs.items() if name != "timestep_cond"},
            controlnet_cond=picture["picture"].to(x),
            conditioning_scale=picture["scale"],
            return_dict=False,
        )
        return {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}

    @property
    def networks(self) -> Mapping[str, torch.nn.Module]:
        added = {"control": self.control, "image encoder": getattr(self.pipe, "image_encoder", None)}
        return {**super().networks, **{name: model for name, model in added.items() if model is not None}}


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
