"""Train a slider to predict, without gradients of a score, what guidance predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from almond.guidance.distillation.guided_steps import GuidedStep
from almond.guidance.distillation.slider import SliderGenerator
from almond.progress import Progress
from almond.rng import generator as random_generator


@dataclass(frozen=True)
class Fitting:
    """Mean losses of the first and the last tenth of the updates, relative to doing nothing (1)."""

    first: float
    last: float
    updates: int


def shift_size(slider: SliderGenerator, item: GuidedStep) -> torch.Tensor:
    """Mean squared shift that guidance gave to a step's prediction."""
    slider.turn({})
    with torch.no_grad():
        unguided = slider.predict(item.x, item.step, item.condition).x0
    return (unguided - item.x0).square().mean().clamp_min(torch.finfo(item.x0.dtype).tiny)


def relative_loss(slider: SliderGenerator, item: GuidedStep, unit: torch.Tensor) -> torch.Tensor:
    """Squared distance of the slider's x0 to the guided one, in units of :func:`shift_size`.

    1 is a slider that does nothing, 0 one that equals guidance. The ratio makes every step count the same,
    though the shift grows with the noise.
    """
    slider.turn({item.target: item.dial})
    loss: torch.Tensor = (slider.predict(item.x, item.step, item.condition).x0 - item.x0).square().mean()
    return loss / unit


def fit_slider(
    slider: SliderGenerator,
    items: Sequence[GuidedStep],
    *,
    updates: int,
    rate: float,
    seed: int,
    progress: Progress,
) -> Fitting:
    """Fit the adapters by AdamW, one guided step of one batch of seeds per update, and freeze them again.

    :param rate: the largest learning rate, falling to zero by a cosine.
    """
    rng = random_generator(seed, "distillation")
    torch.manual_seed(int(rng.integers(2**31)))
    for layer in slider.lora.layers.values():
        for down in layer.down:
            nn.init.kaiming_uniform_(down.weight, a=5**0.5)  # type: ignore[arg-type]
    units = [shift_size(slider, item) for item in items]
    slider.lora.require_gradients(True)
    weights = slider.lora.parameters()
    optimiser = torch.optim.AdamW(weights, rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, updates)
    losses: list[float] = []
    order: list[int] = []
    for update in range(updates):
        order = order or [int(index) for index in rng.permutation(len(items))]
        chosen = order.pop()
        loss = relative_loss(slider, items[chosen], units[chosen])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
        progress.report((update + 1) / updates, f"loss {losses[-1]:.3f} (1: does nothing)")
    slider.lora.require_gradients(False)
    slider.turn({})
    tenth = max(1, updates // 10)
    return Fitting(_mean(losses[:tenth]), _mean(losses[-tenth:]), updates)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
