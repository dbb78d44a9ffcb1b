"""What families of diffusion transformers share: spacing of flow matching, packed latents, norms."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from almond.guidance.backends.families.base import (
    Configs,
    Inputs,
    PipelineFamily,
    check_channels,
    refused_setting,
)

PATCH = 2
"""Side in cells of the patches into which Flux and Qwen-Image pack their latents."""


def shift_of(config: Mapping[str, Any], length: int, most: float = 1.15) -> float:
    """Compute mu, by which flow matching's noise levels are shifted: linear in the number of image tokens
    (Esser et al. 2024); the line's ends stand in the scheduler's configuration."""
    first, last = config.get("base_image_seq_len", 256), config.get("max_image_seq_len", 4096)
    low, high = config.get("base_shift", 0.5), config.get("max_shift", most)
    slope = (high - low) / (last - first)
    return float(length * slope + (low - slope * first))


def even_sigmas(steps: int) -> Any:
    """Return noise levels from 1 to 1 / steps, evenly spaced, before any shift."""
    return np.linspace(1.0, 1 / steps, steps)


def norm_restored(combined: torch.Tensor, prompted: torch.Tensor) -> torch.Tensor:
    """Give the last axis of the combination the norm that the prompted output had."""
    sizes = prompted.norm(dim=-1, keepdim=True) / combined.norm(dim=-1, keepdim=True)
    restored: torch.Tensor = combined * sizes
    return restored


def mean_of(output: torch.Tensor, channels: int) -> torch.Tensor:
    """Drop a learned variance, which stands behind the mean."""
    return output.chunk(2, dim=1)[0] if output.shape[1] == 2 * channels else output


class MaskedText(PipelineFamily):
    """Families whose ``encode_prompt`` gives states and mask of prompt and empty prompt."""

    encoding: Mapping[str, Any] = {}

    def conditions(self, prompt: str, height: int, width: int) -> tuple[Inputs, Inputs]:
        states, mask, empty, empty_mask = self.pipe.encode_prompt(prompt, device=self.device, **self.encoding)
        return (
            {"encoder_hidden_states": states, "encoder_attention_mask": mask},
            {"encoder_hidden_states": empty, "encoder_attention_mask": empty_mask},
        )


class PackedLatents(PipelineFamily):
    """Families whose denoiser sees patches of 2 x 2 cells as tokens; the loop keeps latents unpacked."""

    grain = PATCH

    def size(self) -> int:
        return int(self.pipe.default_sample_size) * self.factor

    def noise_shape(self, height: int, width: int) -> tuple[int, int, int]:
        channels = int(self.network.config.in_channels) // PATCH**2
        return (channels, height // self.factor, width // self.factor)

    def schedule(self, steps: int, height: int, width: int) -> dict[str, Any]:
        """Space the steps evenly before the shift, and shift by the number of tokens."""
        _, rows, columns = self.noise_shape(height, width)
        length = rows * columns // PATCH**2
        return {"sigmas": even_sigmas(steps), "mu": shift_of(self.pipe.scheduler.config, length)}

    def packed(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, h, w) -> (B, h w / 4, 4 C)."""
        batch, channels, rows, columns = x.shape
        tokens: torch.Tensor = self.pipe._pack_latents(x, batch, channels, rows, columns)
        return tokens

    def unpacked(self, tokens: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """(B, h w / 4, 4 C) -> (B, C, h, w) of ``like``."""
        rows, columns = (int(side) * self.factor for side in like.shape[2:])
        latents: torch.Tensor = self.pipe._unpack_latents(tokens, rows, columns, self.factor)
        return latents[:, :, 0] if latents.ndim == like.ndim + 1 else latents


def check_transformer(
    folder: Path,
    configs: Configs,
    *,
    latents: str = "latent_channels",
    packed: int = 1,
    variance: bool = False,
) -> None:
    """Compare a transformer's channels with those of the autoencoder's latents.

    :param latents: the autoencoder's key for its channels.
    :param packed: cells of a latent that stand in one token's channels.
    :param variance: whether the output may hold a variance too.
    """
    channels = int(configs["vae"].get(latents, 4)) * packed
    config = dict(configs["transformer"])
    if config.get("in_channels") is None:
        raise refused_setting(folder, "transformer", "in_channels is missing", f"in_channels: {channels}")
    if packed > 1 or (variance and config.get("out_channels") == 2 * channels):
        config.pop("out_channels", None)
    check_channels(folder, {"transformer": config}, denoiser="transformer", inside=channels, outside=channels)
