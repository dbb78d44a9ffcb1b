"""Fine texture that the unguided picture does not have."""

from __future__ import annotations

import torch

from almond.guidance.methods import Method
from almond.guidance.penalties.base import Features, standardised_change

METHOD = Method(
    summary="Take off the squared rise of power above 24 cycles per image over the unguided prediction of "
    "the same step; less power costs nothing.",
    formula="mu * max(0, (log10 P(x0) - log10 P(unguided x0)) / .4)^2",
    reference="Frequency penalties of activation maximisation (Mordvintsev et al. 2015; Olah et al. 2017).",
    cost="one pass of the decoder for the unguided prediction",
    fails="A sharper object is texture, too: with a large mu what guidance adds stays blurred.",
)
POWER_HIGH = 5


def penalise(images: torch.Tensor, base: torch.Tensor, features: Features | None) -> torch.Tensor:
    """Square the rise of log high-frequency power."""
    return standardised_change(images, base)[:, POWER_HIGH].clamp(min=0.0).square()
