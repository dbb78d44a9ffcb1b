"""What is explained: one target's score as a function of pixels, and the network inside it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

from almond.encoding.features.space import FeatureSpace
from almond.errors import InputError
from almond.guidance.objectives.views import blurred
from almond.rng import derive_seed
from almond.targets.scorer import Scorer

BLUR = 1 / 8
"""Standard deviation of the blur that stands for "not there", as a share of the picture's side."""


@dataclass(frozen=True)
class Explained:
    """A target's standardised score with the network that computes its features.

    ``score`` maps images (B, 3, H, W) in [0, 1] to (B,), differentiable; ``network`` is the module whose
    layers a method may look at.
    """

    target: str
    score: Callable[[torch.Tensor], torch.Tensor]
    network: nn.Module


@dataclass(frozen=True)
class Attribution:
    """Maps (B, H, W) in units of the score (its standard deviations) or, for Grad-CAM, of no unit.

    ``incomplete`` (B,) is how far a map's sum is from the difference between the image's score and the
    baseline's, as a share of the larger of that difference and .1 SD; None where a method promises no sum.
    """

    maps: torch.Tensor
    incomplete: torch.Tensor | None = None


class AttributionMethod(Protocol):
    """Attribute the score of images (B, 3, H, W) in [0, 1] to their pixels. ``seed`` draws what is random."""

    def __call__(self, explained: Explained, images: torch.Tensor, *, seed: int = 0) -> Attribution: ...


def explained_target(scorer: Scorer, target: str) -> Explained:
    """Take one target of a scorer.

    :raises InputError: the scorer has no such target, or its features come from no network.
    """
    if target not in scorer.names:
        raise InputError("target", f"{target!r} is not known", f"one of {', '.join(scorer.names)}")
    index = scorer.names.index(target)
    return Explained(target, lambda images: scorer(images)[:, index], network_of(scorer.feature_space))


def network_of(space: FeatureSpace) -> nn.Module:
    """Return the network of a feature space.

    :raises InputError: the space is a table, not a network.
    """
    network = getattr(space, "network", None)
    if not isinstance(network, nn.Module):
        raise InputError(space.name, "its features come from no network", "a feature space of a network")
    return network


def with_shuffled_weights(scorer: Scorer, seed: int) -> Scorer:
    """Copy a scorer with every weight tensor of its network in random order.

    The sanity check of Adebayo et al. (2018): a map that looks the same with such a network shows the
    picture's edges, not what the network learned. Scales of the layers stay as they were.
    """
    space = copy.deepcopy(scorer.feature_space)
    source = torch.Generator().manual_seed(derive_seed(seed, "shuffled weights"))
    with torch.no_grad():
        for values in network_of(space).parameters():
            order = torch.randperm(values.numel(), generator=source)
            values.copy_(values.flatten()[order].reshape(values.shape))
    return Scorer(space, scorer.targets)


def absent(images: torch.Tensor) -> torch.Tensor:
    """Blur images (B, 3, H, W) until nothing in particular is left: the baseline of attributions.

    A baseline of the image's own colours adds no edges and calls no colour absent (Sturmfels et al. 2020,
    Visualizing the impact of feature attribution baselines).
    """
    return blurred(images, BLUR * images.shape[-1])
