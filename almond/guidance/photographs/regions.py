"""The part of a photograph that may change, in pixels and in cells of the latent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from almond.errors import InputError


@dataclass(frozen=True)
class OpenRegion:
    """Where a picture may change: ``pixels`` (H, W) and ``cells`` (h, w) of the latent, both bool."""

    pixels: torch.Tensor
    cells: torch.Tensor

    @classmethod
    def of(
        cls, mask: np.ndarray[tuple[int, int], np.dtype[np.bool_]], latent_shape: tuple[int, int, int]
    ) -> OpenRegion:
        """Take the pixel nearest to every cell, as inpainting pipelines do.

        :raises InputError: the mask marks no cell.
        """
        pixels = torch.from_numpy(np.array(mask))
        plane = pixels.to(torch.float32)[None, None]
        cells = torch.nn.functional.interpolate(plane, size=latent_shape[1:])[0, 0] > 0.5
        if not bool(cells.any()):
            problem = f"marks no cell of the latent, which has {latent_shape[1]} x {latent_shape[2]}"
            raise InputError("recipe.start.mask", problem, "white where the picture may change")
        return cls(pixels, cells)

    def composite(self, images: torch.Tensor, photograph: torch.Tensor) -> torch.Tensor:
        """Put the photograph (3, H, W) back outside of the region of images (B, 3, H, W)."""
        return torch.where(self.pixels.to(images.device), images, photograph.to(images))

    def blend(self, latents: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """Put known latents back outside of the region of latents, both (B, C, h, w)."""
        return torch.where(self.cells.to(latents.device), latents, known)
