"""The schedulers of diffusers, driven in x0 space.

Every supported solver takes a model output and a sample; the guided x0 is converted to the output that the
solver expects (``almond.guidance.levels``), so that one loop serves all. ``pred_original_sample`` is not
used: several solvers do not give it.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from typing import Any

import torch

from almond.errors import InputError
from almond.guidance.levels import (
    PREDICTIONS,
    NoiseLevel,
    flow_matching,
    output_from_x0,
    variance_exploding,
    variance_preserving,
)
from almond.guidance.schedulers import Step

PRESERVING = ("DDIMScheduler", "DDPMScheduler", "LCMScheduler")
"""Variance preserving; the level is ``alphas_cumprod`` at the step's integer time."""

PRESERVING_BY_SIGMA = ("DPMSolverMultistepScheduler", "UniPCMultistepScheduler", "DEISMultistepScheduler")
"""Variance preserving; the level follows from the step's own sigma, which need not be at an integer time."""

EXPLODING = (
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "HeunDiscreteScheduler",
    "LMSDiscreteScheduler",
)
"""Variance exploding: the latent is ``x0 + sigma * e``, the denoiser sees it scaled to unit variance."""

FLOW = ("FlowMatchEulerDiscreteScheduler",)

SUPPORTED = PRESERVING + PRESERVING_BY_SIGMA + EXPLODING + FLOW


class DiffusersScheduler:
    """A diffusers scheduler as ``almond.guidance.schedulers.Scheduler``."""

    def __init__(self, scheduler: Any) -> None:
        self.name = type(scheduler).__name__
        if self.name not in SUPPORTED:
            raise InputError(
                "scheduler", f"{self.name} cannot be driven by an x0 prediction", ", ".join(SUPPORTED)
            )
        self.prediction = (
            "flow_prediction"
            if self.name in FLOW
            else str(scheduler.config.get("prediction_type", "epsilon"))
        )
        if self.prediction not in PREDICTIONS:
            raise InputError("scheduler.prediction_type", f"is {self.prediction!r}", ", ".join(PREDICTIONS))
        self.scheduler = scheduler

    def start(self, steps: int) -> DiffusersRun:
        """Start a trajectory of its own: solvers keep their memory inside."""
        return DiffusersRun(copy.deepcopy(self.scheduler), self.prediction, steps)

    @property
    def scales_input(self) -> bool:
        """Whether the denoiser is given the latent scaled to unit variance."""
        return self.name in EXPLODING


class DiffusersRun:
    """One trajectory of a diffusers solver; it remembers the outputs of earlier steps."""

    def __init__(self, scheduler: Any, prediction: str, steps: int) -> None:
        scheduler.set_timesteps(steps)
        self.scheduler, self.prediction = scheduler, prediction
        self.initial_scale = float(getattr(scheduler, "init_noise_sigma", 1.0))
        self.steps: Sequence[Step] = [
            Step(index, float(time), noise_level(scheduler, index))
            for index, time in enumerate(scheduler.timesteps)
        ]
        self.takes_noise = "generator" in inspect.signature(scheduler.step).parameters

    def advance(
        self, x: torch.Tensor, x0: torch.Tensor, step: Step, noise: Sequence[torch.Generator]
    ) -> torch.Tensor:
        time = self.scheduler.timesteps[step.index]
        if hasattr(self.scheduler, "scale_model_input"):
            self.scheduler.scale_model_input(x, time)  # solvers count their steps from this call
        output = output_from_x0(x0, x, step.level, self.prediction)
        extra = {"generator": list(noise)} if self.takes_noise else {}
        after: torch.Tensor = self.scheduler.step(output, time, x, return_dict=False, **extra)[0]
        return after.to(x.dtype)


def noise_level(scheduler: Any, index: int) -> NoiseLevel:
    """The noise level of the input of a started scheduler's step ``index``."""
    name = type(scheduler).__name__
    if name in PRESERVING:
        return variance_preserving(float(scheduler.alphas_cumprod[int(scheduler.timesteps[index])]))
    sigma = float(scheduler.sigmas[index])
    if name in FLOW or scheduler.config.get("use_flow_sigmas", False):
        return flow_matching(sigma)
    if name in EXPLODING:
        return variance_exploding(sigma)
    return variance_preserving(1.0 / (1.0 + sigma**2))
