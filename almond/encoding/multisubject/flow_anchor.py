"""The first stage: one linear convolution over time for all subjects, and a linear read-out for each.

Shared time courses z = kernel * features (a convolution over ``taps`` volumes, ``width`` channels), the
response of a subject's voxels U z + b. No nonlinearity anywhere: without a penalty, with one tap and enough
channels, this is least squares. The shared trunk is what subjects learn from each other.

The kernel (H, D, taps) of every channel and feature is a multiple of one expected response plus a departure
from it that is free in every tap but learned more slowly and paid for more dearly: some hundred volumes say
too little about some thousand free kernels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import conv1d

from almond.encoding.multisubject.flow_training import (
    Checkpoint,
    TrainingSchedule,
    TrainingState,
    torch_generator,
    train,
)
from almond.progress import Progress

FREEDOM = 0.03
"""How fast departures from the expected response are learned, relative to the rest."""


@dataclass(frozen=True)
class KernelWindow:
    """Which volumes a convolution sees: ``taps`` of them, the last one ``lead`` after the volume itself."""

    taps: int
    lead: int

    @classmethod
    def of(cls, kernel: float, lead: float, tr: float) -> KernelWindow:
        """Convert seconds to volumes: at least one tap, and the volume itself always inside."""
        taps = max(1, round(kernel / tr))
        return cls(taps, min(round(lead / tr), taps - 1))


def expected_response(window: KernelWindow, response: NDArray[np.float64] | None) -> Tensor:
    """Make the kernel's prior shape (taps,), the earliest volume first, of unit length.

    :param response: the haemodynamic response from lag 0 on, one value per TR; None for features that are
    convolved with one already: then the volume itself.
    """
    # e(tau) = h(lag tau) / |h| within the window, 0 after the volume.
    shape = torch.zeros(window.taps, dtype=torch.float32)
    lagged = np.ones(1) if response is None else response[: window.taps - window.lead]
    shape[window.taps - window.lead - len(lagged) : window.taps - window.lead] = torch.tensor(
        lagged[::-1].copy(), dtype=torch.float32
    )
    expected: Tensor = shape / shape.norm()
    return expected


@dataclass(frozen=True)
class Film:
    """Standardised features (1, D, T) of all runs, with silence between them so that no run sees another;
    ``rows`` (n,) are the positions of the volumes."""

    padded: Tensor
    rows: Tensor


def pad_runs(features: Tensor, lengths: Sequence[int], window: KernelWindow) -> Film:
    """Put runs one after the other with zeros between; features (n, D) are standardised, so that 0 is the
    mean."""
    before, after = window.taps - 1 - window.lead, window.lead
    dimension = features.shape[1]
    pieces, rows, place = [], [], 0
    for run in torch.split(features, list(lengths)):
        pieces += [features.new_zeros(before, dimension), run, features.new_zeros(after, dimension)]
        rows.append(torch.arange(len(run), device=features.device) + place)
        place += len(run) + before + after
    return Film(torch.cat(pieces).T[None], torch.cat(rows))


class Anchor(nn.Module):
    """``trunk`` (H, D) times ``expected`` (taps,) plus ``FREEDOM`` times ``departure`` (H, D, taps); per
    subject a read-out (V, H) and a bias (V,)."""

    expected: Tensor

    def __init__(
        self, dimension: int, width: int, expected: Tensor, voxels: Sequence[int], rng: torch.Generator
    ) -> None:
        super().__init__()
        self.register_buffer("expected", expected)
        self.trunk = nn.Parameter(torch.randn(width, dimension, generator=rng) / dimension**0.5)
        # One tap has nothing to depart to.
        taps = len(expected) if len(expected) > 1 else 0
        self.departure = nn.Parameter(torch.zeros(width, dimension, taps))
        self.readouts = nn.ParameterList(
            nn.Parameter(0.1 * torch.randn(count, width, generator=rng) / width**0.5) for count in voxels
        )
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(count)) for count in voxels)

    def kernel(self) -> Tensor:
        """(H, D, taps), the earliest volume first."""
        # k(h, d, tau) = w(h, d) e(tau) + FREEDOM delta(h, d, tau).
        shaped = self.trunk[:, :, None] * self.expected
        return shaped + FREEDOM * self.departure if self.departure.numel() else shaped

    def courses(self, film: Film) -> Tensor:
        """Return the shared time courses (n, H) of a film."""
        # z(h, t) = sum over d and tau of k(h, d, tau) x(d, t + tau).
        return conv1d(film.padded, self.kernel())[0].T[film.rows]

    def read(self, courses: Tensor, subject: int) -> Tensor:
        """Map time courses (n, H) to the standardised responses (n, V) of a subject."""
        responses: Tensor = courses @ self.readouts[subject].T + self.biases[subject]
        return responses

    def size(self) -> Tensor:
        """Return the squared weights, per voxel and per shared time course, which the decay multiplies."""
        # mean over subjects of |U|^2 / V, plus (|w|^2 + |delta|^2) / H.
        readouts = torch.stack([readout.square().sum(dim=1).mean() for readout in self.readouts]).mean()
        trunk = self.trunk.square().sum() + self.departure.square().sum()
        return readouts + trunk / len(self.trunk)


@dataclass(frozen=True)
class SubjectResponses:
    """Responses of one subject to a film (its number): (n, V), standardised; ``rows`` to train on and
    ``held`` rows to validate on (may be none)."""

    film: int
    responses: Tensor
    rows: Tensor
    held: Tensor


def squared_errors(
    anchor: Anchor, films: Sequence[Film], watched: Sequence[SubjectResponses], *, held: bool
) -> Tensor:
    """Return the mean squared error (S,) of each subject on its training or its held rows."""
    courses = [anchor.courses(film) for film in films]
    losses = []
    for subject, observed in enumerate(watched):
        rows = observed.held if held else observed.rows
        predicted = anchor.read(courses[observed.film][rows], subject)
        losses.append((observed.responses[rows] - predicted).square().mean())
    return torch.stack(losses)


def train_anchor(
    films: Sequence[Film],
    watched: Sequence[SubjectResponses],
    schedule: TrainingSchedule,
    *,
    width: int,
    decay: float,
    expected: Tensor,
    seed: int,
    checkpoint: Checkpoint | None,
    progress: Progress,
    name: str,
) -> tuple[Anchor, TrainingState]:
    """Minimise the mean over subjects of the squared error, plus ``decay`` times the squared weights.

    Stops early on the held rows, where there are any. One step over all data per epoch.
    """
    dimension = int(films[0].padded.shape[1])
    voxels = [int(observed.responses.shape[1]) for observed in watched]
    device = films[0].padded.device
    anchor = Anchor(dimension, width, expected, voxels, torch_generator(seed, "anchor")).to(device)

    def losses(epoch: int) -> Iterator[Tensor]:
        # L = mean over subjects of |y - (U z + b)|^2 + decay |weights|^2.
        yield squared_errors(anchor, films, watched, held=False).mean() + decay * anchor.size()

    def validate() -> float:
        with torch.no_grad():
            return float(squared_errors(anchor, films, watched, held=True).mean())

    validated = all(len(observed.held) for observed in watched)
    course = train(
        anchor,
        losses,
        schedule,
        validate=validate if validated else None,
        checkpoint=checkpoint,
        progress=progress,
        name=name,
    )
    return anchor, course
