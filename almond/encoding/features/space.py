"""Feature spaces: where images become numbers. Networks load only when one is asked for.

A feature space is anything with a name, a dimension, a digest of everything that its numbers depend on
(weights and preprocessing), ``extract`` for finished images, and ``forward`` for gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from almond.encoding.config.features import NETWORK_KINDS, FeatureSpec
from almond.encoding.features.cache import extract_cached
from almond.encoding.features.tables import FeatureTable, load_table
from almond.errors import InputError
from almond.typing import FeatureArray, ImageArray

if TYPE_CHECKING:
    import torch

__all__ = [
    "DescribedSpace",
    "FeatureSpace",
    "FeatureTable",
    "check_images",
    "extract_cached",
    "load_table",
    "open_space",
    "world_features",
]


class FeatureSpace(Protocol):
    """Images to vectors of ``dimension`` numbers.

    ``image_size`` is the side in pixels to which images are resized first (aspect ratio lost, as networks
    want it). ``digest`` changes whenever the numbers could.
    """

    @property
    def name(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    @property
    def digest(self) -> str: ...

    @property
    def image_size(self) -> int: ...

    def extract(self, images: Sequence[ImageArray]) -> FeatureArray:
        """Images, each (H, W, 3) uint8, to (n, D) float32."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) in [0, 1] to features (B, D), differentiable."""


class DescribedSpace(FeatureSpace, Protocol):
    """A feature space that can say in plain JSON values what it does to an image."""

    def describe(self) -> dict[str, Any]:
        """Network, layer, preprocessing step by step, dimension, digest."""


@lru_cache(maxsize=1)
def world_features() -> DescribedSpace:
    """The network that comes with Almond, trained on scenes of the simulated world: 256 values of its fc7."""
    from almond.encoding.features.networks.world import NetworkFeatures
    from almond.world.networks import load_network

    return NetworkFeatures("world-fc7", load_network("features"), image_size=96)


def open_space(spec: FeatureSpec, *, device: str = "cpu") -> DescribedSpace:
    """The feature space of a spec, with its weights loaded and checked.

    :param device: where the network computes, such as ``cuda``; the world's network stays on the CPU.
    :raises InputError: the kind has no network, or its weights, layer or library are missing or do not fit.
    :raises DigestMismatch: stored weights are not those that were pinned on first use.
    """
    if spec.kind == "world":
        return world_features()
    if spec.kind == "emonet":
        from almond.encoding.features.networks.emonet import open_emonet

        return open_emonet(spec, device=device)
    if spec.kind == "torch":
        from almond.encoding.features.networks.torch_layer import open_torch

        return open_torch(spec, device=device)
    if spec.kind in NETWORK_KINDS:
        from almond.encoding.features.networks.hub import open_named

        return open_named(spec, device=device)
    raise InputError("features.kind", f"{spec.kind} has no network", ", ".join(NETWORK_KINDS))


def check_images(images: Sequence[ImageArray]) -> None:
    """``InputError`` naming the first thing that is not an (H, W, 3) uint8 image."""
    for index, image in enumerate(images):
        array = np.asarray(image)
        if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
            raise InputError(
                f"images[{index}]",
                f"is an array of {array.dtype} with shape {array.shape}",
                "an image (height, width, 3) of uint8",
            )
