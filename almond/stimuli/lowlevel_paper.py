"""Low-level features as Jang & Kragel (2025) measured them, quirks included, to compare with their numbers.

Two of their measures are not what their names say. ``median_red`` (green, blue) is the median of the 256
*counts* of the channel's histogram, not of its intensities: it is large for channels whose values spread
evenly. And ``fftshift`` was applied to the Fourier transform of all three channels at once, so that it also
rotated the channels, and a two-dimensional mask then picked numbers from the first plane alone: both powers
are those of the **blue** channel. ``almond.stimuli.lowlevel`` has the measures that the names promise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from almond.errors import InputError

SIDE = 227
"""Pixels of the side to which every image is resized."""

CENTRE = SIDE / 2
"""Of the spectrum, in pixels counted from 1. The zero frequency lies at 114, half a pixel off."""

LOW_RADIUS = 6.0
HIGH_RADIUS = 24.0

NAMES = ("median_red", "median_green", "median_blue", "power_low", "power_high")


def at_published_size(image: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Resize an RGB image (H, W, 3) uint8 to 227 x 227, bicubic with antialiasing, aspect ratio lost.

    MATLAB's ``imresize`` uses the same kernel and widens it when it shrinks, as Pillow does; single pixels
    differ by a grey level where the two round differently.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise InputError(
            "image", f"an array of shape {image.shape} and type {image.dtype}", "(H, W, 3) uint8"
        )
    if image.shape[:2] == (SIDE, SIDE):
        return image
    small = Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(small, np.uint8)


def measure_as_published(image: np.ndarray[Any, Any]) -> dict[str, float]:
    """Measure the five features of an RGB image (H, W, 3) uint8, which is resized to 227 x 227 first.

    ``median_*`` in pixels (of 51529), ``power_*`` in squared grey levels (0 to 255) of the unnormalised
    transform.
    """
    pixels = at_published_size(image)
    counts = [np.bincount(pixels[..., channel].ravel(), minlength=256) for channel in range(3)]
    low, high = blue_power(pixels)
    values = (*(float(np.median(count)) for count in counts), low, high)
    return dict(zip(NAMES, values, strict=True))


def blue_power(pixels: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Compute the blue channel's mean power at radii below 6 and above 24 about (113.5, 113.5)."""
    spectrum = np.fft.fftshift(np.fft.fft2(pixels[..., 2].astype(np.float64)))
    power = spectrum.real**2 + spectrum.imag**2
    axis = np.arange(1, SIDE + 1) - CENTRE
    radius = np.hypot(axis[:, None], axis[None, :])
    return float(power[radius < LOW_RADIUS].mean()), float(power[radius > HIGH_RADIUS].mean())
