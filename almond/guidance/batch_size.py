"""The largest batch that memory holds, found by trial: the peak of one guided step is measured.

The size is doubled until a trial runs out of memory or over the budget, then halved in on. On a card the peak
is that of torch's allocator; on the CPU it is the process' high-water mark, which Linux lets one reset.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from almond.errors import InputError
from almond.guidance.backends.base import Generator
from almond.guidance.guided_steps import GuidedSteps
from almond.guidance.objectives.objective import Objective, readers_of
from almond.guidance.objectives.references import References, ScoreReader
from almond.guidance.photographs.pictured import pictured
from almond.guidance.recipe import Recipe
from almond.guidance.schedulers import Step
from almond.guidance.trajectories import start_of

GIB = 2**30

MOST = 64
"""Images of a batch beyond which no size is tried."""

SHARE = 0.9
"""Of a card's memory: the rest is for what the allocator cannot give in one piece."""

RESET_PEAK = "5"
"""What ``/proc/self/clear_refs`` takes to set the high-water mark of memory to what is held now."""

Measure = Callable[[int], int]
"""A number of images -> peak bytes of a batch of so many; running out of memory is torch's or Python's
error."""


@dataclass(frozen=True)
class MeasuredBatch:
    """The largest ``size`` whose peak was within the ``budget`` (bytes); ``peaks`` by size, None where memory
    ran out."""

    size: int
    budget: int
    peaks: Mapping[int, int | None]


def largest_batch(measure: Measure, budget: int, most: int = MOST) -> MeasuredBatch:
    """Find the largest batch of at most ``most`` images whose peak is within the budget.

    :raises InputError: not even one image is.
    """
    peaks: dict[int, int | None] = {}

    def fits(size: int) -> bool:
        try:
            peaks[size] = measure(size)
        except (torch.OutOfMemoryError, MemoryError):
            peaks[size] = None
        peak = peaks[size]
        return peak is not None and peak <= budget

    size = 1
    if not fits(size):
        peak = peaks[size]
        needed = "ran out of memory" if peak is None else f"takes {peak / GIB:.2f} GiB"
        expected = f"at most {budget / GIB:.2f} GiB: a smaller size, bfloat16, checkpointing or int8 weights"
        raise InputError("batch", f"one image {needed}", expected)
    beyond = most + 1
    while size < most:
        tried = min(2 * size, most)
        if not fits(tried):
            beyond = tried
            break
        size = tried
    while beyond - size > 1:
        middle = (size + beyond) // 2
        if fits(middle):
            size = middle
        else:
            beyond = middle
    return MeasuredBatch(size, budget, peaks)


def budget_of(device: torch.device, stated: float | None) -> int:
    """Return the bytes that may be taken: what was stated in GiB, or nine tenths of the card.

    :raises InputError: nothing was stated for a CPU.
    """
    if stated is not None:
        return int(stated * GIB)
    if device.type != "cuda":
        raise InputError("memory", "is not given, and networks run on the CPU", "GiB that a batch may take")
    return int(torch.cuda.get_device_properties(device).total_memory * SHARE)


def measure_on(device: torch.device, run: Callable[[int], None]) -> Measure:
    """Measure the peak memory of ``run`` on a device.

    :raises InputError: a CPU of a system that does not tell.
    """
    return _measure_card(device, run) if device.type == "cuda" else _measure_process(run)


def _measure_card(device: torch.device, run: Callable[[int], None]) -> Measure:
    def measure(size: int) -> int:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        run(size)
        return int(torch.cuda.max_memory_allocated(device))

    return measure


def _measure_process(run: Callable[[int], None], process: Path = Path("/proc/self")) -> Measure:
    reset = process / "clear_refs"
    if not reset.exists():
        expected = "a number of images; only Linux tells the peak of a process"
        raise InputError("batch", "is auto, and memory cannot be measured here", expected)

    def measure(size: int) -> int:
        give_back_memory()
        reset.write_text(RESET_PEAK)
        run(size)
        return high_water((process / "status").read_text())

    return measure


def give_back_memory() -> None:
    """Give freed memory back to the system, where the C library can: else it counts as held."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def high_water(status: str) -> int:
    """Read the largest resident size in bytes of a process' status."""
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def guided_step(generator: Generator, scorer: ScoreReader, recipe: Recipe) -> Callable[[int], None]:
    """Return a trial: the first guided step of a recipe, for so many images at once.

    :raises InputError: no step of the recipe is guided.
    """
    own = pictured(generator, recipe)
    references = References(generator, readers_of(scorer))
    start = start_of(own, [recipe], [0])
    trajectory = own.scheduler.start(recipe.steps)
    guided = [step for step in start.steps(trajectory) if recipe.schedule.weight(step.level.alpha_bar) > 0]
    if not recipe.guided or not guided:
        raise InputError("window", f"holds none of {recipe.steps} steps", "one that guides a step")
    step: Step = guided[0]
    x = start.latents * step.level.scale

    def run(size: int) -> None:
        recipes = [recipe] * size
        objective = Objective(recipes, own, scorer, references=references)
        steps = GuidedSteps(recipes, own, objective, start_of(own, recipes, [0] * size).condition)
        latents = x.expand(size, *x.shape[1:])
        own.decode(steps.predict(latents, step))

    return run
