"""Distance to the base picture in the features of the scorer's network."""

from __future__ import annotations

import torch

from almond.errors import InputError
from almond.guidance.methods import Method
from almond.guidance.penalties.base import Features

METHOD = Method(
    summary="Take off the squared distance to the unguided prediction of the same step in the features of "
    "the scorer's network, relative to their squared length.",
    formula="mu * |f(x0) - f(unguided x0)|^2 / |f(unguided x0)|^2",
    reference="Perceptual loss (Johnson et al. 2016; Zhang et al. 2018).",
    cost="one pass of the decoder and one of the network for the unguided prediction",
    fails="The scores are read from these features: it holds the target's own score as well, and asks for a "
    "larger strength. Needs a scorer with a feature network.",
)
LENGTH_FLOOR = 1e-12


def penalise(images: torch.Tensor, base: torch.Tensor, features: Features | None) -> torch.Tensor:
    """Return the relative squared distance of features.

    :raises InputError: the scorer has no feature network.
    """
    if features is None:
        raise InputError("penalty perceptual", "the scorer has no feature network", "a scorer over one")
    with torch.no_grad():
        reference = features(base)
    length = reference.square().sum(dim=1) + LENGTH_FLOOR
    return (features(images) - reference).square().sum(dim=1) / length
