"""The gradient through decoder *and* denoiser, with respect to the noisy latent.

The denoiser's Jacobian keeps the shift among the images that it knows: it is the classifier guidance of
Dhariwal & Nichol (2021), ``e' = e - noise * grad_x log p(y | x)``, with the target's score on the predicted
clean image in place of a noise-aware classifier (DPS, Chung et al. 2023) and FreeDoM's length.
"""

from __future__ import annotations

import torch

from almond.guidance.backends.base import Condition, Generator
from almond.guidance.rules.base import Guided, Score, shifted
from almond.guidance.schedulers import Step


def guide(
    generator: Generator,
    condition: Condition,
    x: torch.Tensor,
    step: Step,
    *,
    score: Score,
    weights: torch.Tensor,
    strength: torch.Tensor,
) -> Guided:
    """Shift along the gradient at the noisy latent ``x``."""
    with torch.enable_grad():
        noisy = x.detach().requires_grad_()
        prediction = generator.predict(noisy, step, condition)
        scores = score(generator.decode(prediction.x0))
        (gradient,) = torch.autograd.grad((scores * weights).sum(), noisy)
    return shifted(
        prediction.x0.detach(),
        scores.detach(),
        gradient,
        unit=prediction.unit.detach(),
        strength=strength,
        step=step,
    )
