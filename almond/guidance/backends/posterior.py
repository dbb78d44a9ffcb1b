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

from dataclasses import dataclass

import torch
import torch.nn.functional as functional

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
    """Clean latents in groups of one size, laid out for matrix products per cell.

    ``cells`` (h*w, M, C), ``energy`` (M, h, w) the squared norm of every cell, ``shape`` (M, C, h, w),
    ``prior`` (G,) the logarithm of each group's probability. Group g holds the pictures g*M/G to (g+1)*M/G -
    1.
    """

    cells: torch.Tensor
    energy: torch.Tensor
    shape: tuple[int, int, int, int]
    prior: torch.Tensor

    @classmethod
    def of(cls, latents: torch.Tensor, prior: torch.Tensor) -> Bank:
        """From latents (M, C, h, w), in the order of their groups, and the groups' probabilities (G,)."""
        count, channels, height, width = latents.shape
        cells = latents.permute(2, 3, 0, 1).reshape(height * width, count, channels).contiguous()
        log_prior = (prior / prior.sum()).log().to(latents.dtype)
        return cls(cells, latents.square().sum(dim=1), (count, channels, height, width), log_prior)

    def latents(self) -> torch.Tensor:
        """(M, C, h, w)."""
        count, channels, height, width = self.shape
        return self.cells.reshape(height, width, count, channels).permute(2, 3, 0, 1)


def posterior_mean(x: torch.Tensor, bank: Bank, level: NoiseLevel, locality: Locality) -> torch.Tensor:
    """Compute the two-level posterior mean (B, C, h, w) of a noisy latent ``x``; differentiable."""
    count, channels, height, width = bank.shape
    batch = len(x)
    flat = x.permute(2, 3, 0, 1).reshape(height * width, batch, channels)
    cross = torch.bmm(flat, bank.cells.transpose(1, 2)).permute(1, 2, 0).reshape(batch, count, height, width)
    # |x - signal z|^2 without |x|^2, which is the same for every picture of the bank.
    distance = level.signal**2 * bank.energy[None] - 2.0 * level.signal * cross
    weights = _weights(distance, bank.prior, level, locality).flatten(2).permute(2, 0, 1)
    mixed = torch.bmm(weights.expand(height * width, -1, -1), bank.cells)
    return mixed.reshape(height, width, batch, channels).permute(2, 3, 0, 1)


def _weights(
    distance: torch.Tensor, prior: torch.Tensor, level: NoiseLevel, locality: Locality
) -> torch.Tensor:
    """Compute the pictures' weights per cell (B, M, h, w); (B, M, 1, 1) where the window is all."""
    batch, count = distance.shape[:2]
    groups, variance, alpha_bar = len(prior), 2.0 * level.noise**2, level.alpha_bar
    whole = distance.sum(dim=(2, 3)).reshape(batch, groups, count // groups)
    by_group = -whole / (variance * faded(locality.group_temperature, alpha_bar))
    group = (by_group.logsumexp(dim=2) + prior).log_softmax(dim=1)
    summed = window_sum(distance, locality.window(alpha_bar))
    logits = -summed / (variance * faded(locality.temperature, alpha_bar))
    member = logits.reshape(batch, groups, count // groups, *logits.shape[2:]).log_softmax(dim=2)
    weights: torch.Tensor = (member + group[:, :, None, None, None]).exp()
    return weights.flatten(1, 2)


def window_sum(values: torch.Tensor, side: int) -> torch.Tensor:
    """Sum over a window of ``side`` x ``side`` cells around every cell of (B, M, h, w); 0 sums over all:
    (B, M, 1, 1).

    At an edge the mean over the cells inside stands for those outside.
    """
    if side == 0:
        return values.sum(dim=(2, 3), keepdim=True)
    half = side // 2
    rows = functional.avg_pool2d(values, (side, 1), 1, (half, 0), count_include_pad=False)
    both = functional.avg_pool2d(rows, (1, side), 1, (0, half), count_include_pad=False)
    return both * side**2
