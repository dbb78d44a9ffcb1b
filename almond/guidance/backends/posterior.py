"""The optimal denoiser of a small set of pictures, made local.

For clean latents ``z_i`` and ``x = signal * z + noise * e`` the posterior mean is ``sum_i w_i z_i``, with
``w`` the softmax of ``-|x - signal * z_i|**2 / (2 * noise**2)``. Taken over the whole picture it can only
return its own pictures; taken in a window around every cell it recombines their parts (Kamb & Ganguli 2024,
"An analytic theory of creativity in convolutional diffusion models"). Windows shrink as noise falls, as the
receptive field of a trained network does; a temperature above 1 at high noise keeps several pictures in play.

Parts of one body must not come from different bodies. So the pictures stand in groups that agree on what
spans the picture, and the posterior has two levels: which group, weighed over the whole picture; and which
picture of the group, weighed in the window.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch

from almond.guidance.levels import NoiseLevel


@dataclass(frozen=True)
class Locality:
    """Windows and temperatures over the noise level.

    ``windows``: pairs (alpha-bar below which it holds, side in cells), rising; a side of 0 is the whole
    picture.
    ``temperature`` (of the window's choice) and ``group_temperature`` hold at alpha-bar 0 and fade linearly
    to 1, the exact posterior, at alpha-bar 1.
    """

    windows: tuple[tuple[float, int], ...]
    temperature: float
    group_temperature: float

    def window(self, alpha_bar: float) -> int:
        """Side of the window in cells (odd), 0 for the whole picture."""
        for below, side in self.windows:
            if alpha_bar < below:
                return side
        return self.windows[-1][1]


def faded(temperature: float, alpha_bar: float) -> float:
    """``temperature`` at alpha-bar 0, 1 at alpha-bar 1, linear between."""
    return 1.0 + (temperature - 1.0) * (1.0 - alpha_bar)


@dataclass(frozen=True)
class Bank:
    """Clean latents in groups of one size, laid out for one matrix product per cell.

    ``cells`` (h*w, M, C) and its transpose ``columns`` (h*w, C, M), ``energy`` (h*w, 1, M) the squared norm
    of every cell, ``shape`` (M, C, h, w), ``prior`` (G,) the logarithm of each group's probability. Group g
    holds the pictures g*M/G to (g+1)*M/G - 1.
    """

    cells: torch.Tensor
    columns: torch.Tensor
    energy: torch.Tensor
    shape: tuple[int, int, int, int]
    prior: torch.Tensor

    @classmethod
    def of(cls, latents: torch.Tensor, prior: torch.Tensor) -> Bank:
        """From latents (M, C, h, w), in the order of their groups, and the groups' probabilities (G,)."""
        count, channels, height, width = latents.shape
        cells = latents.permute(2, 3, 0, 1).reshape(height * width, count, channels).contiguous()
        log_prior = (prior / prior.sum()).log().to(latents.dtype)
        return cls(
            cells=cells,
            columns=cells.transpose(1, 2).contiguous(),
            energy=cells.square().sum(dim=2)[:, None],
            shape=(count, channels, height, width),
            prior=log_prior,
        )

    def latents(self) -> torch.Tensor:
        """(M, C, h, w)."""
        count, channels, height, width = self.shape
        return self.cells.reshape(height, width, count, channels).permute(2, 3, 0, 1)


def posterior_mean(x: torch.Tensor, bank: Bank, level: NoiseLevel, locality: Locality) -> torch.Tensor:
    """Compute the two-level posterior mean (B, C, h, w) of a noisy latent ``x``; differentiable."""
    _, channels, height, width = bank.shape
    flat = x.permute(2, 3, 0, 1).reshape(height * width, len(x), channels)
    # |x - signal z|^2 without |x|^2, which is the same for every picture of the bank: (h*w, B, M).
    distance = torch.baddbmm(bank.energy, flat, bank.columns, beta=level.signal**2, alpha=-2.0 * level.signal)
    mixed = torch.bmm(_weights(distance, bank, level, locality), bank.cells)
    return mixed.reshape(height, width, len(x), channels).permute(2, 3, 0, 1)


def _weights(distance: torch.Tensor, bank: Bank, level: NoiseLevel, locality: Locality) -> torch.Tensor:
    """Compute the pictures' weights in every cell (h*w, B, M) from their distances there (h*w, B, M)."""
    cells, batch, count = distance.shape
    groups, variance, alpha_bar = len(bank.prior), 2.0 * level.noise**2, level.alpha_bar
    whole = distance.sum(dim=0).reshape(batch, groups, count // groups)
    by_group = -whole / (variance * faded(locality.group_temperature, alpha_bar))
    group = (by_group.logsumexp(dim=2) + bank.prior).softmax(dim=1)
    side = locality.window(alpha_bar)
    if side == 0:
        summed = whole.expand(cells, -1, -1, -1)
    else:
        rows = distance.reshape(*bank.shape[2:], batch * count)
        summed = window_sum(rows, side).reshape(cells, batch, groups, count // groups)
    member = (-summed / (variance * faded(locality.temperature, alpha_bar))).softmax(dim=3)
    return (member * group[None, :, :, None]).reshape(cells, batch, count)


def window_sum(values: torch.Tensor, side: int) -> torch.Tensor:
    """Sum (h, w, N) over a window of ``side`` x ``side`` cells around every cell.

    At an edge the mean over the cells inside stands for those outside.
    """
    height, width, count = values.shape
    rows = _window(height, side, values.dtype) @ values.reshape(height, width * count)
    return torch.matmul(_window(width, side, values.dtype), rows.reshape(height, width, count))


@functools.lru_cache(maxsize=32)
def _window(cells: int, side: int, dtype: torch.dtype) -> torch.Tensor:
    """Return the window of every cell of a line as a matrix (cells, cells) whose rows sum to ``side``."""
    places = torch.arange(cells)
    inside = ((places[:, None] - places[None]).abs() <= side // 2).to(dtype)
    return inside * (side / inside.sum(dim=1, keepdim=True))
