"""The interface of a generator: the embedded analytic one, a small UNet, or a Stable Diffusion folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from almond.guidance.generators import Defaults
from almond.guidance.schedulers import Scheduler, Step
from almond.rng import derive_seed


@dataclass(frozen=True)
class Condition:
    """A prompt as the denoiser takes it, for one batch.

    ``understood`` and ``ignored`` are the prompt's words that the generator does and does not know (a text
    encoder knows all of them). ``payload`` belongs to the backend that made it. ``text_share`` is what is
    left of the text guidance's weight, for backends that have one (``lowers_text``).
    """

    prompt: str
    seeds: tuple[int, ...]
    understood: tuple[str, ...]
    ignored: tuple[str, ...]
    payload: Any
    text_share: float = 1.0


@dataclass(frozen=True)
class Prediction:
    """The denoiser's clean latent ``x0`` (B, C, h, w), and the unit (B,) in which strengths are counted.

    The unit is the RMS of the text's own correction of the predicted noise where there is one
    (classifier-free guidance; FreeDoM's scaling), else the RMS of the predicted noise.
    """

    x0: torch.Tensor
    unit: torch.Tensor


class Generator(Protocol):
    """A frozen text-to-image model in parts. Everything is deterministic given prompt, seed and latents."""

    name: str
    digest: str
    """SHA-256 over all that the pictures depend on: weights, codec, parameters, versions."""
    image_size: int
    latent_shape: tuple[int, int, int]
    defaults: Defaults

    @property
    def scheduler(self) -> Scheduler:
        """Return the noise schedule and its solver."""

    def encode_prompt(self, prompt: str, seeds: Sequence[int]) -> Condition:
        """Encode the condition of one batch, one seed per image; a backend may draw its layout from it."""

    def initial_latent(self, seed: int) -> torch.Tensor:
        """Draw standard normal (C, h, w): the same seed always gives the same noise."""

    def predict(self, x: torch.Tensor, step: Step, condition: Condition) -> Prediction:
        """Denoise (B, C, h, w); differentiable in ``x``."""

    def decode(self, x0: torch.Tensor) -> torch.Tensor:
        """Decode to images (B, 3, H, W) in [0, 1]; differentiable, ``clipped``."""


def seeded_noise(seed: int, shape: tuple[int, int, int]) -> torch.Tensor:
    """Draw a standard normal latent (C, h, w) in float32 for a seed."""
    source = torch.Generator().manual_seed(derive_seed(seed, "initial latent"))
    return torch.randn(shape, generator=source)


def rms(values: torch.Tensor) -> torch.Tensor:
    """Compute the root mean square of every image of a batch: (B, ...) -> (B,)."""
    return values.square().flatten(1).mean(dim=1).sqrt()


def per_image(values: torch.Tensor) -> torch.Tensor:
    """Reshape (B,) to (B, 1, 1, 1), to scale a batch of latents."""
    return values[:, None, None, None]


def clipped(images: torch.Tensor) -> torch.Tensor:
    """Clip images to [0, 1]; an infinite value becomes NaN, for it is no white and no black."""
    return torch.where(images.isfinite(), images.clamp(0.0, 1.0), torch.nan)
