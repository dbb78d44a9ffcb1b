"""The fixed latent space of the embedded generators: principal components of 4 x 4 patches.

The codec is linear, so that encoding and decoding are differentiable, exact up to the components left out,
and the same everywhere. Components are scaled by the square root of their spread (and by their mean
spread), as a compromise between whitening, which lifts noise, and none, which hides all but the brightness.
"""

from __future__ import annotations

import functools
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import nn

from almond.digest import digest_file
from almond.files.writing import write_atomically
from almond.world.weights import checked

PATCH = 4
"""Width and height of a patch in pixels."""

CHANNELS = 3
FILE = "codec.safetensors"


class PatchCodec(nn.Module):
    """Images (B, 3, H, W) in [0, 1] to latents (B, C, H/4, W/4) and back; H and W multiples of 4.

    ``mean`` (48,) is the mean patch in [-1, 1], ``basis`` (48, C) the components as columns, ``scale`` (C,)
    their divisors. Latents of the scenes it was fitted on have a mean square of about 1.
    """

    mean: torch.Tensor
    basis: torch.Tensor
    scale: torch.Tensor

    def __init__(self, mean: torch.Tensor, basis: torch.Tensor, scale: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("basis", basis)
        self.register_buffer("scale", scale)

    @property
    def components(self) -> int:
        return int(self.basis.shape[1])

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Encode (B, 3, H, W) in [0, 1] -> (B, C, H/4, W/4)."""
        patches = nn.functional.pixel_unshuffle(images * 2.0 - 1.0, PATCH).permute(0, 2, 3, 1)
        latents: torch.Tensor = ((patches - self.mean) @ self.basis) / self.scale
        return latents.permute(0, 3, 1, 2)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode (B, C, h, w) -> (B, 3, 4h, 4w), about [0, 1]; unclipped, so that gradients never vanish."""
        patches = (latents.permute(0, 2, 3, 1) * self.scale) @ self.basis.T + self.mean
        images: torch.Tensor = nn.functional.pixel_shuffle(patches.permute(0, 3, 1, 2), PATCH)
        return (images + 1.0) / 2.0


def fit_codec(images: torch.Tensor, components: int) -> PatchCodec:
    """Fit the codec of a set of images (n, 3, H, W) in [0, 1]; signs are fixed (largest entry positive)."""
    patches = nn.functional.pixel_unshuffle(images.double() * 2.0 - 1.0, PATCH)
    rows = patches.permute(0, 2, 3, 1).reshape(-1, CHANNELS * PATCH * PATCH)
    mean = rows.mean(0)
    _, vectors = torch.linalg.eigh(torch.cov(rows.T))
    basis = vectors[:, -components:].flip(1)
    largest = basis.abs().argmax(0)
    basis = basis * torch.sign(basis[largest, torch.arange(components)])
    spread = ((rows - mean) @ basis).std(0)
    scale = spread.sqrt()
    scale = scale * ((rows - mean) @ basis / scale).square().mean().sqrt()
    return PatchCodec(mean.float(), basis.float().contiguous(), scale.float())


def save_codec(codec: PatchCodec, path: Path) -> None:
    state = {name: value.contiguous() for name, value in codec.state_dict().items()}
    write_atomically(path, save(state))


@functools.cache
def load_codec() -> PatchCodec:
    """Load the shipped codec. Raises ``DigestMismatch`` when its file was changed."""
    state = load_file(checked(FILE))
    return PatchCodec(state["mean"], state["basis"], state["scale"]).eval().requires_grad_(False)


def codec_digest() -> str:
    """Return the SHA-256 of the shipped codec's file."""
    return digest_file(checked(FILE))
