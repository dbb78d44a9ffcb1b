"""Distance to the base picture in pixels."""

from __future__ import annotations

import torch

from almond.guidance.methods import Method
from almond.guidance.penalties.base import Features

METHOD = Method(
    summary="Take off the mean squared difference to the unguided prediction of the same step.",
    formula="mu * mean((x0 - unguided x0)^2) / .1^2, pixels in [0, 1]",
    reference="Pixel fidelity of image editing by guidance (Meng et al. 2022, SDEdit, as a penalty).",
    cost="one pass of the decoder for the unguided prediction",
    fails="It weighs a moved shadow as much as a new face, and holds the size of what may change.",
)
UNIT = 0.1
"""A difference of a tenth of the range (RMS) counts 1."""


def penalise(images: torch.Tensor, base: torch.Tensor, features: Features | None) -> torch.Tensor:
    """Average the squared difference, in units of ``UNIT`` squared."""
    return (images - base).square().mean((1, 2, 3)) / UNIT**2
