"""What guidance rules share.

A rule is one point of the family of training-free guidance (TFG, Ye et al. 2024): where the gradient is taken
(noisy latent or predicted clean latent) and how its length is set. All lengths are unit-free: a strength
``lambda`` moves the predicted clean latent by ``lambda * (noise / scale) * unit`` in RMS, with the
generator's own ``unit`` (see ``almond.guidance.backends.base.Prediction``), whatever the length of the
gradient (FreeDoM, Yu et al. 2023). ``noise / scale`` is the noise of the latent scaled to unit variance: at
one share of signal it is the same for every family of schedulers, and it lies in [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch

from almond.guidance.backends.base import Condition, Generator, Prediction, per_image, rms
from almond.guidance.objectives.objective import Climb, Climbed
from almond.guidance.schedulers import Step

GRADIENT_FLOOR = 1e-12
"""Gradients shorter than this (RMS) have no direction; they move nothing."""


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


class Length(Protocol):
    """How far a prediction is shifted along a gradient."""

    def __call__(
        self,
        x0: torch.Tensor,
        scores: torch.Tensor,
        gradient: torch.Tensor,
        *,
        unit: torch.Tensor,
        strength: torch.Tensor,
        step: Step,
    ) -> Guided: ...


class Rule(Protocol):
    """Shift the prediction at one step; where the strength is 0, it stays as it is to the last bit.

    ``objective``: images -> what is climbed; ``strength`` (B,) is lambda; ``settings`` (B,) by name, those
    that the rule's ``METHOD`` declares among them; ``length``: how far, if not as the rule has it. An image's
    shift must not depend on its row in the batch, on the other rows or on their number.
    """

    def __call__(
        self,
        generator: Generator,
        condition: Condition,
        x: torch.Tensor,
        step: Step,
        *,
        objective: Climb,
        strength: torch.Tensor,
        settings: Mapping[str, torch.Tensor],
        length: Length = ...,
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
    """Shift a prediction: ``x0 + lambda * (noise / scale) * unit * g / RMS(g)``.

    Nothing divides by the signal, so that a step of pure noise has a finite shift too.
    """
    size = rms(gradient)
    moved = (size > GRADIENT_FLOOR) & (strength > 0)
    direction = torch.where(per_image(moved), gradient / per_image(size + GRADIENT_FLOOR), 0.0)
    reach = strength * unit * (step.level.noise / step.level.scale)
    shift = per_image(reach) * direction
    return Guided(x0 + shift, scores, size, rms(shift))


def tilted(
    x0: torch.Tensor,
    scores: torch.Tensor,
    gradient: torch.Tensor,
    *,
    unit: torch.Tensor,
    strength: torch.Tensor,
    step: Step,
) -> Guided:
    """Shift a prediction as the law p(x) exp(lambda V) asks for: ``x0 + lambda * noise**2 / signal * g``.

    Tweedie's formula turns the score ``grad_x log p + lambda g`` into this shift (Dhariwal & Nichol 2021). It
    has no unit and no bound: where the signal is 0 it is infinite.
    """
    shift = per_image(strength * step.level.noise**2 / step.level.signal) * gradient
    return Guided(x0 + shift, scores, rms(gradient), rms(shift))


def gradient_at_noise(
    generator: Generator, condition: Condition, x: torch.Tensor, step: Step, objective: Climb
) -> tuple[Prediction, Climbed, torch.Tensor]:
    """Return prediction, what was climbed and its gradient (B, C, h, w) with respect to the noisy latent."""
    with torch.enable_grad():
        noisy = x.detach().requires_grad_()
        prediction = generator.predict(noisy, step, condition)
        climbed = objective(generator.decode(prediction.x0))
        (gradient,) = torch.autograd.grad(climbed.value.sum(), noisy)
    values = Climbed(climbed.scores.detach(), climbed.value.detach(), climbed.share.detach())
    return Prediction(prediction.x0.detach(), prediction.unit.detach()), values, gradient
