"""The schedulers of diffusers, driven in x0 space.

Every supported solver takes a model output and a sample; the guided x0 is converted to the output that the
solver expects (``almond.guidance.levels``), so that one loop serves all. ``pred_original_sample`` is not
used: several solvers do not give it.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
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

PRESERVING = ("DDIMScheduler", "DDPMScheduler", "LCMScheduler", "TCDScheduler")
"""Variance preserving; the level is ``alphas_cumprod`` at the step's integer time."""

PRESERVING_BY_SIGMA = (
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "UniPCMultistepScheduler",
    "DEISMultistepScheduler",
)
"""Variance preserving; the level follows from the step's own sigma, which need not be at an integer time."""

EXPLODING = (
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "HeunDiscreteScheduler",
    "LMSDiscreteScheduler",
)
"""Variance exploding: the latent is ``x0 + sigma * e``, the denoiser sees it scaled to unit variance."""

FLOW = ("FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler")

SUPPORTED = PRESERVING + PRESERVING_BY_SIGMA + EXPLODING + FLOW

LEAST_STEPS = 4
"""Steps for which a family's spacing is looked at when a model is loaded."""

NOISE, CLEAN, VELOCITY, FLOWING = PREDICTIONS

TAKES = {
    **dict.fromkeys(PRESERVING, (NOISE, CLEAN, VELOCITY)),
    **dict.fromkeys(PRESERVING_BY_SIGMA, (NOISE, CLEAN, VELOCITY, FLOWING)),
    **dict.fromkeys(EXPLODING, (NOISE, VELOCITY)),
    "EulerDiscreteScheduler": (NOISE, CLEAN, VELOCITY),
    "LMSDiscreteScheduler": (NOISE, CLEAN, VELOCITY),
    **dict.fromkeys(FLOW, (FLOWING,)),
}
"""Prediction types that each solver of diffusers can step with."""


Arguments = Callable[[int], Mapping[str, Any]]
"""A number of steps to the arguments of ``set_timesteps``."""


def plain_steps(steps: int) -> Mapping[str, Any]:
    """Leave the spacing of the steps to the scheduler."""
    return {"num_inference_steps": steps}


class DiffusersScheduler:
    """A diffusers scheduler as ``almond.guidance.schedulers.Scheduler``.

    :param arguments: a family's own spacing of the steps, such as Flux's sigmas.
    :raises InputError: a solver that an x0 prediction cannot drive, or settings that contradict each other.
    """

    def __init__(
        self, scheduler: Any, source: object = "scheduler", *, arguments: Arguments = plain_steps
    ) -> None:
        self.name = type(scheduler).__name__
        if self.name not in SUPPORTED:
            raise InputError(
                source, f"{self.name} cannot be driven by an x0 prediction", ", ".join(SUPPORTED)
            )
        stated = scheduler.config.get("prediction_type")
        self.prediction = str(stated or (FLOWING if self.name in FLOW else NOISE))
        check_prediction(self.name, self.prediction, scheduler.config, source)
        check_terminal_noise(self.name, self.prediction, scheduler, source)
        check_clipping(self.name, scheduler.config, source)
        check_arguments(scheduler, arguments(LEAST_STEPS), source)
        self.scheduler, self.arguments = scheduler, arguments

    def start(self, steps: int) -> DiffusersRun:
        """Start a trajectory of its own: solvers keep their memory inside."""
        return DiffusersRun(copy.deepcopy(self.scheduler), self.prediction, self.arguments(steps))

    @property
    def scales_input(self) -> bool:
        """Whether the denoiser is given the latent scaled to unit variance."""
        return self.name in EXPLODING


def check_prediction(name: str, prediction: str, config: Mapping[str, Any], source: object) -> None:
    """Compare what the denoiser puts out with what the solver steps with."""
    source = f"{source}: {name}, prediction_type"
    if prediction not in PREDICTIONS:
        raise InputError(source, f"is {prediction!r}", f"one of {', '.join(PREDICTIONS)}")
    if prediction not in TAKES[name]:
        takers = [solver for solver, types in TAKES.items() if prediction in types]
        raise InputError(
            source,
            f"is {prediction}, with which {name} cannot step",
            f"{', '.join(TAKES[name])} if the model was trained so; for {prediction} FOLDER#SCHEDULER with "
            f"{', '.join(takers)}",
        )
    flowing = name in FLOW or bool(config.get("use_flow_sigmas"))
    if flowing != (prediction == FLOWING):
        levels = "those of flow matching" if flowing else "those of diffusion, without use_flow_sigmas"
        raise InputError(
            source,
            f"is {prediction}, but the noise levels are {levels}",
            f"{FLOWING} with use_flow_sigmas or {FLOW[0]}, any other without",
        )


def check_terminal_noise(name: str, prediction: str, scheduler: Any, source: object) -> None:
    """Refuse a schedule that ends in pure noise where the prediction, or the first step, does not fit it.

    Without signal the clean image does not follow from the noise: x0 = (x - noise * e) / 0 (Lin et al. 2024,
    Common diffusion noise schedules and sample steps are flawed).
    """
    bars = getattr(scheduler, "alphas_cumprod", None)
    rescaled = bool(scheduler.config.get("rescale_betas_zero_snr"))
    if not rescaled and (bars is None or float(bars.min()) > 0.0):
        return
    setting = "rescale_betas_zero_snr" if rescaled else "trained_betas (alpha-bar 0)"
    if prediction == NOISE:
        raise InputError(
            f"{source}: {name}, {setting} with prediction_type",
            f"is {prediction}: at zero terminal SNR the predicted noise says nothing of the image",
            f"{VELOCITY} or {CLEAN} if the model was trained so, else no zero terminal SNR "
            '("rescale_betas_zero_snr": false)',
        )
    spacing = scheduler.config.get("timestep_spacing")
    if spacing == "leading":
        raise InputError(
            f"{source}: {name}, {setting} with timestep_spacing",
            f"is {spacing}: the first step is not the one of pure noise that the sampler starts from",
            '"timestep_spacing": "trailing" (or "linspace")',
        )


def check_clipping(name: str, config: Mapping[str, Any], source: object) -> None:
    """Refuse a solver that clips the clean latent: it would clip the push of guidance too."""
    for setting in ("clip_sample", "thresholding"):
        if config.get(setting):
            raise InputError(
                f"{source}: {name}, {setting}",
                "is true: it clips the predicted clean latent, which is no picture, and with it every push",
                f'"{setting}": false',
            )


def check_arguments(scheduler: Any, arguments: Mapping[str, Any], source: object) -> None:
    """Compare a family's spacing of the steps with what the solver can be told."""
    takes = inspect.signature(scheduler.set_timesteps).parameters
    unknown = [name for name in arguments if name not in takes]
    dynamic = bool(scheduler.config.get("use_dynamic_shifting"))
    if unknown:
        raise InputError(
            source,
            f"{type(scheduler).__name__} cannot be given {' and '.join(unknown)}, which the model needs",
            FLOW[0],
        )
    if dynamic and "mu" not in arguments:
        problem = "shifts its noise levels by the size of the image (use_dynamic_shifting)"
        raise InputError(source, f"{type(scheduler).__name__} {problem}", "a model that gives mu")


class DiffusersRun:
    """One trajectory of a diffusers solver; it remembers the outputs of earlier steps."""

    def __init__(self, scheduler: Any, prediction: str, arguments: Mapping[str, Any]) -> None:
        scheduler.set_timesteps(**arguments)
        self.scheduler, self.prediction = scheduler, prediction
        self.order, self.begun = int(getattr(scheduler, "order", 1)), False
        self.initial_scale = float(getattr(scheduler, "init_noise_sigma", 1.0))
        self.steps: Sequence[Step] = [
            Step(index, float(time), noise_level(scheduler, index))
            for index, time in enumerate(scheduler.timesteps)
        ]
        takes = inspect.signature(scheduler.step).parameters
        self.takes_noise = "generator" in takes
        self.fixed = {"eta": 0.0} if "eta" in takes else {}  # deterministic, as pipelines ask for

    def advance(
        self, x: torch.Tensor, x0: torch.Tensor, step: Step, noise: Sequence[torch.Generator]
    ) -> torch.Tensor:
        time = self.scheduler.timesteps[step.index]
        if step.index and not self.begun and hasattr(self.scheduler, "set_begin_index"):
            self.scheduler.set_begin_index(step.index)  # from a picture, later than from noise
        self.begun = True
        if hasattr(self.scheduler, "scale_model_input"):
            self.scheduler.scale_model_input(x, time)  # solvers count their steps from this call
        output = output_from_x0(x0, x, step.level, self.prediction)
        extra = {**self.fixed, **({"generator": list(noise)} if self.takes_noise else {})}
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
