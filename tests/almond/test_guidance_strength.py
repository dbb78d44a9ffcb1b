"""Strength means the same for every scheduler, and is finite in pure noise."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from almond.guidance.backends.analytic import AnalyticGenerator, BankRule
from almond.guidance.backends.base import RESIDUAL, TEXT, TEXT_ONCE, rms
from almond.guidance.backends.open_folder import load_folder
from almond.guidance.levels import NoiseLevel, flow_matching, variance_exploding, variance_preserving
from almond.guidance.rules.base import shifted
from almond.guidance.sampler import generate
from almond.guidance.schedulers import Step
from tests.almond.test_guidance_diffusion import Brightness, make_folder, recipe_for


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return make_folder(tmp_path_factory.mktemp("models") / "tiny")


def shift_at(level: NoiseLevel, unit: float = 0.3, strength: float = 0.5) -> float:
    x0, gradient = torch.randn(2, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    guided = shifted(
        x0,
        torch.zeros(1, 1),
        gradient,
        unit=torch.tensor([unit]),
        strength=torch.tensor([strength]),
        step=Step(0, 0.0, level),
    )
    assert torch.isfinite(guided.x0).all()
    return float(guided.shift)


@pytest.mark.parametrize("alpha_bar", [0.05, 0.2, 0.6])
def test_a_strength_moves_as_far_with_every_family_of_schedulers(alpha_bar: float) -> None:
    sigma = math.sqrt((1 - alpha_bar) / alpha_bar)
    expected = 0.5 * 0.3 * math.sqrt(1 - alpha_bar)
    for level in (
        variance_preserving(alpha_bar),
        variance_exploding(sigma),
        flow_matching(sigma / (1 + sigma)),
    ):
        assert shift_at(level) == pytest.approx(expected, rel=1e-5)


def test_pure_noise_is_shifted_by_the_strength_itself() -> None:
    for level in (flow_matching(1.0), variance_preserving(0.0)):
        assert shift_at(level) == pytest.approx(0.5 * 0.3, rel=1e-5)


def test_the_same_recipe_moves_alike_with_ddim_and_euler(folder: Path) -> None:
    """At one strength and window the latents moved 1.9 times as far with Euler before."""
    sums = {}
    for name in ("DDIMScheduler", "DPMSolverMultistepScheduler", "EulerDiscreteScheduler"):
        generator = load_folder(folder, name="tiny", scheduler=name)
        recipe = recipe_for(generator, steps=20, window=(0.2, 0.6))
        (made,) = generate([recipe], generator=generator, scorer=Brightness())
        inside = [entry for entry in made.trace if entry["strength"]]
        assert {entry["unit"] for entry in inside} == {TEXT}
        sums[name] = sum(entry["shift"] for entry in inside) / len(inside)
    assert max(sums.values()) < 1.25 * min(sums.values()), sums


def test_without_text_guidance_the_unit_is_the_texts_own_correction(folder: Path) -> None:
    generator = load_folder(folder, name="tiny", scale=1.0)
    assert generator.unit_kind == TEXT_ONCE
    x = generator.initial_latent(1)[None]
    step = generator.scheduler.start(6).steps[2]
    condition = generator.encode_prompt("a room", [1])
    prediction = generator.predict(x, step, condition)
    guided = load_folder(folder, name="tiny", scale=2.0)
    both = guided.predict(x, step, condition)
    # x0 = x0(empty) + 2 (x0(prompt) - x0(empty)): with scale 2 the correction is twice as large
    torch.testing.assert_close(prediction.unit, both.unit / 2, rtol=1e-4, atol=1e-7)
    assert float(prediction.unit) < 0.5 * float(rms(x))
    assert generator.digest != guided.digest


def test_the_passes_without_text_guidance_are_one_and_two(folder: Path) -> None:
    generator = load_folder(folder, name="tiny", scale=1.0)
    calls = []
    generator.denoiser.register_forward_hook(lambda *_: calls.append(torch.is_grad_enabled()))
    recipe = recipe_for(generator, steps=10)
    (made,) = generate([recipe], generator=generator, scorer=Brightness())
    inside = sum(bool(entry["strength"]) for entry in made.trace)
    assert 0 < inside < 10
    assert len(calls) == 10 + inside
    assert sum(calls) == inside  # the pass for the unit keeps no graph


def test_the_analytic_generator_counts_as_it_was_calibrated() -> None:
    generator = AnalyticGenerator(rule=BankRule(each=2))
    condition = generator.encode_prompt("a room", [1])
    step = generator.scheduler.start(8).steps[4]
    x = generator.initial_latent(1)[None]
    prediction = generator.predict(x, step, condition)
    level = step.level
    noise = (x - level.signal * prediction.x0) / level.noise
    old_reach = rms(noise) * level.noise**2 / level.signal
    torch.testing.assert_close(prediction.unit * level.noise / level.scale, old_reach)
    assert generator.unit_kind == RESIDUAL
    silent = generator.predict(x, Step(0, 0.0, variance_preserving(0.0)), condition)
    assert torch.isfinite(silent.unit).all()
