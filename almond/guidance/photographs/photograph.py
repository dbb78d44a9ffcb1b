"""A photograph as a model sees it: cut to its size, encoded, and told apart from what may change in it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

import torch

from almond.errors import InputError
from almond.guidance.photographs.inversion import Inverted
from almond.guidance.photographs.pictures import PictureFiles, fitted, fitted_mask
from almond.guidance.photographs.regions import OpenRegion
from almond.guidance.starting import StartPicture
from almond.typing import ImageArray


@dataclass(frozen=True)
class Photograph:
    """Pixels (3, H, W) in [0, 1], clean latent (C, h, w), and the region that may change, None for all.

    ``inversions`` keeps what was inverted, by prompt and steps.
    """

    pixels: torch.Tensor
    latent: torch.Tensor
    region: OpenRegion | None
    inversions: dict[Hashable, Inverted] = field(default_factory=dict)

    def blended(self, latents: torch.Tensor) -> torch.Tensor:
        """Return clean latents (B, C, h, w) with the photograph's outside of the region: what is decoded
        beside an edge depends on both sides of it."""
        return latents if self.region is None else self.region.blend(latents, self.latent)

    def shown(self, images: torch.Tensor) -> torch.Tensor:
        """Return images (B, 3, H, W) with the photograph outside of the region."""
        return images if self.region is None else self.region.composite(images, self.pixels)


def unit_pixels(image: ImageArray) -> torch.Tensor:
    """Turn an image (H, W, 3) uint8 into (3, H, W) float32 in [0, 1]."""
    return torch.tensor(image).permute(2, 0, 1).to(torch.float32) / 255.0


def read_pixels(start: StartPicture, pictures: PictureFiles, size: int) -> ImageArray:
    """Read the photograph of a start, cut to (size, size, 3)."""
    return fitted(pictures.read(str(start.image_sha256), "recipe.start.photograph"), size)


def read_region(
    start: StartPicture, pictures: PictureFiles, size: int, latent_shape: tuple[int, int, int]
) -> OpenRegion | None:
    """Read the mask of a start.

    :raises InputError: its sides are not those of the photograph, or it marks nothing.
    """
    if start.mask_sha256 is None:
        return None
    mask = pictures.read(start.mask_sha256, "recipe.start.mask")
    photograph = pictures.read(str(start.image_sha256), "recipe.start.photograph")
    if mask.shape != photograph.shape:
        height, width = mask.shape[:2]
        expected = f"{photograph.shape[1]} x {photograph.shape[0]} pixels, as the photograph"
        raise InputError("recipe.start.mask", f"has {width} x {height} pixels", expected)
    return OpenRegion.of(fitted_mask(mask, size), latent_shape)
