"""A generator whose noise lies between that of two seeds, for pictures in between."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from almond.digest import digest_json
from almond.guidance.backends.base import Condition, Generator, Prediction
from almond.guidance.schedulers import Scheduler, Step


class Between:
    """A generator that starts from noise a ``fraction`` of the way from a recipe's seed to another.

    Everything else that a seed decides (the layout of the embedded generator) stays that of the recipe's.
    """

    def __init__(self, generator: Generator, towards: int, fraction: float) -> None:
        self.generator, self.towards, self.fraction = generator, towards, fraction
        self.name, self.defaults = generator.name, generator.defaults
        self.unit_kind = generator.unit_kind
        self.image_size, self.latent_shape = generator.image_size, generator.latent_shape
        self.digest = digest_json({"between": generator.digest, "towards": towards, "fraction": fraction})

    @property
    def scheduler(self) -> Scheduler:
        return self.generator.scheduler

    def encode_prompt(self, prompt: str, seeds: Sequence[int]) -> Condition:
        return self.generator.encode_prompt(prompt, seeds)

    def initial_latent(self, seed: int) -> torch.Tensor:
        first, second = self.generator.initial_latent(seed), self.generator.initial_latent(self.towards)
        return spherical(first, second, self.fraction)

    def predict(self, x: torch.Tensor, step: Step, condition: Condition) -> Prediction:
        return self.generator.predict(x, step, condition)

    def decode(self, x0: torch.Tensor) -> torch.Tensor:
        return self.generator.decode(x0)


def spherical(first: torch.Tensor, second: torch.Tensor, fraction: float) -> torch.Tensor:
    """Interpolate on the arc between two latents of one shape: sin((1-f)w)/sin w a + sin(f w)/sin w b.

    ``w`` is the angle between them (Shoemake 1985), so that what lies between two draws of noise has the
    length of noise.
    """
    cosine = (first * second).sum() / (first.norm() * second.norm())
    angle = torch.arccos(cosine.clamp(-1.0, 1.0))
    if float(torch.sin(angle)) < 1e-6:
        return first * (1.0 - fraction) + second * fraction
    return (torch.sin((1.0 - fraction) * angle) * first + torch.sin(fraction * angle) * second) / angle.sin()
