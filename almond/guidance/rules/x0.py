"""The gradient through the decoder only, with respect to the predicted clean latent.

Cheaper, and nothing keeps the shift among plausible images: late in the trajectory it adds texture that
raises the score (MPGD's shortcut without its manifold projection, He et al. 2024). Offered for comparison.
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
    """Shift along the gradient at the predicted clean latent."""
    with torch.no_grad():
        prediction = generator.predict(x, step, condition)
    with torch.enable_grad():
        clean = prediction.x0.detach().requires_grad_()
        scores = score(generator.decode(clean))
        (gradient,) = torch.autograd.grad((scores * weights).sum(), clean)
    return shifted(
        clean.detach(), scores.detach(), gradient, unit=prediction.unit, strength=strength, step=step
    )
