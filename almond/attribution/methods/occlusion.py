"""Occlusion (Zeiler & Fergus 2014): how much the score falls when a square is replaced by its blurred self.

No gradient: what the score does is asked, not what it would do for an infinitesimal change.
"""

from __future__ import annotations

import torch
from captum.attr import Occlusion

from almond.attribution.explained import Attribution, Explained, absent

SQUARE = 1 / 8
"""Side of the square, as a share of the picture's; it moves by half of itself."""

AT_ONCE = 32


def occlusion(explained: Explained, images: torch.Tensor, *, seed: int = 0) -> Attribution:
    """Attribute scores by occlusion: maps (B, H, W), the mean fall in SD over the squares on a pixel."""
    side = max(2, round(SQUARE * images.shape[-1]))
    step = max(1, side // 2)
    values = Occlusion(explained.score).attribute(
        images,
        sliding_window_shapes=(images.shape[1], side, side),
        strides=(images.shape[1], step, step),
        baselines=absent(images),
        perturbations_per_eval=max(1, AT_ONCE // len(images)),
    )
    # A square covers all colours, so that each colour holds the same value.
    return Attribution(values.detach().mean(dim=1))
