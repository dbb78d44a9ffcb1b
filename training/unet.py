"""Train the small diffusion model: ``python -m training.unet --stage scenes --minutes 55 --work WORK``.

Two stages. ``scenes`` learns pictures from random scenes, at all noise levels. ``teacher`` goes on from
shipped weights and learns what words change, from exact posterior means for pairs of captions. Minutes count
over all resumed runs; nothing here runs in tests or CI. Several processes share a run, each with scenes of
its own: ``torchrun --nproc-per-node 3 -m training.unet ...``.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save
from torch import distributed, nn

from almond.files.writing import write_atomically
from almond.rng import derive_seed, generator
from almond.world.text import TextConfig, WordTokenizer, world_vocabulary
from training.unet_balance import MEASURED, balanced, gradient_lengths
from training.unet_card import machine, read_curve, read_record, write_record
from training.unet_codes import learn_codes
from training.unet_lessons import STAGES, Lesson, drawn_times, rate_share
from training.unet_model import (
    PROMPTS,
    SHIPPED_FOLDER,
    Model,
    noise_schedule,
    samples,
    write_folder,
)
from training.unet_scenes import Batch, RandomScenes
from training.unet_teacher import Teacher, taught_errors

RAW, AVERAGE, OPTIMISER, STATE, CURVE = (
    "raw.safetensors",
    "average.safetensors",
    "optimiser.pt",
    "state.json",
    "curve.csv",
)
LOGGED = 20
"""Steps between two lines of the curve."""
SMOOTHING = 0.1
"""Share of an update's errors in the smoothed ones."""


def velocity_loss(
    model: Model, schedule: Any, batch: Batch, times: torch.Tensor, numbers: torch.Tensor
) -> torch.Tensor:
    """Mean squared error of the velocity ``sqrt(abar) noise - sqrt(1 - abar) x0`` (Salimans & Ho 2022)."""
    abar = schedule.alphas_cumprod[times].view(-1, 1, 1, 1)
    noise = torch.randn_like(batch.clean)
    noisy = abar.sqrt() * batch.clean + (1.0 - abar).sqrt() * noise
    target = abar.sqrt() * noise - (1.0 - abar).sqrt() * batch.clean
    return (model(noisy, times, numbers) - target).square().mean()


@dataclass
class State:
    """What a run has done so far, over all its sessions; ``weights`` of the lessons' differences."""

    stage: str
    step: int = 0
    pictures: float = 0.0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    weights: dict[str, float] = field(default_factory=dict)


class Run:
    """One training run with its working folder; it goes on where it stopped if the folder has a state."""

    def __init__(self, work: Path, start: Path, out: Path, *, stage: str, seed: int) -> None:
        self.work, self.start, self.out, self.stage = work, start, out, STAGES[stage]
        self.rank, self.processes = (
            (distributed.get_rank(), distributed.get_world_size()) if distributed.is_initialized() else (0, 1)
        )
        self.tokenizer = WordTokenizer(world_vocabulary(), TextConfig(1).length)
        torch.manual_seed(derive_seed(seed, "unet") % 2**31)
        self.model = Model(len(self.tokenizer.vocabulary))
        self.average = Model(len(self.tokenizer.vocabulary)).eval().requires_grad_(False)
        self.optimiser = torch.optim.AdamW(self._groups(), eps=1e-12, weight_decay=1e-4, fused=True)
        self.state = self._begin(stage, seed)
        purpose = (self.state.step, self.rank)
        self.rng = generator(seed, "unet-times", *purpose)
        torch.manual_seed(derive_seed(seed, "unet", *purpose) % 2**31)
        self.schedule = noise_schedule()
        self.recent: dict[str, float] = {}
        self.scenes: RandomScenes | Teacher = (
            Teacher(generator(seed, "unet-teacher", *purpose), self.schedule.alphas_cumprod)
            if self.stage.teaches
            else RandomScenes(generator(seed, "unet-scenes", *purpose))
        )

    def _groups(self) -> list[dict[str, Any]]:
        """Parameters by their learning rates."""
        modulating = ("time_emb_proj", "add_embedding")
        groups: dict[float, list[nn.Parameter]] = {self.stage.rate: [], self.stage.modulation_rate: []}
        for name, value in self.model.named_parameters():
            modulates = any(part in name for part in modulating)
            groups[self.stage.modulation_rate if modulates else self.stage.rate].append(value)
        return [{"params": values, "rate": rate} for rate, values in groups.items() if values]

    @property
    def error_names(self) -> list[str]:
        return [name for lesson in self.stage.lessons for name in lesson.errors]

    def _begin(self, stage: str, seed: int) -> State:
        """Load what the working folder holds; else random weights, or for ``teacher`` the shipped ones."""
        if (self.work / STATE).exists():
            self.model.load_state_dict(load_file(self.work / RAW))
            self.average.load_state_dict(load_file(self.work / AVERAGE))
            self.optimiser.load_state_dict(torch.load(self.work / OPTIMISER, weights_only=True))
            return State(**json.loads((self.work / STATE).read_text()))
        if STAGES[stage].teaches:
            self.model.load_shipped(self.start)
            left = learn_codes(
                self.model, self.tokenizer, generator(seed, "unet-codes"), captions=1000, updates=400
            )
            with (self.work / "codes.txt").open("w") as file:
                file.write(f"share of the codes' variance left out: {left:.3f}\n")
        self.average.load_state_dict(self.model.state_dict())
        return State(stage)

    def train(self, minutes: float, every: float) -> None:
        """Train until the run has had ``minutes`` in all; save every ``every`` minutes."""
        saved = self.state.seconds
        while (share := self.state.seconds / (60.0 * minutes)) < 1.0:
            wall, cpu = time.monotonic(), time.process_time()
            errors = self.one_step(rate_share(share, self.state.step, self.stage.falling))
            spent = self.averaged(torch.tensor([time.monotonic() - wall, time.process_time() - cpu, *errors]))
            seconds, cpu_seconds, *errors = spent.tolist()
            self.state.seconds += seconds
            self.state.cpu_seconds += cpu_seconds * self.processes
            for name, error in zip(self.error_names, errors, strict=True):
                before = self.recent.get(name, error)
                self.recent[name] = before + SMOOTHING * (error - before)
            if self.state.step % LOGGED == 0:
                self.log()
            if self.state.seconds - saved > 60.0 * every:
                self.save()
                saved = self.state.seconds
        self.save()
        if self.rank == 0:
            self.publish()

    def averaged(self, values: torch.Tensor) -> torch.Tensor:
        """Average a tensor over the processes, in place."""
        if self.processes > 1:
            distributed.all_reduce(values)
            values.div_(self.processes)
        return values

    def average_gradients(self) -> None:
        gradients = [value.grad for value in self.model.parameters() if value.grad is not None]
        flat = self.averaged(torch.cat([gradient.flatten() for gradient in gradients]))
        for gradient, part in zip(gradients, flat.split([each.numel() for each in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def publish(self) -> None:
        """Write the folder that ships, with card and record, and a sheet of samples."""
        before = read_record(self.start) if self.stage.teaches else []
        write_folder(self.average, self.tokenizer, self.schedule, self.out)
        write_record(self.out, [*before, self.entry()])
        sheet = samples(self.average, self.tokenizer, PROMPTS, seed=1)
        Image.fromarray(sheet).save(self.work / f"samples-{self.state.step:06d}.png")

    def entry(self) -> dict[str, Any]:
        """This stage's line of the record."""
        return {
            "stage": self.state.stage,
            "steps": self.state.step,
            "pictures": round(self.state.pictures),
            "minutes": round(self.state.seconds / 60, 1),
            "cpu_minutes": round(self.state.cpu_seconds / 60, 1),
            "threads": torch.get_num_threads() * self.processes,
            "machine": machine(),
            "errors": list(self.error_names),
            "curve": read_curve(self.work / CURVE),
        }

    def one_step(self, rate: float) -> list[float]:
        """Update by all lessons; returns their errors in this process."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["rate"]
        self.model.zero_grad()
        errors: list[float] = []
        for lesson in self.stage.lessons:
            found = self._errors(lesson, drawn_times(lesson, self.rng))
            self._loss(lesson, found).backward()
            errors += [error.item() for error in found]
            self.state.pictures += lesson.pictures * self.processes
        if self.processes > 1:
            self.average_gradients()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.state.step += 1
        keep = min(self.stage.keep, (1.0 + self.state.step) / (10.0 + self.state.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), 1.0 - keep)
        return errors

    def _loss(self, lesson: Lesson, errors: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Add a lesson's errors, a difference by its weight, which is measured anew from time to time."""
        if not lesson.changed:
            return errors[0]
        weights = self.state.weights
        if self.state.step % MEASURED == 0:
            lengths = self.averaged(gradient_lengths(errors, list(self.model.parameters())))
            weights[lesson.name] = balanced(weights.get(lesson.name), lengths)
        return errors[0] + weights[lesson.name] * errors[1]

    def _errors(self, lesson: Lesson, times: NDArray[np.int64]) -> tuple[torch.Tensor, ...]:
        if isinstance(self.scenes, Teacher):
            taught = self.scenes.draw(lesson, times)
            return taught_errors(self.denoised, taught, self.schedule.alphas_cumprod)
        batch = self.scenes.draw(len(times))
        numbers = self.tokenizer(batch.captions)
        return (velocity_loss(self.model, self.schedule, batch, torch.from_numpy(times), numbers),)

    def denoised(self, noisy: torch.Tensor, times: torch.Tensor, captions: list[str]) -> torch.Tensor:
        velocities: torch.Tensor = self.model(noisy, times, self.tokenizer(captions))
        return velocities

    def log(self) -> None:
        """Append a line to the curve: step, pictures, minutes, CPU minutes, smoothed errors."""
        if self.rank:
            return
        state = self.state
        row = [state.step, f"{state.pictures:.0f}", f"{state.seconds / 60:.2f}"]
        errors = [f"{self.recent.get(name, math.nan):.4f}" for name in self.error_names]
        with (self.work / CURVE).open("a", newline="") as file:
            csv.writer(file).writerow([*row, f"{state.cpu_seconds / 60:.2f}", *errors])

    def save(self) -> None:
        """Write what a later run goes on from."""
        if self.rank:
            return
        write_atomically(self.work / RAW, save(self.model.state_dict()))
        write_atomically(self.work / AVERAGE, save(self.average.state_dict()))
        torch.save(self.optimiser.state_dict(), self.work / "optimiser.partial")
        (self.work / "optimiser.partial").replace(self.work / OPTIMISER)
        write_atomically(self.work / STATE, json.dumps(asdict(self.state)).encode())


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--stage", choices=STAGES, required=True)
    arguments.add_argument("--minutes", type=float, default=50.0, help="of this stage, over resumed runs")
    arguments.add_argument("--every", type=float, default=4.0, help="minutes between checkpoints")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--work", type=Path, required=True, help="a folder of this run; it goes on there")
    arguments.add_argument(
        "--start", type=Path, default=SHIPPED_FOLDER, help="weights that the stage teacher begins with"
    )
    arguments.add_argument("--out", type=Path, default=SHIPPED_FOLDER)
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    if "RANK" in os.environ:
        distributed.init_process_group("gloo")
    run = Run(options.work, options.start, options.out, stage=options.stage, seed=options.seed)
    run.train(options.minutes, options.every)


if __name__ == "__main__":
    main()
