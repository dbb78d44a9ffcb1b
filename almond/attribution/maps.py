"""What maps say: their mass on a place, by spatial scale, and how well two of them agree."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from scipy.stats import spearmanr

from almond.errors import InputError
from almond.guidance.objectives.views import blurred
from almond.typing import Floats

OCTAVES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, float("inf"))
"""Bounds of the bands of spatial frequency, in cycles per picture."""

SMOOTHING = 1 / 32
"""Blur before two maps are compared, as a share of the side: methods differ in grain."""


def mass_within(maps: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """Compute the share (B,) of the mass ``|A|`` of maps (B, H, W) that lies in places (B, H, W) of bool.

    Chance is the place's share of the picture.

    :raises InputError: a map without mass.
    """
    mass = maps.abs()
    whole = mass.sum(dim=(1, 2))
    if bool((whole == 0).any()):
        raise InputError("attribution", "a map is 0 everywhere", "an image that the score answers to")
    return (mass * place).sum(dim=(1, 2)) / whole


def mass_by_scale(attribution: torch.Tensor) -> dict[str, float]:
    """Compute the shares of a map's (H, W) power in bands of spatial frequency, without its mean; sum 1.

    Keys are ``1-2`` to ``32+``, in cycles per picture. Rising shares of the highest bands over the steps are
    texture being painted.
    """
    values = attribution.detach().double().cpu().numpy()
    power = np.abs(np.fft.fft2(values - values.mean())) ** 2
    height, width = values.shape
    radius = np.hypot(np.fft.fftfreq(height, 1 / height)[:, None], np.fft.fftfreq(width, 1 / width)[None, :])
    total = max(float(power.sum()), np.finfo(float).tiny)
    return {
        band_name(low, high): float(power[(radius >= low) & (radius < high)].sum()) / total
        for low, high in pairwise(OCTAVES)
    }


def band_name(low: float, high: float) -> str:
    """Write a band's bounds, such as ``4-8`` or ``32+``."""
    return f"{low:g}+" if np.isinf(high) else f"{low:g}-{high:g}"


def agreement(first: torch.Tensor, second: torch.Tensor) -> Floats:
    """Compute the rank correlation (B,) over pixels of two methods' signed maps (B, H, W), both smoothed."""
    pairs = zip(_smooth(first), _smooth(second), strict=True)
    return np.array([float(spearmanr(one, other).statistic) for one, other in pairs])


def _smooth(maps: torch.Tensor) -> Floats:
    smoothed = blurred(maps[:, None].double(), SMOOTHING * maps.shape[-1])
    return np.asarray(smoothed.flatten(1).cpu().numpy(), np.float64)
