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

from almond.encoding.multisubject.flow_training import Checkpoint, Course, Plan, torch_generator, train
from almond.progress import Progress

FREEDOM = 0.03
"""How fast departures from the expected response are learned, relative to the rest."""


@dataclass(frozen=True)
class Window:
    """Which volumes a convolution sees: ``taps`` of them, the last one ``lead`` after the volume itself."""

    taps: int
    lead: int

    @classmethod
    def of(cls, kernel: float, lead: float, tr: float) -> Window:
        """Seconds to volumes: at least one tap, and the volume itself always inside."""
        taps = max(1, round(kernel / tr))
        return cls(taps, min(round(lead / tr), taps - 1))


def expected_response(window: Window, response: NDArray[np.float64] | None) -> Tensor:
    """The kernel's prior shape (taps,), the earliest volume first, of unit length.

    ``response`` is the haemodynamic response from lag 0 on, one value per TR; None for features that are
    convolved with one already: then the volume itself.
    """
    shape = torch.zeros(window.taps, dtype=torch.float32)
    lagged = np.ones(1) if response is None else response[: window.taps - window.lead]
    shape[window.taps - window.lead - len(lagged) : window.taps - window.lead] = torch.tensor(
        lagged[::-1].copy(), dtype=torch.float32
    )
    found: Tensor = shape / shape.norm()
    return found


@dataclass(frozen=True)
class Film:
    """Standardised features (1, D, T) of all runs, with silence between them so that no run sees another;
    ``rows`` (n,) are the places of the volumes."""

    laid: Tensor
    rows: Tensor


def lay(features: Tensor, lengths: Sequence[int], window: Window) -> Film:
    """Features (n, D), already standardised so that 0 means nothing unusual, of runs of these lengths."""
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
        shaped = self.trunk[:, :, None] * self.expected
        return shaped + FREEDOM * self.departure if self.departure.numel() else shaped

    def courses(self, film: Film) -> Tensor:
        """The shared time courses (n, H) of a film."""
        return conv1d(film.laid, self.kernel())[0].T[film.rows]

    def read(self, courses: Tensor, subject: int) -> Tensor:
        """(n, H) -> standardised responses (n, V) of a subject."""
        found: Tensor = courses @ self.readouts[subject].T + self.biases[subject]
        return found

    def size(self) -> Tensor:
        """Squared weights, per voxel and per shared time course: what the decay multiplies."""
        readouts = torch.stack([readout.square().sum(dim=1).mean() for readout in self.readouts]).mean()
        trunk = self.trunk.square().sum() + self.departure.square().sum()
        return readouts + trunk / len(self.trunk)


@dataclass(frozen=True)
class Watched:
    """What one subject saw and answered: the number of the film, responses (n, V) standardised, ``rows`` to
    train on and ``held`` rows to judge on (may be none)."""

    film: int
    responses: Tensor
    rows: Tensor
    held: Tensor


def errors(anchor: Anchor, films: Sequence[Film], watched: Sequence[Watched], *, held: bool) -> Tensor:
    """Mean squared error (S,) of each subject on its training or its held rows."""
    courses = [anchor.courses(film) for film in films]
    found = []
    for subject, one in enumerate(watched):
        rows = one.held if held else one.rows
        predicted = anchor.read(courses[one.film][rows], subject)
        found.append((one.responses[rows] - predicted).square().mean())
    return torch.stack(found)


def train_anchor(
    films: Sequence[Film],
    watched: Sequence[Watched],
    plan: Plan,
    *,
    width: int,
    decay: float,
    expected: Tensor,
    seed: int,
    checkpoint: Checkpoint | None,
    progress: Progress,
    name: str,
) -> tuple[Anchor, Course]:
    """Minimise the mean over subjects of the squared error, plus ``decay`` times the squared weights.

    Stops early on the held rows, where there are any. One step over all data per epoch.
    """
    dimension = int(films[0].laid.shape[1])
    voxels = [int(one.responses.shape[1]) for one in watched]
    device = films[0].laid.device
    anchor = Anchor(dimension, width, expected, voxels, torch_generator(seed, "anchor")).to(device)

    def losses(epoch: int) -> Iterator[Tensor]:
        yield errors(anchor, films, watched, held=False).mean() + decay * anchor.size()

    def validate() -> float:
        with torch.no_grad():
            return float(errors(anchor, films, watched, held=True).mean())

    judged = all(len(one.held) for one in watched)
    course = train(
        anchor,
        losses,
        plan,
        validate=validate if judged else None,
        checkpoint=checkpoint,
        progress=progress,
        name=name,
    )
    return anchor, course
