"""Integrated gradients (Sundararajan, Taly & Yan 2017), from a blurred copy of the image to the image.

``A_i = (x_i - b_i) * integral over a in [0, 1] of dS(b + a (x - b)) / dx_i``, by Gauss-Legendre quadrature.
The map sums to ``S(x) - S(b)`` (completeness): where it does not, the number of points is doubled.
"""

from __future__ import annotations

import torch
from captum.attr import IntegratedGradients

from almond.attribution.explained import Attribution, Explained, absent

POINTS = 32
MOST_POINTS = 256
INCOMPLETE = 0.02
"""Largest departure from completeness that is let pass without more points, as a share."""

SMALL_DIFFERENCE = 0.1
"""A difference of scores below a tenth of an SD is counted as that: shares of nothing mean nothing."""

AT_ONCE = 64
"""Images of the path that the network sees at once."""


def integrated_gradients(explained: Explained, images: torch.Tensor, *, seed: int = 0) -> Attribution:
    """Attribute scores by integrated gradients, summed over the colours: maps (B, H, W) in SD of the
    score."""
    pairs = [_one(explained, image[None]) for image in images]
    return Attribution(torch.cat([maps for maps, _ in pairs]), torch.cat([share for _, share in pairs]))


def _one(explained: Explained, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    baseline = absent(image)
    with torch.no_grad():
        difference = explained.score(image) - explained.score(baseline)
    points = POINTS
    while True:
        values = IntegratedGradients(explained.score).attribute(
            image, baseline, n_steps=points, internal_batch_size=AT_ONCE
        )
        maps = values.detach().sum(dim=1)
        share = (maps.sum(dim=(1, 2)) - difference).abs() / difference.abs().clamp(min=SMALL_DIFFERENCE)
        if float(share.max()) <= INCOMPLETE or points >= MOST_POINTS:
            return maps, share
        points *= 2
