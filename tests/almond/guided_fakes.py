"""A generator and scorers of 4 x 4 pixels whose dose curves, selectivity and ratios follow by hand.

A picture is one colour per prompt and seed plus faint noise. Guidance by the rule ``x0`` adds, in the only
step of the window, ``reach * g / RMS(g)`` with ``reach = strength * noise * unit`` and the constant
gradient ``g`` of a linear score, so that every shift of every linear score is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from almond.diagnosis.settings import DiagnosisSettings
from almond.guidance.backends.base import RESIDUAL, Condition, Prediction, clipped, seeded_noise
from almond.guidance.generators import Defaults
from almond.guidance.levels import variance_preserving
from almond.guidance.schedulers import Scheduler, Step
from almond.rng import generator as random_generator

SIDE = 4
BARS = (0.2, 0.8)
NOISE = 0.004
TARGETS = ("A", "B", "C")
PROMPTS = tuple(f"prompt {number}" for number in range(6))
STRENGTHS = (0.01, 0.02, 0.04)
CHECKERBOARD = np.where(np.indices((SIDE, SIDE)).sum(axis=0) % 2, 1.0, -1.0)


def settings(**changes: Any) -> DiagnosisSettings:
    values: dict[str, Any] = {
        "generator": "colours",
        "prompts": PROMPTS,
        "seeds": (1, 2),
        "strengths": STRENGTHS,
        "window": (0.0, 0.5),
        "steps": 2,
        "rule": "x0",
        "objective": "alone",
        "unguided": 96,
        "interpolations": 1,
        "permutations": 199,
        "random_regions": 3,
    }
    return DiagnosisSettings(**{**values, **changes})


def reach(strength: float, bar: float = BARS[0]) -> float:
    """The length (RMS) of a shift of the clean prediction."""
    return strength * (1.0 - bar) / np.sqrt(bar)


class Way:
    initial_scale = 1.0
    steps: Sequence[Step] = [
        Step(number, float(number), variance_preserving(bar)) for number, bar in enumerate(BARS)
    ]

    def advance(
        self, x: torch.Tensor, x0: torch.Tensor, step: Step, noise: Sequence[torch.Generator]
    ) -> torch.Tensor:
        return x0


class Ways:
    name = "two steps"

    def start(self, steps: int) -> Way:
        return Way()


class Colours:
    """``decoded`` counts the batches that were drawn."""

    name, digest, image_size, latent_shape = "colours", "c" * 64, SIDE, (3, SIDE, SIDE)
    defaults = Defaults(steps=2, window=(0.0, 0.5), ramp=0.0, strengths=STRENGTHS)
    scheduler: Scheduler = Ways()
    unit_kind = RESIDUAL

    def __init__(self, spread: float = 0.15, ceiling: float = 1.0) -> None:
        self.spread, self.ceiling, self.decoded = spread, ceiling, 0

    def colour(self, prompt: str, seed: int) -> np.ndarray:
        rng = random_generator(seed, "colour", prompt)
        return 0.5 + rng.uniform(-self.spread, self.spread, 3)

    def encode_prompt(self, prompt: str, seeds: Sequence[int]) -> Condition:
        colours = np.stack([self.colour(prompt, seed) for seed in seeds])
        base = torch.tensor(colours, dtype=torch.float32)[:, :, None, None].expand(-1, -1, SIDE, SIDE)
        return Condition(prompt, tuple(seeds), (), (), base)

    def initial_latent(self, seed: int) -> torch.Tensor:
        return seeded_noise(seed, self.latent_shape)

    def predict(self, x: torch.Tensor, step: Step, condition: Condition) -> Prediction:
        x0 = condition.payload + NOISE * x if step.index == 0 else x
        return Prediction(x0, torch.full((len(x),), step.level.noise / step.level.signal))

    def decode(self, x0: torch.Tensor) -> torch.Tensor:
        self.decoded += 1
        return clipped(x0).clamp(max=self.ceiling)


class Linear:
    """Scores ``scale * sum(weights * image) + offset``; ``weights`` (T, 3, 4, 4)."""

    def __init__(
        self, weights: np.ndarray, names: Sequence[str] = TARGETS, scale: float = 10.0, offset: float = 0.0
    ) -> None:
        self.weights, self.names = torch.tensor(weights, dtype=torch.float32), tuple(names)
        self.scale, self.offset = scale, offset

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return self.scale * torch.einsum("bchw,tchw->bt", images, self.weights) + self.offset


def means(leak: float = 0.0) -> np.ndarray:
    """Weights of channel means; ``leak`` is the share of each other channel."""
    mix = np.eye(3) + leak * (1.0 - np.eye(3))
    return np.broadcast_to(mix[:, :, None, None] / SIDE**2, (3, 3, SIDE, SIDE)).copy()


def textured(trick: float) -> np.ndarray:
    """Channel means plus ``trick`` times a checkerboard, which no mean sees.

    With m = 1/16 a pixel, |w|^2 = 1/16 + 16 trick^2 and w . m = 1/16: the own shift is |w|^2 / (w . m) = 1 +
    256 trick^2 times that of the channel mean.
    """
    weights = means()
    weights[np.arange(3), np.arange(3)] += trick * CHECKERBOARD
    return weights


class Pixels:
    """Pixels as features."""

    name, dimension, digest, image_size = "pixels", 3 * SIDE**2, "f" * 64, SIDE

    def extract(self, images: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack([image.reshape(-1) for image in images]).astype(np.float32) / 255.0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.permute(0, 2, 3, 1).flatten(1)
