"""BrainDiVE's rule as published (Luo et al. 2023): the baseline that others are compared with.

The gradient is taken through the denoiser's text-conditional branch, in a pass of its own, and through the
decoder, of a blend of predicted clean and noisy latent. Its scale is constant, and it acts at all steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import torch

from almond.errors import InputError
from almond.guidance.backends.base import Condition, Generator
from almond.guidance.methods import Method
from almond.guidance.objectives.objective import Climb
from almond.guidance.rules.base import Guided, Length, tilted
from almond.guidance.schedulers import Step

METHOD = Method(
    summary="BrainDiVE as published: a constant scale times the gradient through the text-conditional "
    "branch, of a blend of predicted and noisy latent, at all steps.",
    formula="z = b x0(x) + (1 - b) x, b = sqrt(1 - alpha-bar); e <- e - sqrt(1 - alpha-bar) * lambda * "
    "grad_x V(decode(z)); strength is lambda itself, 100 to 150 in the paper",
    reference="Luo et al. 2023, Brain Diffusion for Visual Exploration (BrainDiVE)",
    cost="at each step the prediction and one more forward and one backward pass of the text-conditional "
    "branch, and of the decoder; give it the window 0 to 1",
    fails="A constant scale means another push for each model, target and noise level: too large and every "
    "seed becomes the same picture. Only for noise schedules that preserve the variance (no flow matching).",
    passes=(2.0, 1.0),
)

ROUNDING = 1e-3


@runtime_checkable
class TextBranch(Protocol):
    """A generator that denoises with its prompt alone, without weighing it against the empty one."""

    def predict_prompted(self, x: torch.Tensor, step: Step, condition: Condition) -> torch.Tensor:
        """Return the clean latent (B, C, h, w); differentiable in ``x``."""


def guide(
    generator: Generator,
    condition: Condition,
    x: torch.Tensor,
    step: Step,
    *,
    objective: Climb,
    strength: torch.Tensor,
    settings: Mapping[str, torch.Tensor],
    length: Length = tilted,
) -> Guided:
    """Shift along the gradient of the blend at the noisy latent ``x``.

    :raises InputError: a generator without a text-conditional branch, or a noise schedule that does not
        preserve the variance.
    """
    if not isinstance(generator, TextBranch):
        raise InputError(
            "rule braindive", f"{generator.name} has no text-conditional branch", "another rule or generator"
        )
    if abs(step.level.scale - 1.0) > ROUNDING:
        raise InputError(
            "rule braindive", "the noise schedule does not preserve the variance", "DDIM, or another rule"
        )
    with torch.no_grad():
        prediction = generator.predict(x, step, condition)
    blend = math.sqrt(1.0 - step.level.alpha_bar)
    with torch.enable_grad():
        noisy = x.detach().requires_grad_()
        mixed = blend * generator.predict_prompted(noisy, step, condition) + (1.0 - blend) * noisy
        climbed = objective(generator.decode(mixed))
        (gradient,) = torch.autograd.grad(climbed.value.sum(), noisy)
    reach = strength * climbed.share.detach()
    return length(
        prediction.x0, climbed.scores.detach(), gradient, unit=prediction.unit, strength=reach, step=step
    )
