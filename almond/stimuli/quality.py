"""Quality of a picture by itself: one function each. Light on purpose (numpy only).

Degrees (sharpness, saturation, entropy) can be held constant between the pictures of pairs; flaws (blank,
clipped, speckled, blocks, a lattice of single pixels) are for a person who screens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from almond.errors import InputError
from almond.stimuli.lowlevel import luminance
from almond.stimuli.pairing.yardsticks import QUALITY

Pixels = np.ndarray[Any, Any]

LEAST_CONTRAST = 0.01
LEAST_ENTROPY = 1.0
"""A picture with less (SD of luminance; bits) counts as blank."""

MOST_CLIPPED = 0.25
MOST_SPECKLED = 0.05
MOST_BLOCKED = 2.0
MOST_LATTICE = 0.02
"""Shares and ratios above which a picture is flagged."""

SPECKLE_STEP = 0.1
"""How far a pixel's luminance must be from the median of its 3 x 3 surround to count as a speckle."""


def sharpness(image: Pixels) -> float:
    """Compute the variance of the Laplacian of luminance (H, W) in [0, 1], 3 x 3 pixels or more.

    Pech-Pacheco et al. (2000), ICPR 15, 314-317.
    """
    plane = luminance(image)
    inner = plane[1:-1, 1:-1]
    laplacian = plane[:-2, 1:-1] + plane[2:, 1:-1] + plane[1:-1, :-2] + plane[1:-1, 2:] - 4.0 * inner
    return float(laplacian.var())


def saturation(image: Pixels) -> float:
    """Compute the mean saturation in [0, 1]: largest less smallest channel over the largest (HSV)."""
    values = image.astype(np.float64)
    largest, smallest = values.max(axis=2), values.min(axis=2)
    return float(np.where(largest > 0, (largest - smallest) / np.maximum(largest, 1.0), 0.0).mean())


def entropy(image: Pixels) -> float:
    """Compute the Shannon entropy of luminance in 256 grey levels, in bits: 0 to 8."""
    levels = np.rint(luminance(image) * 255.0).astype(np.int64)
    shares = np.bincount(levels.ravel(), minlength=256) / levels.size
    present = shares[shares > 0]
    return float(-(present * np.log2(present)).sum()) + 0.0


def is_blank(image: Pixels) -> bool:
    """Tell whether a picture shows nothing: hardly any contrast, or hardly any different grey levels."""
    return float(luminance(image).std()) < LEAST_CONTRAST or entropy(image) < LEAST_ENTROPY


def clipped_share(image: Pixels) -> float:
    """Compute the share of pixels of which some channel is 0 or 255 while the picture goes on beyond it."""
    return float(((image == 0) | (image == 255)).any(axis=2).mean())


def speckle_share(image: Pixels) -> float:
    """Compute the share of inner pixels that stand out from the median of their 3 x 3 surround."""
    plane = luminance(image)
    height, width = plane.shape
    around = np.stack(
        [
            plane[row : height - 2 + row, column : width - 2 + column]
            for row in range(3)
            for column in range(3)
        ]
    )
    return float((np.abs(plane[1:-1, 1:-1] - np.median(around, axis=0)) > SPECKLE_STEP).mean())


def blocking(image: Pixels, size: int = 8) -> float:
    """Compute steps across the edges of ``size`` x ``size`` blocks over steps elsewhere; about 1 without.

    Wang, Bovik & Evans (2000), ICIP, simplified to a ratio of mean absolute differences.
    """
    plane = luminance(image)
    ratios = []
    for steps in (np.abs(np.diff(plane, axis=1)), np.abs(np.diff(plane, axis=0)).T):
        edge = np.arange(steps.shape[1]) % size == size - 1
        if edge.any() and not edge.all():
            ratios.append((steps[:, edge].mean() + 1e-6) / (steps[:, ~edge].mean() + 1e-6))
    return float(np.mean(ratios)) if ratios else 1.0


def lattice_power(image: Pixels) -> float:
    """Compute the share of luminance's power within a tenth of the Nyquist frequency's corner, 0 to 1.

    Transposed convolutions leave such a chequerboard (Odena, Dumoulin & Olah 2016, Distill).
    """
    plane = luminance(image)
    power = np.abs(np.fft.fft2(plane - plane.mean())) ** 2
    rows = np.abs(np.fft.fftfreq(plane.shape[0]))[:, None]
    columns = np.abs(np.fft.fftfreq(plane.shape[1]))[None, :]
    corner = (rows >= 0.45) & (columns >= 0.45)
    total = power.sum()
    return float(power[corner].sum() / total) if total > 1e-12 else 0.0


def flaws(image: Pixels) -> tuple[str, ...]:
    """Name what a person should look at: blank, clipped, speckled, blocks, lattice."""
    if is_blank(image):
        return ("blank",)
    checks = {
        "clipped": clipped_share(image) > MOST_CLIPPED,
        "speckled": speckle_share(image) > MOST_SPECKLED,
        "blocks": blocking(image) > MOST_BLOCKED,
        "lattice": lattice_power(image) > MOST_LATTICE,
    }
    return tuple(name for name, present in checks.items() if present)


def measure_quality(image: Pixels) -> dict[str, float]:
    """Measure the degrees of quality of an image (H, W, 3) uint8, 3 x 3 pixels or more."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < 3:
        raise InputError(
            "image",
            f"an array of shape {image.shape} and type {image.dtype}",
            "(H, W, 3) uint8, 3 x 3 or more",
        )
    values = (sharpness(image), saturation(image), entropy(image))
    return dict(zip(QUALITY, values, strict=True))


def diversity(images: Sequence[Pixels]) -> float:
    """Compute the mean root-mean-square difference in [0, 1] between pictures of other seeds, one size.

    0 for fewer than two. Low values with strong guidance tell that every seed becomes one picture.
    """
    values = np.stack([image.reshape(-1) for image in images]).astype(np.float64) / 255.0 if images else None
    if values is None or len(values) < 2:
        return 0.0
    squares = (values**2).sum(axis=1)
    distances = np.maximum(squares[:, None] + squares[None, :] - 2.0 * values @ values.T, 0.0)
    pairs = np.sqrt(distances / values.shape[1])[np.triu_indices(len(values), 1)]
    return float(pairs.mean())


def distance_to_prior(image: Pixels, unguided: Sequence[Pixels]) -> float:
    """Compute the smallest root-mean-square difference in [0, 1] from pictures drawn without guidance.

    :raises InputError: no unguided picture of the same size.
    """
    same = [other for other in unguided if other.shape == image.shape]
    if not same:
        raise InputError("unguided pictures", f"none is of size {image.shape[:2]}", "one or more")
    own = image.astype(np.float64)
    return min(float(np.sqrt(((own - other.astype(np.float64)) ** 2).mean())) / 255.0 for other in same)
