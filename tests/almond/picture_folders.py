"""Photographs, a mask, a ControlNet and an IP-Adapter for the tiny pipelines, saved to files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.almond.tiny_pipelines import diffusers, transformers

SIDE = 16
"""Side of the pictures that the tiny Stable Diffusion and SDXL folders make."""

WIDTH = 24
"""Numbers of an embedding of the tiny image encoder."""


def save_photograph(path: Path, seed: int = 0, side: int = SIDE) -> Path:
    """Smooth colours, so that resizing and encoding keep them."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    coarse.resize((side, side), Image.Resampling.BICUBIC).save(path)
    return path


def save_mask(path: Path, side: int = SIDE) -> Path:
    """White in the right half."""
    pixels = np.zeros((side, side), np.uint8)
    pixels[:, side // 2 :] = 255
    Image.fromarray(pixels).save(path)
    return path


def save_control(folder: Path, unet: Any) -> Path:
    """Save a ControlNet for a UNet; its last layers, which start at zero, are drawn at random."""
    torch.manual_seed(3)
    network = diffusers.ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(8, 16))
    for name, value in network.named_parameters():
        if "controlnet_" in name:
            torch.nn.init.normal_(value, std=0.3)
    network.save_pretrained(folder)
    return folder


def save_image_encoder(folder: Path) -> Path:
    torch.manual_seed(4)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "projection_dim": WIDTH}
    config = transformers.CLIPVisionConfig(
        num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8, **sizes
    )
    transformers.CLIPVisionModelWithProjection(config).save_pretrained(folder)
    return folder


PUBLISHED = (
    *((".attn.to_out.0", ".0.to_out"), (".attn.to_q", ".0.to_q"), (".ln0", ".0.norm1"), (".ln1", ".0.norm2")),
    *((".ff.1.net.0.proj", ".1.1"), (".ff.1.net.2", ".1.3"), (".ff.0", ".1.0")),
)
"""Names of a projection of states in diffusers, and in published adapters."""


def projection_of_states(states: int) -> dict[str, torch.Tensor]:
    """Weights of a projection of the image encoder's states to two tokens, as a published adapter (Plus)."""
    torch.manual_seed(6)
    kind = diffusers.models.embeddings.IPAdapterPlusImageProjection
    own = kind(embed_dims=16, output_dims=states, hidden_dims=64, heads=1, num_queries=2).state_dict()
    weights: dict[str, torch.Tensor] = {}
    for name, value in own.items():
        if ".attn.to_k" in name:
            both = torch.cat([value, own[name.replace("to_k", "to_v")]])
            weights[name.replace(".attn.to_k", ".0.to_kv")] = both
        elif ".attn.to_v" not in name:
            published = name
            for ours, theirs in PUBLISHED:
                published = published.replace(ours, theirs)
            weights[published] = value
    return {f"image_proj.{name}": value.contiguous() for name, value in weights.items()}


def save_adapter(path: Path, unet: Any, width: int = WIDTH, *, plus: bool = False) -> Path:
    """Save an IP-Adapter over one embedding, or (``plus``) over states: its projection to tokens, and keys
    and values of the cross-attention layers, numbered as published adapters number them."""
    source, states = torch.Generator().manual_seed(5), int(unet.config.cross_attention_dim)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=source) * 0.3

    pooled = {
        "image_proj.proj.weight": drawn(4 * states, width),
        "image_proj.proj.bias": drawn(4 * states),
        "image_proj.norm.weight": torch.ones(states),
        "image_proj.norm.bias": torch.zeros(states),
    }
    weights = projection_of_states(states) if plus else pooled
    layers = dict(unet.named_modules())
    for number, name in enumerate(unet.attn_processors):
        layer = layers[name.removesuffix(".processor")]
        if name.endswith("attn2.processor"):
            for part in ("k", "v"):
                key = f"ip_adapter.{number}.to_{part}_ip.weight"
                weights[key] = drawn(layer.to_k.out_features, states)
    save_file(weights, path)
    return path
