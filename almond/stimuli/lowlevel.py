"""Low-level features of an image: what must stay equal while a predicted response changes.

Light on purpose (numpy only): the site measures every imported photograph with it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from almond.errors import InputError
from almond.exchange.schema import LOWLEVEL

NAMES = LOWLEVEL
"""The features in the order in which tables hold them."""

LUMA = np.array([0.2126, 0.7152, 0.0722])
"""Weights of red, green and blue in luminance (ITU-R BT.709)."""

LOW_CYCLES = 6.0
HIGH_CYCLES = 24.0
"""Bounds of the two bands of spatial frequency, in cycles per image."""

POWER_FLOOR = 1e-12
"""Power below this counts as none, so that its logarithm stays finite (-12) for a blank image."""


def luminance(image: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Compute luminance (H, W) in [0, 1] of an RGB image (H, W, 3) uint8."""
    weighted: np.ndarray[Any, np.dtype[np.float64]] = (image.astype(np.float64) / 255.0) @ LUMA
    return weighted


def band_power(plane: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Compute the mean spectral power of a plane (H, W) at radii in (0, 6) and above 24 cycles per image.

    The power is ``|fft2(plane - mean)|**2 / (H*W)**2``, so that it does not depend on the number of pixels; a
    band in which the image has no frequencies (it is too small) has no power.
    """
    height, width = plane.shape
    spectrum = np.fft.fft2(plane - plane.mean())
    power = (spectrum.real**2 + spectrum.imag**2) / float(height * width) ** 2
    radius = np.hypot(np.fft.fftfreq(height, 1 / height)[:, None], np.fft.fftfreq(width, 1 / width)[None, :])
    low = power[(radius > 0) & (radius < LOW_CYCLES)]
    high = power[radius > HIGH_CYCLES]
    return (float(low.mean()) if low.size else 0.0, float(high.mean()) if high.size else 0.0)


def edge_energy(plane: np.ndarray[Any, Any]) -> float:
    """Compute the mean magnitude of the luminance gradient (central differences), per image width."""
    rows, columns = np.gradient(plane)
    return float(np.hypot(rows * plane.shape[0], columns * plane.shape[1]).mean())


def measure(image: np.ndarray[Any, Any]) -> dict[str, float]:
    """Measure all features of an RGB image (H, W, 3) uint8, at least 2 x 2 pixels.

    ``median_*`` and ``luminance`` (mean) in [0, 1]; ``contrast`` is the standard deviation of luminance (RMS
    contrast) in [0, 0.5]; ``power_*`` is log10 of the mean power in a band of spatial frequency;
    ``edge_energy`` is the mean gradient. An array of another shape or type is an ``InputError``.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < 2:
        raise InputError(
            "image",
            f"an array of shape {image.shape} and type {image.dtype}",
            "(H, W, 3) uint8, 2 x 2 or more",
        )
    medians = np.median(image.reshape(-1, 3), axis=0) / 255.0
    plane = luminance(image)
    low, high = band_power(plane)
    values = (
        *medians,
        plane.mean(),
        plane.std(),
        np.log10(max(low, POWER_FLOOR)),
        np.log10(max(high, POWER_FLOOR)),
        edge_energy(plane),
    )
    return {name: float(value) for name, value in zip(NAMES, values, strict=True)}
