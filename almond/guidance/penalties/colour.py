"""Squared change of mean colours."""

from __future__ import annotations

import torch

from almond.guidance.methods import Method
from almond.guidance.penalties.base import Features, standardised_change

METHOD = Method(
    summary="Take off the squared change of mean red, green and blue from the unguided prediction of the "
    "same step.",
    formula="mu * sum_c ((mean_c(x0) - mean_c(unguided x0)) / .13)^2",
    reference="Colour-guidance losses of training-free guidance (Yu et al. 2023; Bansal et al. 2023).",
    cost="one pass of the decoder for the unguided prediction",
    fails="Means may stay while a bright and a dark patch are exchanged.",
)


def penalise(images: torch.Tensor, base: torch.Tensor, features: Features | None) -> torch.Tensor:
    """Sum the squared standardised changes of the three means."""
    return standardised_change(images, base)[:, :3].square().sum(dim=1)
