"""What happens to an image before a network sees it: the same for ``extract`` and ``forward``.

A pixel p (0-255) of an image that was resized to a square becomes ``(range * p / 255 - mean) / std * scale``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from almond.digest import digest_array
from almond.encoding.features.matlab import read_variable
from almond.errors import InputError
from almond.files.arrays import read_npy
from almond.finite import require_finite

CHANNELS = 3


@dataclass(frozen=True)
class Preprocessing:
    """``size`` in pixels; ``mean`` is None, three numbers, or a mean image (size, size, 3) in units of
    ``range``; ``filter`` is bicubic or bilinear, both antialiased, with the aspect ratio lost."""

    size: int
    filter: str = "bicubic"
    range: float = 1.0
    mean: NDArray[np.float32] | None = None
    std: tuple[float, ...] | None = None
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.mean is not None and self.mean.shape not in ((CHANNELS,), (self.size, self.size, CHANNELS)):
            raise InputError(
                "mean",
                f"has shape {self.mean.shape}",
                f"three numbers or an image of shape ({self.size}, {self.size}, {CHANNELS})",
            )

    def describe(self) -> dict[str, Any]:
        """Write every step as plain JSON values; a mean image by its digest."""
        mean: Any = None
        if self.mean is not None:
            image = self.mean.ndim == 3
            mean = {"image": digest_array(self.mean)} if image else [float(value) for value in self.mean]
        return {
            "size": self.size,
            "filter": f"{self.filter}, antialiased",
            "aspect": "lost",
            "grey": "repeated to three channels",
            "range": self.range,
            "mean": mean,
            "std": None if self.std is None else list(self.std),
            "scale": self.scale,
        }

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Prepare (B, 3 or 1, H, W) in [0, 1] -> (B, 3, size, size) as the network takes it; differentiable.

        Bicubic resizing overshoots at edges; what lies outside [0, 1] is cut off, as it is in 8-bit images.
        """
        if images.ndim != 4 or images.shape[1] not in (1, CHANNELS):
            raise InputError("images", f"shape {tuple(images.shape)}", "(batch, 3, height, width)")
        prepared = self._resized(images.expand(-1, CHANNELS, -1, -1)) * self.range
        if self.mean is not None:
            prepared = prepared - self._planes(self.mean, prepared)
        if self.std is not None:
            prepared = prepared / self._planes(np.array(self.std, np.float32), prepared)
        return prepared if self.scale == 1 else prepared * self.scale

    def _resized(self, images: torch.Tensor) -> torch.Tensor:
        side = (self.size, self.size)
        if images.shape[-2:] == side:
            return images
        resized = nn.functional.interpolate(
            images, size=side, mode=self.filter, align_corners=False, antialias=True
        )
        return resized.clamp(0, 1)

    @staticmethod
    def _planes(values: NDArray[np.float32], like: torch.Tensor) -> torch.Tensor:
        """Lay numbers per channel, or an image, out as (3, 1, 1) or (3, H, W)."""
        laid = values.reshape(1, 1, CHANNELS) if values.ndim == 1 else values
        return torch.tensor(laid, dtype=like.dtype, device=like.device).permute(2, 0, 1)


def as_rgb(image: NDArray[np.uint8], source: str) -> NDArray[np.uint8]:
    """Repeat grey images: (H, W, 3), (H, W, 1) or (H, W) uint8 -> (H, W, 3).

    :raises InputError: naming ``source`` for others.
    """
    array = np.asarray(image)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] not in (1, CHANNELS) or 0 in array.shape:
        raise InputError(
            source,
            f"is an array of {array.dtype} with shape {np.shape(image)}",
            "an image (height, width, 3) or a grey one (height, width) of uint8",
        )
    return np.broadcast_to(array, (*array.shape[:2], CHANNELS))


def unit_tensor(image: NDArray[np.uint8]) -> torch.Tensor:
    """Scale an image (H, W, 3) uint8 -> (1, 3, H, W) float32 in [0, 1]."""
    # A copy: torch warns about arrays that cannot be written, such as those of PIL.
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255


def read_mean(mean: tuple[float, ...] | Path | None) -> NDArray[np.float32] | None:
    """Read a mean from numbers, or from a .npy or .mat file with an image (H, W, 3) or three numbers.

    :raises InputError: the file holds anything else.
    """
    if mean is None:
        return None
    if not isinstance(mean, Path):
        return np.array(mean, np.float32)
    values = _read_array(mean)
    values = values.reshape(-1) if values.size == CHANNELS else values
    if values.ndim not in (1, 3) or values.shape[-1] != CHANNELS:
        raise InputError(mean, f"has shape {values.shape}", "three numbers or a mean image (H, W, 3)")
    require_finite(values, mean)
    return values.astype(np.float32)


def _read_array(path: Path) -> NDArray[Any]:
    if path.suffix == ".mat":
        return read_variable(path, None)
    values = read_npy(path)
    if values.dtype.kind not in "biuf":
        raise InputError(path, f"holds values of type {values.dtype}", "a .npy file with a mean image")
    return values.astype(np.float64)
