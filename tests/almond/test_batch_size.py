"""The largest batch that memory holds: the search with an injected measure, and one real measurement."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from almond.errors import InputError
from almond.guidance.backends.open_folder import load_folder
from almond.guidance.batch_size import (
    GIB,
    budget_of,
    guided_step,
    high_water,
    largest_batch,
    measure_on,
)
from tests.almond.test_guidance_diffusion import Brightness, recipe_for
from tests.almond.tiny_pipelines import save_pipeline


def watched(peak: Callable[[int], int], error: type[Exception] | None = None, room: int = 10**9) -> Any:
    """A measure that counts its trials; above ``room`` images memory runs out."""
    trials: list[int] = []

    def measure(size: int) -> int:
        trials.append(size)
        if error is not None and size > room:
            raise error("no memory")
        return peak(size)

    measure.trials = trials  # type: ignore[attr-defined]
    return measure


@pytest.mark.parametrize("largest", range(1, 40))
def test_the_largest_size_within_the_budget_is_found(largest: int) -> None:
    measure = watched(lambda size: 100 + 10 * size)
    measured = largest_batch(measure, 100 + 10 * largest, most=64)
    assert measured.size == largest
    assert len(measure.trials) == len(set(measure.trials)) <= 12
    assert max(size for size, peak in measured.peaks.items() if peak and peak <= measured.budget) == largest


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError])
def test_running_out_of_memory_is_a_size_too_large(error: type[Exception]) -> None:
    measured = largest_batch(watched(lambda size: size, error, room=5), 10**9, most=64)
    assert measured.size == 5
    assert measured.peaks[8] is None
    assert largest_batch(watched(lambda size: size), 10**9, most=24).size == 24


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    with pytest.raises(RuntimeError, match="no memory"):
        largest_batch(watched(lambda size: size, RuntimeError, room=0), 10)


def test_a_card_that_holds_no_image_is_an_error_with_its_peak() -> None:
    with pytest.raises(InputError, match=r"one image takes 2\.00 GiB"):
        largest_batch(watched(lambda size: 2 * GIB), GIB)
    with pytest.raises(InputError, match="one image ran out of memory"):
        largest_batch(watched(lambda size: 0, MemoryError, room=0), GIB)


def test_a_budget_is_stated_on_the_cpu() -> None:
    assert budget_of(torch.device("cpu"), 0.5) == GIB // 2
    with pytest.raises(InputError, match="memory: is not given"):
        budget_of(torch.device("cpu"), None)


def test_a_guided_step_of_a_pipeline_is_measured(tmp_path: Path) -> None:
    """More images take more memory; the peak is of the trial, not of what came before it."""
    torch.set_num_threads(1)
    generator = load_folder(save_pipeline("sd15", tmp_path), name="sd15", size=32)
    run = guided_step(generator, Brightness(), recipe_for(generator, steps=4, window=(0.0, 1.0)))
    measure = measure_on(torch.device("cpu"), run)
    many, one = measure(8), measure(1)
    assert one < many
    assert high_water("Name:\tx\nVmHWM:\t    1024 kB\n") == 2**20
    with pytest.raises(InputError, match="holds none of 4 steps"):
        guided_step(generator, Brightness(), recipe_for(generator, steps=4, direction=0))
