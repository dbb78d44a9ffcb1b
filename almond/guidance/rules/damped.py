"""The gradient through the denoiser, divided by what the posterior's width takes off it.

Guidance towards ``p(x0) exp(V(x0))`` needs ``grad_x log E[exp V(x0) | x]``; rules put ``V(E[x0 | x])`` for
it. For a quadratic score of curvature ``k`` and a Gaussian posterior of variance ``v`` its gradient is that
of the plug-in divided by ``1 + k v``; the pseudo-inverse guidance of Song et al. (2023) has the same
denominator for a linear measurement.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from almond.guidance.backends.base import Condition, Generator
from almond.guidance.methods import Method, Setting
from almond.guidance.objectives.objective import Climb
from almond.guidance.rules.base import Guided, Length, gradient_at_noise, shifted
from almond.guidance.schedulers import Step

METHOD = Method(
    summary="As through, with the push divided by 1 + k Var(x0 | x): weaker where the clean image is still "
    "open.",
    formula="g = grad_x V(decode(x0(x))) / (1 + k v), v = 1 - alpha-bar (the posterior's variance for "
    "latents of variance 1)",
    reference="Song et al. 2023 (pseudo-inverse guidance) for a quadratic score; exact on Gaussian data",
    cost="at a guided step one forward and one backward pass of the denoiser and of the decoder",
    fails="k is the curvature of lambda times the objective per latent unit, which nobody knows for a "
    "network: with k too large it hardly moves, with k 0 it is the rule through.",
    passes=(1.0, 1.0),
    settings={
        "curvature": Setting(
            meaning="k: curvature of the objective, at least 0", default=1.0, low=0.0, high=10000.0
        )
    },
)


def guide(
    generator: Generator,
    condition: Condition,
    x: torch.Tensor,
    step: Step,
    *,
    objective: Climb,
    strength: torch.Tensor,
    settings: Mapping[str, torch.Tensor],
    length: Length = shifted,
) -> Guided:
    """Shift along the damped gradient at the noisy latent ``x``."""
    prediction, climbed, gradient = gradient_at_noise(generator, condition, x, step, objective)
    variance = 1.0 - step.level.alpha_bar
    reach = strength * climbed.share / (1.0 + settings["curvature"] * variance)
    return length(prediction.x0, climbed.scores, gradient, unit=prediction.unit, strength=reach, step=step)
