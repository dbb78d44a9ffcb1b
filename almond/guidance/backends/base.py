"""The interface of a generator: the embedded analytic one, a small UNet, or a Stable Diffusion folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

    The unit is an RMS in the space of ``x0``: that of the text's own correction (FreeDoM's scaling), or what
    the generator's ``unit_kind`` says. ``measured`` is the unit itself, or how to measure it: a model without
    classifier-free guidance needs one more pass for it, which unguided steps do not pay.
    """

    x0: torch.Tensor
    measured: torch.Tensor | Callable[[], torch.Tensor]

    @property
    def unit(self) -> torch.Tensor:
        """Return the unit (B,), measured now where it costs a pass; it carries no gradient."""
        if isinstance(self.measured, torch.Tensor):
            return self.measured.detach()
        with torch.no_grad():
            return self.measured()


TEXT = "text correction"
"""Unit of classifier-free guidance: RMS of what the text, at its scale, changes in the clean latent."""

TEXT_ONCE = "text correction at scale 1, by one more pass"
"""Unit without classifier-free guidance: RMS(x0(prompt) - x0(empty prompt))."""

RESIDUAL = "noise over signal"
"""Unit where no text is ever left out (the analytic generator): RMS(x - signal * x0) / signal, the noise seen
in the space of the clean latent."""


class Generator(Protocol):
    """A frozen text-to-image model in parts. Everything is deterministic given prompt, seed and latents."""

    name: str
    digest: str
    """SHA-256 over all that the pictures depend on: weights, codec, parameters, versions."""
    image_size: int
    latent_shape: tuple[int, int, int]
    defaults: Defaults
    unit_kind: str
    """What strengths are counted in: one of ``TEXT``, ``TEXT_ONCE``, ``RESIDUAL``."""

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
