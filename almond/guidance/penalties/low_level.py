"""Squared change of low-level features."""

from __future__ import annotations

import torch

from almond.guidance.methods import Method
from almond.guidance.penalties.base import Features, standardised_change

METHOD = Method(
    summary="Take off the squared change of mean colours, contrast, low and high spatial-frequency power and "
    "edges from the unguided prediction of the same step.",
    formula="mu * sum_k ((f_k(x0) - f_k(unguided x0)) / SD_k)^2 over 7 differentiable features",
    reference="Quadratic penalty method (Nocedal & Wright 2006, ch. 17); features as in "
    "almond.stimuli.lowlevel.",
    cost="one pass of the decoder for the unguided prediction",
    fails="It lowers the ceiling of the shift by about a quarter at mu 5 (pair differences by a third): a "
    "larger pool and a choice among more pairs buys more.",
)


def penalise(images: torch.Tensor, base: torch.Tensor, features: Features | None) -> torch.Tensor:
    """Sum the squared standardised changes of all seven features."""
    return standardised_change(images, base).square().sum(dim=1)
