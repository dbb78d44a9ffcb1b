"""The local posterior mean against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from almond.guidance.backends.posterior import Bank, Locality, faded, posterior_mean, window_sum
from almond.guidance.levels import variance_preserving

SHAPE = (7, 3, 6, 5)
EXACT = Locality(windows=((1.0, 0),), temperature=1.0, group_temperature=1.0)
LOCAL = Locality(windows=((1.0, 3),), temperature=1.0, group_temperature=1.0)


@pytest.fixture
def latents() -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def noisy(latents: torch.Tensor, alpha_bar: float, count: int = 2) -> torch.Tensor:
    level = variance_preserving(alpha_bar)
    noise = torch.randn((count, *SHAPE[1:]), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return level.signal * latents[:count] + level.noise * noise


def bank_of(latents: torch.Tensor) -> Bank:
    """All in one group."""
    return Bank.of(latents, torch.ones(1, dtype=torch.float64))


def by_definition(x: np.ndarray, z: np.ndarray, alpha_bar: float, heat: float = 1.0) -> np.ndarray:
    """sum_i w_i z_i for one picture, or the part of one inside a window."""
    distance = ((x[None] - np.sqrt(alpha_bar) * z) ** 2).sum(axis=(1, 2, 3))
    weights = np.exp(-(distance - distance.min()) / (2 * (1 - alpha_bar) * heat))
    mean: np.ndarray = np.tensordot(weights / weights.sum(), z, axes=1)
    return mean


@pytest.mark.parametrize("alpha_bar", [0.01, 0.2, 0.8])
def test_over_the_whole_picture_it_is_the_posterior_mean(latents: torch.Tensor, alpha_bar: float) -> None:
    x = noisy(latents, alpha_bar)
    found = posterior_mean(x, bank_of(latents), variance_preserving(alpha_bar), EXACT)
    for row, given in zip(found.numpy(), x.numpy(), strict=True):
        np.testing.assert_allclose(row, by_definition(given, latents.numpy(), alpha_bar), atol=1e-10)


def test_in_a_window_it_is_the_posterior_mean_given_the_window(latents: torch.Tensor) -> None:
    alpha_bar, row, column = 0.3, 3, 2
    x = noisy(latents, alpha_bar)
    found = posterior_mean(x, bank_of(latents), variance_preserving(alpha_bar), LOCAL)
    part = np.s_[:, row - 1 : row + 2, column - 1 : column + 2]
    wanted = by_definition(x[0].numpy()[part], latents.numpy()[(np.s_[:], *part)], alpha_bar)
    np.testing.assert_allclose(found[0, :, row, column].numpy(), wanted[:, 1, 1], atol=1e-10)


def test_the_temperature_softens_the_choice_and_fades(latents: torch.Tensor) -> None:
    warm = Locality(windows=((1.0, 0),), temperature=3.0, group_temperature=1.0)
    assert faded(3.0, 0.0) == 3.0
    assert faded(3.0, 1.0) == 1.0
    x = noisy(latents, 0.2)
    found = posterior_mean(x, bank_of(latents), variance_preserving(0.2), warm)
    np.testing.assert_allclose(
        found[0].numpy(), by_definition(x[0].numpy(), latents.numpy(), 0.2, heat=1 + 2 * 0.8), atol=1e-10
    )


def test_almost_without_noise_it_returns_the_picture_itself(latents: torch.Tensor) -> None:
    x = noisy(latents, 0.9999)
    for locality in (EXACT, LOCAL):
        found = posterior_mean(x, bank_of(latents), variance_preserving(0.9999), locality)
        torch.testing.assert_close(found, latents[:2])


def test_windows_shrink_with_the_noise() -> None:
    locality = Locality(windows=((0.3, 0), (0.6, 11), (1.0, 5)), temperature=1.0, group_temperature=1.0)
    assert [locality.window(bar) for bar in (0.1, 0.3, 0.59, 0.6, 1.0)] == [0, 11, 11, 5, 5]


def test_window_sums_are_sums_with_the_mean_beyond_the_edge() -> None:
    values = torch.rand(6, 7, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = window_sum(values, 3)
    torch.testing.assert_close(found[2, 3], values[1:4, 2:5].sum(dim=(0, 1)))
    torch.testing.assert_close(found[0, 0], values[:2, :2].mean(dim=(0, 1)) * 9)
    torch.testing.assert_close(found[5, 3], values[4:, 2:5].mean(dim=(0, 1)) * 9)


@pytest.mark.parametrize("locality", [EXACT, LOCAL])
def test_gradients_are_exact(latents: torch.Tensor, locality: Locality) -> None:
    x = noisy(latents, 0.3).requires_grad_()
    bank = bank_of(latents)
    assert torch.autograd.gradcheck(
        lambda given: posterior_mean(given, bank, variance_preserving(0.3), locality), (x,), eps=1e-6
    )


def test_a_bank_keeps_its_pictures(latents: torch.Tensor) -> None:
    torch.testing.assert_close(bank_of(latents).latents(), latents)


def test_two_levels_choose_the_group_by_the_whole_and_its_member_by_the_window(latents: torch.Tensor) -> None:
    alpha_bar, row, column = 0.02, 2, 3
    z = latents[:6].numpy()
    x = noisy(latents, alpha_bar)
    prior = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    locality = Locality(windows=((1.0, 3),), temperature=2.0, group_temperature=5.0)
    found = posterior_mean(x, Bank.of(latents[:6], prior), variance_preserving(alpha_bar), locality)
    variance = 2 * (1 - alpha_bar)
    distance = (x[0].numpy()[None] - np.sqrt(alpha_bar) * z) ** 2
    heat, group_heat = 1 + 1 * (1 - alpha_bar), 1 + 4 * (1 - alpha_bar)
    whole = np.exp(-distance.sum(axis=(1, 2, 3)) / variance / group_heat).reshape(3, 2).sum(axis=1)
    group = whole * prior.numpy() / (whole * prior.numpy()).sum()
    near = distance[:, :, row - 1 : row + 2, column - 1 : column + 2].sum(axis=(1, 2, 3))
    member = np.exp(-near / variance / heat).reshape(3, 2)
    weights = (member / member.sum(axis=1, keepdims=True) * group[:, None]).ravel()
    np.testing.assert_allclose(found[0, :, row, column].numpy(), weights @ z[:, :, row, column], atol=1e-10)
