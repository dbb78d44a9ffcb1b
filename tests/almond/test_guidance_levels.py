"""Noise levels: conversions, our DDIM, and every supported scheduler of diffusers driven in x0 space."""

from __future__ import annotations

import inspect
import math
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

from almond.errors import InputError
from almond.guidance.backends.diffusers_scheduler import (
    EXPLODING,
    PRESERVING,
    PRESERVING_BY_SIGMA,
    SUPPORTED,
    DiffusersScheduler,
)
from almond.guidance.levels import (
    PREDICTIONS,
    flow_matching,
    output_from_x0,
    variance_exploding,
    variance_preserving,
    x0_from_output,
)
from almond.guidance.schedulers import DDIM

LEVELS = (variance_preserving(0.3), variance_exploding(2.5), flow_matching(0.4))


def make_scheduler(name: str, **changes: Any) -> Any:
    kind = getattr(diffusers, name)
    wanted = {"num_train_timesteps": 1000, "beta_schedule": "scaled_linear", "clip_sample": False, **changes}
    taken = inspect.signature(kind.__init__).parameters
    return kind(**{key: value for key, value in wanted.items() if key in taken})


def guided_x0(x: torch.Tensor, level: Any) -> torch.Tensor:
    """The exact posterior mean for data of mean 0.3 and variance 0.25, with a nonlinear push."""
    gain = 0.25 * level.signal / (0.25 * level.signal**2 + level.noise**2)
    return 0.3 + gain * (x - 0.3 * level.signal) + 0.1 * torch.sin(x / level.scale)


def trajectory(scheduler: DiffusersScheduler, steps: int = 12) -> torch.Tensor:
    run = scheduler.start(steps)
    start = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    noise = [torch.Generator().manual_seed(seed) for seed in (5, 6)]
    x = start * run.initial_scale
    for step in run.steps:
        x = run.advance(x, guided_x0(x, step.level), step, noise)
    return x


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_conversions_invert_each_other(level: Any, prediction: str) -> None:
    x, x0 = torch.randn(2, 2, 3, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    output = output_from_x0(x0, x, level, prediction)
    torch.testing.assert_close(x0_from_output(output, x, level, prediction), x0, rtol=1e-12, atol=1e-12)


def test_conversions_mean_what_they_say() -> None:
    x0, noise = torch.randn(2, 1, 3, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for level in LEVELS:
        x = level.signal * x0 + level.noise * noise
        torch.testing.assert_close(output_from_x0(x0, x, level, "epsilon"), noise)
    level = variance_preserving(0.3)
    x = level.signal * x0 + level.noise * noise
    torch.testing.assert_close(
        output_from_x0(x0, x, level, "v_prediction"), level.signal * noise - level.noise * x0
    )
    level = flow_matching(0.4)
    x = level.signal * x0 + level.noise * noise
    torch.testing.assert_close(output_from_x0(x0, x, level, "flow_prediction"), noise - x0)


def test_alpha_bar_means_the_same_in_all_families() -> None:
    sigma = math.sqrt(0.7 / 0.3)
    assert variance_exploding(sigma).alpha_bar == pytest.approx(0.3)
    assert flow_matching(sigma / (1 + sigma)).alpha_bar == pytest.approx(0.3)
    assert variance_preserving(0.3).alpha_bar == pytest.approx(0.3)


def test_an_unknown_prediction_is_refused() -> None:
    x = torch.zeros(1, 1, 2, 2)
    for convert in (x0_from_output, output_from_x0):
        with pytest.raises(InputError, match="magic"):
            convert(x, x, LEVELS[0], "magic")


@pytest.mark.parametrize("name", PRESERVING + PRESERVING_BY_SIGMA)
def test_the_same_guided_x0_gives_the_same_image_whatever_the_network_predicts(name: str) -> None:
    found = [
        trajectory(DiffusersScheduler(make_scheduler(name, prediction_type=prediction)))
        for prediction in ("epsilon", "v_prediction", "sample")
    ]
    assert float((found[0] - found[1]).abs().max()) < 1e-5
    assert float((found[0] - found[2]).abs().max()) < 1e-5


@pytest.mark.parametrize("name", EXPLODING)
def test_the_euler_family_agrees_over_prediction_types(name: str) -> None:
    found = [
        trajectory(DiffusersScheduler(make_scheduler(name, prediction_type=prediction)))
        for prediction in ("epsilon", "v_prediction")
    ]
    assert float((found[0] - found[1]).abs().max()) < 1e-5


@pytest.mark.parametrize(
    "name", ["DDIMScheduler", "DDPMScheduler", "EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler"]
)
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_solvers_that_tell_their_own_x0_agree_with_ours(name: str, prediction: str) -> None:
    scheduler = make_scheduler(name, prediction_type=prediction)
    run = DiffusersScheduler(scheduler).start(10)
    x = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    step = run.steps[0]
    x0 = guided_x0(x * run.initial_scale, step.level)
    output = output_from_x0(x0, x * run.initial_scale, step.level, prediction)
    run.scheduler.scale_model_input(x, run.scheduler.timesteps[0])
    told = run.scheduler.step(output, run.scheduler.timesteps[0], x * run.initial_scale)
    assert float((told.pred_original_sample - x0).abs().max()) < 1e-5


def test_flow_matching_moves_along_the_straight_line() -> None:
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    run = DiffusersScheduler(scheduler).start(8)
    x = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(2))
    x0 = torch.tanh(x)
    step, after = run.steps[0], run.steps[1]
    moved = run.advance(x, x0, step, [torch.Generator()])
    noise = (x - step.level.signal * x0) / step.level.noise
    torch.testing.assert_close(moved, after.level.signal * x0 + after.level.noise * noise)


@pytest.mark.parametrize("name", SUPPORTED)
def test_every_supported_solver_ends_near_the_data(name: str) -> None:
    # Flow matching's Heun needs small steps here: in 40 it overshoots, in 300 it ends where Euler does.
    steps = 300 if name == "FlowMatchHeunDiscreteScheduler" else 40
    image = trajectory(DiffusersScheduler(make_scheduler(name)), steps=steps)
    assert float(image.mean()) == pytest.approx(0.3, abs=0.5)
    assert 0.05 < float(image.std()) < 1.2


def test_levels_are_told_from_noise_to_image() -> None:
    for name in SUPPORTED:
        bars = [step.level.alpha_bar for step in DiffusersScheduler(make_scheduler(name)).start(12).steps]
        assert bars == sorted(bars)
        assert 0.0 <= bars[0] < 0.1


def test_pndm_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="PNDMScheduler"):
        DiffusersScheduler(diffusers.PNDMScheduler(skip_prk_steps=True))


def test_noise_added_on_the_way_belongs_to_the_image_not_to_its_batch() -> None:
    scheduler = DiffusersScheduler(make_scheduler("DDPMScheduler"))
    alone = []
    for rows in ((0, 1), (0,), (1,)):
        run = scheduler.start(6)
        start = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(1))
        x = start[list(rows)]
        noise = [torch.Generator().manual_seed(10 + row) for row in rows]
        for step in run.steps:
            x = run.advance(x, guided_x0(x, step.level), step, noise)
        alone.append(x)
    torch.testing.assert_close(alone[0], torch.cat(alone[1:]))


def test_our_ddim_is_that_of_diffusers() -> None:
    theirs: Any = diffusers.DDIMScheduler(
        num_train_timesteps=1000,
        beta_schedule="squaredcos_cap_v2",
        clip_sample=False,
        timestep_spacing="trailing",
        prediction_type="sample",
    )
    np.testing.assert_allclose(
        np.array(DDIM().alpha_bars), theirs.alphas_cumprod.numpy(), rtol=2e-4, atol=1e-7
    )
    ours, other = DDIM().start(25), DiffusersScheduler(theirs).start(25)
    assert [step.time for step in ours.steps] == [step.time for step in other.steps]
    x = y = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    for mine, step in zip(ours.steps, other.steps, strict=True):
        x = ours.advance(x, guided_x0(x, mine.level), mine, [])
        y = other.advance(y, guided_x0(y, step.level), step, [torch.Generator()])
    torch.testing.assert_close(x, y, rtol=1e-4, atol=1e-4)
