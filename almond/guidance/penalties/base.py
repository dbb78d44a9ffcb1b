"""What penalties share: a predicted image beside the unguided prediction of the same step."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Protocol

import numpy as np
import torch

from almond.errors import InputError
from almond.stimuli.lowlevel import HIGH_CYCLES, LOW_CYCLES, LUMA

Features = Callable[[torch.Tensor], torch.Tensor]
"""Images (B, 3, H, W) in [0, 1] -> features (B, D), differentiable."""

POWER_FLOOR = 1e-9
VARIANCE_FLOOR = 1e-8
SLOPE_FLOOR = 1e-6
"""Added under roots and logarithms, so that a blank image has a gradient."""

SMOOTH_NAMES = ("red", "green", "blue", "contrast", "power_low", "power_high", "edges")
SPREADS = (0.13, 0.13, 0.13, 0.05, 0.3, 0.4, 1.0)
"""Standard deviations of these features over rendered scenes, rounded: the unit of their changes."""


class Penalty(Protocol):
    """Measure what changed (B,), at least 0, between images (B, 3, H, W) and the unguided ones."""

    def __call__(
        self, images: torch.Tensor, base: torch.Tensor, features: Features | None
    ) -> torch.Tensor: ...


@cache
def _bands(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return masks (H, W) of the frequencies below 6 and above 24 cycles per image."""
    rows, columns = np.fft.fftfreq(height, 1 / height), np.fft.fftfreq(width, 1 / width)
    radius = np.hypot(rows[:, None], columns[None, :])
    low, high = (radius > 0) & (radius < LOW_CYCLES), radius > HIGH_CYCLES
    if not high.any():
        raise InputError(
            "penalty",
            f"images of {width} x {height} pixels",
            f"sides above {math.ceil(2 * HIGH_CYCLES)} pixels",
        )
    return torch.from_numpy(low), torch.from_numpy(high)


def smooth_features(images: torch.Tensor) -> torch.Tensor:
    """Measure images (B, 3, H, W): (B, 7) in the order of ``SMOOTH_NAMES``, differentiable.

    They stand for ``almond.stimuli.lowlevel``: means in place of medians, and floors under roots and
    logarithms.
    """
    height, width = images.shape[2:]
    plane = torch.einsum("bchw,c->bhw", images, torch.tensor(LUMA, dtype=images.dtype, device=images.device))
    centred = plane - plane.mean((1, 2), keepdim=True)
    power = torch.fft.fft2(centred).abs().square() / (height * width) ** 2
    low, high = (band.to(images.device) for band in _bands(height, width))
    rows = (plane[:, 2:, 1:-1] - plane[:, :-2, 1:-1]) * (height / 2)
    columns = (plane[:, 1:-1, 2:] - plane[:, 1:-1, :-2]) * (width / 2)
    shape = [
        (centred.square().mean((1, 2)) + VARIANCE_FLOOR).sqrt(),
        (power[:, low].mean(1) + POWER_FLOOR).log10(),
        (power[:, high].mean(1) + POWER_FLOOR).log10(),
        (rows.square() + columns.square() + SLOPE_FLOOR).sqrt().mean((1, 2)),
    ]
    return torch.cat([images.mean((2, 3)), torch.stack(shape, dim=1)], dim=1)


def standardised_change(images: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
    """Return the change (B, 7) of the smooth features, in ``SPREADS``."""
    spreads = torch.tensor(SPREADS, dtype=images.dtype, device=images.device)
    return (smooth_features(images) - smooth_features(base)) / spreads
