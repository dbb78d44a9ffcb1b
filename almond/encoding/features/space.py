"""What a feature space is: anything that turns images into vectors, with a digest of what it depends on.

A feature space has a name, a dimension, a digest of weights and preprocessing, ``extract`` for finished
images, and ``forward`` for gradients. ``almond.encoding.features.open`` makes one of a specification.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from almond.encoding.features.card import FeatureSpaceCard
from almond.errors import InputError
from almond.typing import FeatureArray, ImageArray

if TYPE_CHECKING:
    import torch


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
        """Compute the features (n, D) float32 of images, each (H, W, 3) uint8."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute the features (B, D) of images (B, 3, H, W) in [0, 1], differentiable."""


@runtime_checkable
class MovableSpace(Protocol):
    """A feature space whose network can be moved to another device."""

    def to(self, device: torch.device | str) -> object:
        """Move network and all that its images meet."""


class DescribedSpace(FeatureSpace, Protocol):
    """A feature space that can say in plain JSON values what it does to an image."""

    def describe(self) -> dict[str, Any]:
        """Name network, layer, preprocessing step by step, dimension, digest."""


def card_of_space(space: FeatureSpace) -> FeatureSpaceCard:
    """Write down by which name, digest and dimension weights refer to a space."""
    return FeatureSpaceCard(space.name, space.digest, space.dimension)


def check_images(images: Sequence[ImageArray]) -> None:
    """Refuse anything that is not an (H, W, 3) uint8 image.

    :raises InputError: naming the first one.
    """
    for index, image in enumerate(images):
        array = np.asarray(image)
        if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
            raise InputError(
                f"images[{index}]",
                f"is an array of {array.dtype} with shape {array.shape}",
                "an image (height, width, 3) of uint8",
            )
