"""Feature spaces: where images become numbers. Networks load only when one is asked for.

A feature space is anything with a name, a dimension, a digest of everything that its numbers depend on
(weights and preprocessing), ``extract`` for finished images, and ``forward`` for gradients.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from almond.digest import digest_json
from almond.encoding.tables import FeatureTable, load_table
from almond.errors import InputError
from almond.files import write_atomically

if TYPE_CHECKING:
    import torch

__all__ = ["FeatureSpace", "FeatureTable", "extract_cached", "load_table", "world_features"]

ImageArray = NDArray[np.uint8]
FloatArray = NDArray[np.float64]
FeatureArray = NDArray[np.float32]


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


@lru_cache(maxsize=1)
def world_features() -> FeatureSpace:
    """The network that comes with Almond, trained on scenes of the simulated world: 256 values of its fc7."""
    from almond.encoding.features_torch import NetworkFeatures
    from almond.world.networks import load_network

    return NetworkFeatures("world-fc7", load_network("features"), image_size=96)


def extract_cached(
    space: FeatureSpace,
    digests: Sequence[str],
    load: Callable[[], Sequence[ImageArray]],
    cache: Path,
) -> FeatureArray:
    """Features (n, D) of the images that ``load`` gives, kept in the folder ``cache``.

    The key is the digests of the images (of their bytes or pixels, in order) and of the space; images are
    loaded only when the file is not there. It is written whole or not at all; one that cannot be read or has
    the wrong shape is made again.
    """
    key = digest_json({"images": list(digests), "feature_space": space.digest})
    path = cache / f"{key}.npy"
    found = _read_cached(path, (len(digests), space.dimension))
    if found is None:
        found = space.extract(load())
        write_atomically(path, _npy_bytes(found))
    return found


def _read_cached(path: Path, shape: tuple[int, int]) -> FeatureArray | None:
    if not path.is_file():
        return None
    try:
        found = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError):
        return None  # a damaged cache is only a cache
    return found if found.shape == shape and found.dtype == np.float32 else None


def _npy_bytes(array: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


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
