"""Small changes to pictures, so that the networks also read pictures that no renderer has drawn.

What an attribute names (tint, contrast, brightness of the light) is changed only a little.
"""

from __future__ import annotations

import torch
from torch import nn

from almond.world.patches import PatchCodec


def some(images: torch.Tensor, share: float) -> torch.Tensor:
    """Indices of a random choice of about ``share`` of the images, at least one."""
    return torch.randperm(len(images))[: max(1, round(share * len(images)))]


def each(count: int, spread: float) -> torch.Tensor:
    """One number in [0, spread) for each image, (count, 1, 1, 1)."""
    return spread * torch.rand(count, 1, 1, 1)


def moved(images: torch.Tensor) -> torch.Tensor:
    """Shifted by up to 4 percent, scaled by up to 5, and mirrored half of the time."""
    count = len(images)
    scale = 1.0 + 0.1 * (torch.rand(count) - 0.5)
    mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = scale * mirror, scale
    theta[:, :, 2] = 0.16 * (torch.rand(count, 2) - 0.5)
    grid = nn.functional.affine_grid(theta, list(images.shape), align_corners=False)
    return nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def recoded(images: torch.Tensor, codec: PatchCodec) -> torch.Tensor:
    """Through the patch codec, with noise on the latents."""
    latents = codec.encode(images)
    return codec.decode(latents + each(len(images), 0.25) * torch.randn_like(latents))


def softened(images: torch.Tensor) -> torch.Tensor:
    """Mixed with itself one pixel to the right and one down: a slight blur."""
    share = each(len(images), 0.5)
    images = (1.0 - share) * images + share * images.roll(1, 3)
    return (1.0 - share) * images + share * images.roll(1, 2)


def doubled(images: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """With a faint second picture over it, as averages of scenes have."""
    share = each(len(images), 0.22)
    return (1.0 - share) * images + share * others


def augmented(images: torch.Tensor, codec: PatchCodec) -> torch.Tensor:
    """Images (B, 3, H, W) in [0, 1], each with a random choice of changes."""
    images = moved(images)
    chosen = some(images, 0.3)
    images[chosen] = recoded(images[chosen], codec)
    chosen = some(images, 0.15)
    images[chosen] = doubled(images[chosen], images[some(images, 1.0)[: len(chosen)]])
    chosen = some(images, 0.25)
    images[chosen] = softened(images[chosen])
    chosen = some(images, 0.3)
    noise = torch.randn(len(chosen), *images.shape[1:])
    images[chosen] += each(len(chosen), 0.08) * noise
    gain = 0.96 + each(len(images), 0.08) + 0.06 * (torch.rand(len(images), 3, 1, 1) - 0.5)
    return (images * gain + each(len(images), 0.04) - 0.02).clamp(0.0, 1.0)
