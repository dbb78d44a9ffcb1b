"""The fc7 layer of a network with EmoNet's interface, such as the world's own, as a feature space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import nn

from almond.digest import digest_array, digest_json
from almond.encoding.features.space import check_images
from almond.errors import InputError
from almond.typing import FeatureArray, ImageArray

BATCH = 32


class Fc7Network(Protocol):
    """A network with EmoNet's interface: ``fc7`` gives its last hidden layer before the nonlinearity."""

    def fc7(self, images: torch.Tensor) -> torch.Tensor:
        """Compute fc7 of (B, 3, H, W) in [0, 1] -> (B, D)."""


class NetworkFeatures:
    """The fc7 layer of a frozen network as a feature space.

    Images of another size than ``image_size`` are resized with antialiased bilinear interpolation, in
    ``extract`` and ``forward`` alike, so that both give the same numbers for the same pixels.
    """

    def __init__(self, name: str, network: nn.Module, *, image_size: int) -> None:
        if not hasattr(network, "fc7"):
            raise InputError(name, "the network has no layer fc7", "a network with EmoNet's interface")
        self.name = name
        self.image_size = image_size
        self.network = network.eval().requires_grad_(False)
        self.digest = fc7_digest(network, image_size)
        with torch.no_grad():
            self.dimension = int(self.forward(torch.zeros(1, 3, image_size, image_size)).shape[1])

    def describe(self) -> dict[str, Any]:
        """Write what happens to an image as plain JSON values."""
        return {
            "name": self.name,
            "network": type(self.network).__name__,
            "layer": "fc7",
            "dimension": self.dimension,
            "digest": self.digest,
            "preprocessing": {"size": self.image_size, "filter": "bilinear", "aspect": "lost", "range": 1},
        }

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute (B, 3, H, W) in [0, 1] -> (B, D); gradients flow to the images, never to the weights."""
        return cast(Fc7Network, self.network).fc7(_resized(images, self.image_size))

    def extract(self, images: Sequence[ImageArray]) -> FeatureArray:
        """Compute images (H, W, 3) uint8 of any sizes -> (n, D) float32."""
        check_images(images)
        features = np.empty((len(images), self.dimension), np.float32)
        with torch.no_grad():
            for start in range(0, len(images), BATCH):
                part = [to_tensor(image, self.image_size) for image in images[start : start + BATCH]]
                features[start : start + len(part)] = self.forward(torch.cat(part)).numpy()
        return features


def to_tensor(image: ImageArray, size: int) -> torch.Tensor:
    """Resize an image (H, W, 3) uint8 -> (1, 3, size, size) float32 in [0, 1]."""
    # A copy: torch warns about arrays that cannot be written, such as those of PIL.
    plane = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
    return _resized(plane, size)


def _resized(images: torch.Tensor, size: int) -> torch.Tensor:
    if images.shape[-2:] == (size, size):
        return images
    return nn.functional.interpolate(
        images, size=(size, size), mode="bilinear", align_corners=False, antialias=True
    )


def fc7_digest(network: nn.Module, image_size: int) -> str:
    """Digest the architecture's class, every weight, and the preprocessing."""
    weights = {name: digest_array(value.cpu().numpy()) for name, value in network.state_dict().items()}
    return digest_json(
        {"network": type(network).__name__, "layer": "fc7", "image_size": image_size, "weights": weights}
    )
