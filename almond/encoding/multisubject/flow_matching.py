"""The second stage: conditional flow matching, which turns noise into what the anchor could not predict.

A path goes straight from noise x0 to a residual x1 (Lipman et al. 2023, the conditional optimal-transport
path without smallest width): x_t = (1 - t) x0 + t x1, with velocity x1 - x0. A network learns the mean
velocity at x_t given the condition; following it from t = 0 to 1 turns noise into samples of the residual.

Residuals come whitened (``spread.py``), and the velocity is a known part plus a learned one. Known: if
whitened residuals were standard normal, independent of all else, the mean velocity would be
(2 t - 1) / ((1 - t)^2 + t^2) x. The network starts at 0 and adds what is not so: other shapes, and what
depends on the stimulus.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, silu

from almond.encoding.multisubject.flow_training import (
    Checkpoint,
    TrainingSchedule,
    TrainingState,
    torch_generator,
    train,
)
from almond.progress import Progress

BLOCKS = 2

PASSES = 4
"""Over the rows per epoch, each time with new noise and times: recordings are short."""

HELD_DRAWS = 4
"""Noises and times per held volume when an epoch is validated."""

FREQUENCIES = 8
"""Of the time embedding: sines and cosines of pi t times 1 to this; velocities are smooth in t."""


class Dense(nn.Module):
    """A linear layer with weights from a generator passed in, times ``scale``."""

    def __init__(self, inside: int, outside: int, rng: torch.Generator, scale: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(scale * torch.randn(outside, inside, generator=rng) / inside**0.5)
        self.bias = nn.Parameter(torch.zeros(outside))

    def forward(self, values: Tensor) -> Tensor:
        outputs: Tensor = values @ self.weight.T + self.bias
        return outputs


class ModulatedBlock(nn.Module):
    """A residual layer whose normalised input is scaled and shifted by the time (FiLM, Perez et al. 2018)."""

    def __init__(self, hidden: int, rng: torch.Generator) -> None:
        super().__init__()
        self.film = Dense(hidden, 2 * hidden, rng, 0.1)
        self.inner = Dense(hidden, hidden, rng)

    def forward(self, values: Tensor, time: Tensor) -> Tensor:
        scale, shift = self.film(time).chunk(2, dim=-1)
        # h + W silu((1 + a(t)) norm(h) + b(t)).
        modulated = layer_norm(values, values.shape[-1:]) * (1 + scale) + shift
        outputs: Tensor = values + self.inner(silu(modulated))
        return outputs


def embedded(time: Tensor) -> Tensor:
    """Embed t (m, 1) in [0, 1] as sines and cosines (m, 2 * FREQUENCIES)."""
    # sin(pi k t), cos(pi k t) for k = 1 ... FREQUENCIES.
    angles = math.pi * time * torch.arange(1, FREQUENCIES + 1, device=time.device)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def gaussian_velocity(x: Tensor, time: Tensor) -> Tensor:
    """Return the mean velocity at x (m, V) and t (m, 1) if whitened residuals were independent and standard
    normal."""
    return (2 * time - 1) / ((1 - time) ** 2 + time**2) * x


class Velocity(nn.Module):
    """Velocities of several subjects: own linear ways in and out, shared blocks between.

    ``bases``: per subject orthonormal directions (V, q). What is learned acts within them; across them voxels
    keep the known velocity. The condition of a row is its ``context`` (C,): what the anchor predicts.
    """

    def __init__(self, bases: Sequence[Tensor], context: int, hidden: int, rng: torch.Generator) -> None:
        super().__init__()
        sizes = [int(basis.shape[1]) for basis in bases]
        self.entries = nn.ModuleList(Dense(size, hidden, rng) for size in sizes)
        self.exits = nn.ModuleList(Dense(hidden, size, rng, 0.0) for size in sizes)
        self.context = Dense(context, hidden, rng)
        self.clock = Dense(2 * FREQUENCIES, hidden, rng)
        self.blocks = nn.ModuleList(ModulatedBlock(hidden, rng) for _ in range(BLOCKS))
        for subject, basis in enumerate(bases):
            self.register_buffer(f"basis_{subject}", basis)

    def forward(self, x: Tensor, time: Tensor, context: Tensor, subject: int) -> Tensor:
        """Return the velocity (m, V) at x (m, V), t (m, 1) in the context (m, C)."""
        basis: Tensor = getattr(self, f"basis_{subject}")
        clock = silu(self.clock(embedded(time)))
        # h = A (E'x) + B c, through the blocks modulated by t; v = (2t - 1) / ((1 - t)^2 + t^2) x + E D h.
        values = self.entries[subject](x @ basis) + self.context(context)
        for block in self.blocks:
            values = block(values, clock)
        learned: Tensor = self.exits[subject](silu(values)) @ basis.T
        return gaussian_velocity(x, time) + learned


@dataclass(frozen=True)
class Residuals:
    """Of one subject: whitened residuals (n, V), the context (n, C), the ``basis`` (V, q) to learn in; the
    ``rows`` to train on and ``held`` rows to validate on (may be none)."""

    values: Tensor
    context: Tensor
    basis: Tensor
    rows: Tensor
    held: Tensor


def matching_loss(
    velocity: Velocity, subject: int, residuals: Residuals, rows: Tensor, rng: torch.Generator
) -> Tensor:
    """Return the mean squared error of the velocity on these rows, at random noise and times."""
    target = residuals.values[rows]
    # Drawn on the CPU, so that every device sees the same numbers.
    noise = torch.randn(target.shape, generator=rng).to(target.device)
    time = torch.rand(len(target), 1, generator=rng).to(target.device)
    # E |v(x_t, t, c) - (x1 - x0)|^2 with x_t = (1 - t) x0 + t x1.
    predicted: Tensor = velocity((1 - time) * noise + time * target, time, residuals.context[rows], subject)
    loss: Tensor = (predicted - (target - noise)).square().mean()
    return loss


def train_velocity(
    data: Sequence[Residuals],
    schedule: TrainingSchedule,
    *,
    hidden: int,
    batch: int,
    seed: int,
    checkpoint: Checkpoint | None,
    progress: Progress,
) -> tuple[Velocity, TrainingState]:
    """Fit the network to all subjects at once; stops early on the held rows, where there are any.

    An epoch passes ``PASSES`` times over every subject's rows, in batches of ``batch`` rows of each.
    """
    device = data[0].values.device
    start = torch_generator(seed, "velocity")
    bases = [residuals.basis for residuals in data]
    velocity = Velocity(bases, int(data[0].context.shape[1]), hidden, start).to(device)
    steps = max(1, math.ceil(max(len(residuals.rows) for residuals in data) / batch))

    def losses(epoch: int) -> Iterator[Tensor]:
        rng = torch_generator(seed, "epoch", epoch)
        for turn in range(PASSES * steps):
            step = turn % steps
            if step == 0:
                orders = [torch.randperm(len(residuals.rows), generator=rng).to(device) for residuals in data]
            parts = [
                matching_loss(
                    velocity, subject, residuals, residuals.rows[order.tensor_split(steps)[step]], rng
                )
                for subject, (residuals, order) in enumerate(zip(data, orders, strict=True))
                if len(order) >= steps
            ]
            yield torch.stack(parts).mean()

    def validate() -> float:
        rng = torch_generator(seed, "held")  # the same noise every time: epochs are then comparable
        with torch.no_grad():
            parts = [
                matching_loss(velocity, subject, residuals, residuals.held.repeat(HELD_DRAWS), rng)
                for subject, residuals in enumerate(data)
            ]
        return float(torch.stack(parts).mean())

    validated = all(len(residuals.held) for residuals in data)
    course = train(
        velocity,
        losses,
        schedule,
        validate=validate if validated else None,
        checkpoint=checkpoint,
        progress=progress,
        name="flow matching",
    )
    return velocity, course


@torch.no_grad()
def integrate(velocity: Velocity, subject: int, noise: Tensor, context: Tensor, steps: int) -> Tensor:
    """Integrate noise (m, V) to residuals (m, V) by ``steps`` explicit Euler steps from t = 0 to 1."""
    x = noise
    for step in range(steps):
        time = torch.full((len(x), 1), step / steps, dtype=x.dtype, device=x.device)
        # x(t + 1/n) = x(t) + v(x, t, c) / n.
        x = x + velocity(x, time, context, subject) / steps
    return x
