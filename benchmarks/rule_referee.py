"""Guidance rules against a law that is known exactly: ``python -m benchmarks.rule_referee``.

Data are N(0, I) and the denoiser is exact, so that the law p(x) exp(V(x)) is a Gaussian for a linear and
for a quadratic score. Each rule of the registry guides the same sampler towards it, with the shift that the
law asks for (``strength_unit`` ``law``) at every step. Printed, and with ``--json`` as one JSON object: mean
and standard deviation along the score's direction, beside the exact ones.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from almond.guidance.backends.base import TEXT_ONCE, Condition, Prediction
from almond.guidance.generators import UNCALIBRATED
from almond.guidance.objectives.objective import Climbed
from almond.guidance.rules import RULES
from almond.guidance.rules.base import tilted
from almond.guidance.schedulers import DDIM, DDIMRun, Scheduler, Step

SIDE = 8
FIRST_ALPHA_BAR, LAST_ALPHA_BAR = 1e-4, 0.9999


class ExactDenoiser:
    """The posterior mean of N(0, I) data: x0 = signal * x / (signal^2 + noise^2). Latents are the images."""

    name, digest, image_size, defaults = "gaussian", "0" * 64, SIDE, UNCALIBRATED
    latent_shape = (1, SIDE, SIDE)
    scheduler: Scheduler = DDIM()
    unit_kind = TEXT_ONCE

    def encode_prompt(self, prompt: str, seeds: Sequence[int]) -> Condition:
        return Condition(prompt, tuple(seeds), (), (), None)

    def initial_latent(self, seed: int) -> torch.Tensor:
        return torch.randn(self.latent_shape, generator=torch.Generator().manual_seed(seed))

    def predict(self, x: torch.Tensor, step: Step, condition: Condition) -> Prediction:
        return Prediction(x * (step.level.signal / step.level.scale**2), torch.ones(len(x)))

    def predict_prompted(self, x: torch.Tensor, step: Step, condition: Condition) -> torch.Tensor:
        return self.predict(x, step, condition).x0

    def decode(self, x0: torch.Tensor) -> torch.Tensor:
        return x0


@dataclass(frozen=True)
class Law:
    """The score ``k w.x``, or ``-k/2 |x - 2 w|^2`` (``quadratic``), of curvature k; w has length 1."""

    k: float
    quadratic: bool

    @property
    def mean(self) -> float:
        return 2.0 * self.k / (1.0 + self.k) if self.quadratic else self.k

    @property
    def sd(self) -> float:
        return (1.0 + self.k) ** -0.5 if self.quadratic else 1.0

    def value(self, images: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        if self.quadratic:
            return -0.5 * self.k * (images - 2.0 * w).square().flatten(1).sum(1)
        return self.k * (images * w).flatten(1).sum(1)


LAWS = (Law(1.0, False), Law(1.0, True), Law(4.0, True))


def guided_law(rule: str, law: Law, *, images: int, steps: int, seed: int = 0) -> tuple[float, float]:
    """Mean and standard deviation of w.x over images that a rule guided towards a law."""
    generator, source = ExactDenoiser(), torch.Generator().manual_seed(seed)
    w = torch.randn(generator.latent_shape, generator=source)
    w = w / w.norm()
    x = torch.randn((images, *generator.latent_shape), generator=source)
    bars = torch.linspace(FIRST_ALPHA_BAR, LAST_ALPHA_BAR, steps, dtype=torch.float64).tolist()
    trajectory = DDIMRun([0] * steps, bars)
    condition = generator.encode_prompt("", [0])

    def objective(pictures: torch.Tensor) -> Climbed:
        value = law.value(pictures, w)
        return Climbed(value[:, None], value, torch.ones(len(value)))

    settings = {"curvature": torch.full((images,), law.k if law.quadratic else 0.0)}
    for step in trajectory.steps:
        guided = RULES.load(rule)(
            generator,
            condition,
            x,
            step,
            objective=objective,
            strength=torch.ones(images),
            settings=settings,
            length=tilted,
        )
        x = trajectory.advance(x, guided.x0, step, [])
    along = (x * w).flatten(1).sum(1).double()
    return float(along.mean()), float(along.std())


def table(images: int, steps: int) -> list[dict[str, object]]:
    """One row per law: the exact mean and SD, and those of every rule."""
    rows: list[dict[str, object]] = []
    for law in LAWS:
        reached = {rule: guided_law(rule, law, images=images, steps=steps) for rule in RULES.names()}
        rows.append(
            {
                "score": "quadratic" if law.quadratic else "linear",
                "k": law.k,
                "exact": [round(law.mean, 3), round(law.sd, 3)],
                **{rule: [round(value, 3) for value in values] for rule, values in reached.items()},
            }
        )
    return rows


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments.add_argument("--images", type=int, default=4000)
    arguments.add_argument("--steps", type=int, default=200)
    options = arguments.parse_args()
    torch.set_num_threads(1)
    rows = table(options.images, options.steps)
    if options.json:
        print(json.dumps({"standard_error": 1 / math.sqrt(options.images), "rows": rows}))
        return
    for row in rows:
        print(", ".join(f"{name} {value}" for name, value in row.items()))


if __name__ == "__main__":
    main()
