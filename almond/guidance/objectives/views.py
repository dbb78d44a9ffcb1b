"""How the predicted image is looked at before it is scored: blurred, smaller, shifted copies averaged."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional

from almond.guidance.recipe import View
from almond.rng import derive_seed

LARGEST_SHIFT = 0.06
"""Share of the side by which a copy is shifted at most."""

REACH = 3.0
"""Standard deviations at which the blur's kernel ends."""


def viewed(images: torch.Tensor, view: View) -> torch.Tensor:
    """Blur images (B, 3, H, W) by a Gaussian, then average over blocks; the size stays."""
    if view.blur > 0:
        images = blurred(images, view.blur * images.shape[-1])
    if view.downsample > 1:
        small = functional.avg_pool2d(images, view.downsample, ceil_mode=True)
        images = functional.interpolate(small, size=images.shape[2:], mode="bilinear", align_corners=False)
    return images


def blurred(images: torch.Tensor, sigma: float) -> torch.Tensor:
    """Convolve with a Gaussian of ``sigma`` pixels; edges are repeated."""
    half = max(1, math.ceil(REACH * sigma))
    offsets = torch.arange(-half, half + 1, dtype=images.dtype, device=images.device)
    kernel = torch.exp(-0.5 * (offsets / sigma).square())
    kernel = (kernel / kernel.sum())[None, None]
    batch, channels, height, width = images.shape
    rows = functional.pad(images.reshape(-1, 1, width), (half, half), mode="replicate")
    images = functional.conv1d(rows, kernel).reshape(batch, channels, height, width).transpose(2, 3)
    columns = functional.pad(images.reshape(-1, 1, height), (half, half), mode="replicate")
    blurred_columns = functional.conv1d(columns, kernel).reshape(batch, channels, width, height)
    return blurred_columns.transpose(2, 3)


def shifted_copy(images: torch.Tensor, copy: int, step: int) -> torch.Tensor:
    """Return copy number ``copy`` of images: the first as it is, others shifted and every second mirrored.

    The shift follows from copy and step alone, so that the same recipe gives the same bytes.
    """
    if copy == 0:
        return images
    source = torch.Generator().manual_seed(derive_seed(step, "shifted copy", copy))
    height, width = images.shape[2:]
    most = [max(1, int(LARGEST_SHIFT * side)) for side in (height, width)]
    down, right = (int(torch.randint(0, 2 * side + 1, (1,), generator=source)) for side in most)
    padded = functional.pad(images, (most[1], most[1], most[0], most[0]), mode="replicate")
    moved = padded[:, :, down : down + height, right : right + width]
    return moved.flip(3) if copy % 2 == 0 else moved
