"""Noise levels, and the conversions between a denoiser's output and its prediction of the clean image.

At a noise level a noisy latent is ``x = signal * x0 + noise * e`` with standard normal ``e``. Three families
of schedulers differ only in the two numbers: variance preserving (``sqrt(abar)``, ``sqrt(1 - abar)``),
variance exploding (``1``, ``sigma``; Karras et al. 2022) and flow matching (``1 - sigma``, ``sigma``; Lipman
et al. 2023).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from almond.errors import InputError

if TYPE_CHECKING:
    import torch

PREDICTIONS = ("epsilon", "sample", "v_prediction", "flow_prediction")
"""What a denoiser may put out: the noise, the clean sample, the velocity of Salimans & Ho (2022), the
flow."""


@dataclass(frozen=True)
class NoiseLevel:
    """``x = signal * x0 + noise * e``; both are at least 0, and not both 0."""

    signal: float
    noise: float

    @property
    def scale(self) -> float:
        """Return the standard deviation of the noisy latent when that of the clean one is 1."""
        return math.hypot(self.signal, self.noise)

    @property
    def alpha_bar(self) -> float:
        """Return the share of the signal in the variance, in [0, 1]: 0 is pure noise, 1 the clean image."""
        return self.signal**2 / (self.signal**2 + self.noise**2)


def variance_preserving(alpha_bar: float) -> NoiseLevel:
    return NoiseLevel(math.sqrt(alpha_bar), math.sqrt(max(0.0, 1.0 - alpha_bar)))


def variance_exploding(sigma: float) -> NoiseLevel:
    return NoiseLevel(1.0, sigma)


def flow_matching(sigma: float) -> NoiseLevel:
    return NoiseLevel(1.0 - sigma, sigma)


def x0_from_output(output: torch.Tensor, x: torch.Tensor, level: NoiseLevel, prediction: str) -> torch.Tensor:
    """Return the clean latent that a denoiser's ``output`` means for the unscaled noisy latent ``x``."""
    signal, noise, scale = level.signal, level.noise, level.scale
    if prediction == "sample":
        return output
    if prediction == "epsilon":
        return (x - noise * output) / signal
    if prediction == "v_prediction":
        return (signal / scale) * (x / scale) - (noise / scale) * output
    if prediction == "flow_prediction":
        return (x - noise * output) / (signal + noise)
    raise unknown_prediction(prediction)


def output_from_x0(x0: torch.Tensor, x: torch.Tensor, level: NoiseLevel, prediction: str) -> torch.Tensor:
    """Return what a denoiser would have put out, had it predicted the clean latent ``x0``: inverts
    :func:`x0_from_output`."""
    signal, noise, scale = level.signal, level.noise, level.scale
    if prediction == "sample":
        return x0
    if prediction == "epsilon":
        return (x - signal * x0) / noise
    if prediction == "v_prediction":
        return ((signal / scale) * (x / scale) - x0) / (noise / scale)
    if prediction == "flow_prediction":
        return (x - (signal + noise) * x0) / noise
    raise unknown_prediction(prediction)


def unknown_prediction(prediction: str) -> InputError:
    return InputError("prediction_type", f"is {prediction!r}", f"one of {', '.join(PREDICTIONS)}")
