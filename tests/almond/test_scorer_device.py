"""A scorer follows its network to a device; scores come back to the images, in their precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from almond.encoding.features.networks.image_preprocessing import Preprocessing
from almond.encoding.features.networks.torch_layer import TorchSpace
from almond.guidance.objectives.objective import features_of
from almond.targets.scorer import Scorer
from almond.targets.target import Target


class Normed(nn.Module):
    """A layer with a parameter and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 3)
        self.register_buffer("spread", torch.full((4, 1, 1), 2.0))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        values: torch.Tensor = self.layer(images) / self.spread
        return values


def scorer_of(network: nn.Module) -> Any:
    mean = np.full(3, 0.5, np.float32)
    space = TorchSpace("tiny", network, network, Preprocessing(8, mean=mean), layer="all", pool="mean")
    weights = np.random.default_rng(0).standard_normal((2, space.dimension))
    targets = [Target(name, row, 0.1, 2.0, space.digest, ()) for name, row in zip("AB", weights, strict=True)]
    return Scorer(space, targets)


def tensors_in(scorer: Any) -> list[torch.Tensor]:
    """Every tensor that images meet: attributes of scorer and space, parameters and buffers."""
    network = scorer.feature_space.network
    held = [*vars(scorer).values(), *vars(scorer.feature_space).values()]
    return [
        *(value for value in held if isinstance(value, torch.Tensor)),
        *network.parameters(),
        *network.buffers(),
    ]


def test_every_tensor_follows_the_scorer() -> None:
    scorer = scorer_of(Normed())
    assert len(tensors_in(scorer)) == 5
    assert {value.device.type for value in tensors_in(scorer)} == {"cpu"}
    assert scorer.to("meta") is scorer
    assert {value.device.type for value in tensors_in(scorer)} == {"meta"}
    assert scorer.feature_space.device == "meta"


def test_scores_come_back_to_the_images_with_their_gradients() -> None:
    scorer = scorer_of(Normed())
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()
    before = scorer(images)
    after = scorer.to("cpu")(images)
    assert torch.equal(before, after)
    assert (after.dtype, after.device) == (torch.float32, images.device)
    (gradient,) = torch.autograd.grad(after.sum(), images)
    assert gradient.device == images.device
    features = features_of(scorer)
    assert features is not None
    assert features(images).device == images.device
