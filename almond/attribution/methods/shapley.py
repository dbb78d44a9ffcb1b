"""Shapley values of superpixels, by sampled orders (Castro, Gómez & Tejada 2009): the slow cross-check.

Superpixels are put back into a blurred copy of the image one after the other, in random orders; the value of
one is its mean gain, spread evenly over its pixels. The values sum to ``S(x) - S(b)`` exactly.
"""

from __future__ import annotations

import numpy as np
import torch
from captum.attr import ShapleyValueSampling
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from almond.attribution.explained import Attribution, Explained, absent
from almond.rng import derive_seed

SUPERPIXELS = 24
ORDERS = 16
COLOUR_WEIGHT = 1.5
"""Weight of colours (range 1) against positions (range 1) when pixels are put together."""

AT_ONCE = 8


def shapley(explained: Explained, images: torch.Tensor, *, seed: int = 0) -> Attribution:
    """Attribute scores to superpixels: maps (B, H, W) in SD of the score; ``seed`` draws the orders."""
    return Attribution(torch.cat([_one(explained, image[None], seed) for image in images]))


def _one(explained: Explained, image: torch.Tensor, seed: int) -> torch.Tensor:
    parts = torch.from_numpy(superpixels(image[0].permute(1, 2, 0).cpu().double().numpy(), SUPERPIXELS))
    # captum draws its orders from torch's global generator.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "shapley orders"))
        values = ShapleyValueSampling(explained.score).attribute(
            image,
            baselines=absent(image),
            feature_mask=parts.to(image.device)[None, None],
            n_samples=ORDERS,
            perturbations_per_eval=AT_ONCE,
        )
    sizes = torch.bincount(parts.flatten()).to(image)
    # captum gives a part's value to each of its pixels and colours; shared out, the map has its sum.
    shared: torch.Tensor = values.detach()[:, 0] / sizes[parts.to(image.device)]
    return shared


def superpixels(image: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Cut an image (H, W, 3) in [0, 1] into at most ``count`` parts: labels (H, W) from 0, none left out.

    K-means over position and colour, the idea of SLIC (Achanta et al. 2012), started on a grid.
    """
    height, width = image.shape[:2]
    rows, columns = np.meshgrid(np.arange(height) / height, np.arange(width) / width, indexing="ij")
    values = np.dstack([rows, columns, COLOUR_WEIGHT * image]).reshape(-1, 5)
    across = max(1, round(np.sqrt(count * width / height)))
    down = max(1, count // across)
    at = [
        (int((row + 0.5) * height / down), int((column + 0.5) * width / across))
        for row in range(down)
        for column in range(across)
    ]
    start = np.array([values[row * width + column] for row, column in at])
    labels = KMeans(len(start), init=start, n_init=1, max_iter=10).fit_predict(values)
    return np.unique(labels, return_inverse=True)[1].reshape(height, width).astype(np.int64)
