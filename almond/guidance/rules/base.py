"""What guidance rules share.

A rule is one point of the family of training-free guidance (TFG, Ye et al. 2024): where the gradient is taken
(noisy latent or predicted clean latent) and how its length is set. All lengths are unit-free: a strength
``lambda`` moves the predicted noise by ``lambda * noise * unit`` in RMS, with the generator's own ``unit``
(see
``almond.guidance.backends.base.Prediction``), whatever the length of the gradient (FreeDoM, Yu et al. 2023).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch

from almond.guidance.backends.base import Condition, Generator, per_image, rms
from almond.guidance.schedulers import Step

GRADIENT_FLOOR = 1e-12
"""Gradients shorter than this (RMS) have no direction; they move nothing."""

Score = Callable[[torch.Tensor], torch.Tensor]
"""Images (B, 3, H, W) in [0, 1] -> standardised scores (B, T), differentiable."""


@dataclass(frozen=True)
class Guided:
    """One guided prediction.

    The shifted ``x0`` (B, C, h, w), the ``scores`` (B, T) of the unshifted one, and the RMS (B,) of the
    ``gradient`` and of the ``shift``.
    """

    x0: torch.Tensor
    scores: torch.Tensor
    gradient: torch.Tensor
    shift: torch.Tensor


class Rule(Protocol):
    """Shift the prediction at one step. ``weights`` (B, T) is the signed objective, ``strength`` (B,)
    lambda; where it is 0, the prediction stays as it is to the last bit.

    An image's shift must not depend on its row in the batch, on the other rows or on their number.
    """

    def __call__(
        self,
        generator: Generator,
        condition: Condition,
        x: torch.Tensor,
        step: Step,
        *,
        score: Score,
        weights: torch.Tensor,
        strength: torch.Tensor,
    ) -> Guided: ...


def shifted(
    x0: torch.Tensor,
    scores: torch.Tensor,
    gradient: torch.Tensor,
    *,
    unit: torch.Tensor,
    strength: torch.Tensor,
    step: Step,
) -> Guided:
    """Shift a prediction: ``x0 + lambda * unit * noise**2 / signal * g / RMS(g)``.

    In terms of the predicted noise ``e = (x - signal * x0) / noise`` this is ``e - lambda * unit * noise * g
    / RMS(g)``.
    """
    size = rms(gradient)
    moved = (size > GRADIENT_FLOOR) & (strength > 0)
    direction = torch.where(per_image(moved), gradient / per_image(size + GRADIENT_FLOOR), 0.0)
    reach = strength * unit * step.level.noise**2 / step.level.signal
    shift = per_image(reach) * direction
    return Guided(x0 + shift, scores, size, rms(shift))
