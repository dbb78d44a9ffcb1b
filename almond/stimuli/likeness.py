"""Likeness of a guided picture to the unguided one of its scene: one function each."""

from __future__ import annotations

from typing import Any

import numpy as np

from almond.errors import InputError
from almond.stimuli.lowlevel import luminance
from almond.stimuli.pairing.yardsticks import LIKENESS
from almond.typing import Floats

RADIUS = 5
SIGMA = 1.5
"""Half the width of the window of structural similarity less one, and its standard deviation, in pixels."""

K1, K2 = 0.01, 0.03
"""Constants of Wang et al. against divisions by nearly nothing."""


def _window() -> Floats:
    places = np.arange(-RADIUS, RADIUS + 1)
    weights = np.exp(-0.5 * (places / SIGMA) ** 2)
    values: Floats = weights / weights.sum()
    return values


def _blurred(plane: Floats) -> Floats:
    """Filter a plane by the Gaussian window, only where the window lies inside."""
    weights = _window()
    across = np.stack([plane[:, k : plane.shape[1] - 2 * RADIUS + k] for k in range(2 * RADIUS + 1)])
    rows = np.tensordot(weights, across, axes=1)
    down = np.stack([rows[k : rows.shape[0] - 2 * RADIUS + k] for k in range(2 * RADIUS + 1)])
    values: Floats = np.tensordot(weights, down, axes=1)
    return values


def structural_similarity(image: np.ndarray[Any, Any], base: np.ndarray[Any, Any]) -> float:
    """Compute SSIM of the luminance of two images (H, W, 3) uint8, at most 1 (equal).

    Gaussian window of 11 x 11 pixels with SD 1.5, population moments, mean over places where the window lies
    inside. Wang, Bovik, Sheikh & Simoncelli (2004), IEEE Trans. Image Process. 13, 600-612.

    :raises InputError: images of two sizes, or smaller than the window.
    """
    if image.shape != base.shape or min(image.shape[:2]) < 2 * RADIUS + 1:
        raise InputError(
            "structural similarity",
            f"images of shapes {image.shape} and {base.shape}",
            f"two of one size, {2 * RADIUS + 1} x {2 * RADIUS + 1} pixels or more",
        )
    x, y = luminance(image), luminance(base)
    mean_x, mean_y = _blurred(x), _blurred(y)
    var_x, var_y = _blurred(x * x) - mean_x**2, _blurred(y * y) - mean_y**2
    both = _blurred(x * y) - mean_x * mean_y
    upper = (2 * mean_x * mean_y + K1**2) * (2 * both + K2**2)
    lower = (mean_x**2 + mean_y**2 + K1**2) * (var_x + var_y + K2**2)
    return float((upper / lower).mean())


def pixel_change(image: np.ndarray[Any, Any], base: np.ndarray[Any, Any]) -> float:
    """Compute the root-mean-square difference of two images of one size over all channels, 0 to 1."""
    difference = image.astype(np.float64) - base.astype(np.float64)
    return float(np.sqrt((difference**2).mean())) / 255.0


def feature_distance(features: Floats, base: Floats) -> float:
    """Compute 1 - cosine similarity of two feature vectors (D,), 0 to 2; 1 where one of them is zero."""
    length = float(np.linalg.norm(features) * np.linalg.norm(base))
    return 1.0 - float(features @ base) / length if length > 0 else 1.0


def measure_likeness(
    image: np.ndarray[Any, Any], base: np.ndarray[Any, Any], features: Floats, base_features: Floats
) -> dict[str, float]:
    """Measure a guided picture against its base by pixels and by features of one network."""
    values = (
        structural_similarity(image, base),
        pixel_change(image, base),
        feature_distance(features, base_features),
    )
    return dict(zip(LIKENESS, values, strict=True))
