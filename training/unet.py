"""Train the small diffusion model: ``python -m training.unet --stage scenes --minutes 55 --work WORK``.

Two stages. ``scenes`` learns pictures from random scenes, at all noise levels. ``words`` goes on from shipped
weights and learns what words change: mostly at high noise, on variants of scenes that differ in one word,
with more weight where they differ. Minutes count over all resumed runs; nothing here runs in tests or CI.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save
from torch import nn

from almond.files.writing import write_atomically
from almond.rng import derive_seed, generator
from almond.world.text import TextConfig, WordTokenizer, world_vocabulary
from training.unet_card import machine, read_curve, read_record, write_record
from training.unet_codes import learn_codes
from training.unet_model import PROMPTS, Model, noise_schedule, samples, write_folder
from training.unet_scenes import Batch, Emphasis, RandomScenes, Variants

OUT = Path(__file__).parent.parent / "almond" / "guidance" / "weights" / "small-unet"
RAW, AVERAGE, OPTIMISER, STATE, CURVE = (
    "raw.safetensors",
    "average.safetensors",
    "optimiser.pt",
    "state.json",
    "curve.csv",
)
TIMES = 1000


@dataclass(frozen=True)
class Stage:
    """What a stage trains on and how.

    ``high`` is the share of pictures at times of at least ``from_time`` (of 1000), ``swapped`` the share of
    those that are shown as another variant. The rates are AdamW's largest for the network, the text encoder,
    and the projections of time and text that modulate it; they fall by a cosine over the last ``falling`` of
    the time. ``keep`` is the average's memory.
    """

    batch: int
    rate: float
    text_rate: float
    modulation_rate: float
    falling: float
    keep: float
    high: float = 0.0
    from_time: int = 0
    swapped: float = 0.0


STAGES = {
    "scenes": Stage(batch=32, rate=8e-4, text_rate=8e-4, modulation_rate=8e-4, falling=0.4, keep=0.9985),
    "words": Stage(
        batch=16,
        rate=3e-4,
        text_rate=3e-4,
        modulation_rate=1.5e-3,
        falling=0.7,
        keep=0.97,
        high=0.85,
        from_time=620,
        swapped=0.7,
    ),
}


def rate_share(share: float, step: int, falling: float) -> float:
    """Warm up over 30 steps, then constant, then a cosine to 1 percent over the last ``falling`` of it."""
    fall = min(1.0, max(0.0, (share - 1.0 + falling) / falling))
    return min(1.0, (step + 1) / 30) * (0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi * fall)))


def drawn_times(stage: Stage, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Times (batch,) of a step, evenly spread, which varies less than independent draws."""
    even = (rng.permutation(stage.batch) + rng.random(stage.batch)) / stage.batch
    low = even < 1.0 - stage.high
    inside = np.where(low, even / (1.0 - stage.high), (even - 1.0 + stage.high) / max(stage.high, 1e-9))
    times = np.where(
        low,
        inside * (stage.from_time if stage.high else TIMES),
        stage.from_time + inside * (TIMES - stage.from_time),
    )
    return times.astype(np.int64)


def velocity_loss(
    model: Model, schedule: Any, batch: Batch, times: torch.Tensor, numbers: torch.Tensor
) -> torch.Tensor:
    """Weighted mean squared error of the velocity that leads from the noisy latent to the clean one.

    ``v = (sqrt(abar) x - x0) / sqrt(1 - abar)``: where nothing is swapped, Salimans & Ho's
    ``sqrt(abar) noise - sqrt(1 - abar) x0``.
    """
    abar = schedule.alphas_cumprod[times].view(-1, 1, 1, 1)
    noisy = abar.sqrt() * batch.seen + (1.0 - abar).sqrt() * torch.randn_like(batch.seen)
    target = (abar.sqrt() * noisy - batch.clean) / (1.0 - abar).sqrt()
    error = (model(noisy, times, numbers) - target).square()
    return (batch.weights * error).mean() / batch.weights.mean()


@dataclass
class State:
    """What a run has done so far, over all its sessions."""

    stage: str
    step: int = 0
    pictures: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0


class Run:
    """One training run with its working folder; it goes on where it stopped if the folder has a state."""

    def __init__(self, work: Path, start: Path, out: Path, *, stage: str, seed: int, bases: int) -> None:
        self.work, self.start, self.out, self.stage = work, start, out, STAGES[stage]
        self.tokenizer = WordTokenizer(world_vocabulary(), TextConfig(1).length)
        torch.manual_seed(derive_seed(seed, "unet") % 2**31)
        self.model = Model(len(self.tokenizer.vocabulary))
        self.average = Model(len(self.tokenizer.vocabulary)).requires_grad_(False)
        self.optimiser = torch.optim.AdamW(
            self._groups(),
            weight_decay=1e-4,
            fused=True,
        )
        self.state = self._begin(stage, seed)
        self.rng = generator(seed, "unet-times", self.state.step)
        torch.manual_seed(derive_seed(seed, "unet", self.state.step) % 2**31)
        self.scenes: RandomScenes | Variants = (
            Variants(work, seed, bases, step=self.state.step, emphasis=Emphasis())
            if self.stage.swapped
            else RandomScenes(generator(seed, "unet-scenes", self.state.step))
        )
        self.schedule = noise_schedule()

    def _groups(self) -> list[dict[str, Any]]:
        """Parameters by their learning rates."""
        unet: Any = self.model.unet
        named = list(unet.named_parameters())
        modulating = ("time_emb_proj", "add_embedding")
        return [
            {
                "params": [value for name, value in named if not any(part in name for part in modulating)],
                "rate": self.stage.rate,
            },
            {
                "params": [value for name, value in named if any(part in name for part in modulating)],
                "rate": self.stage.modulation_rate,
            },
            {"params": list(self.model.text.parameters()), "rate": self.stage.text_rate},
        ]

    def _begin(self, stage: str, seed: int) -> State:
        """Load what the working folder holds; else random weights, or for ``words`` the shipped ones."""
        if (self.work / STATE).exists():
            self.model.load_state_dict(load_file(self.work / RAW))
            self.average.load_state_dict(load_file(self.work / AVERAGE))
            self.optimiser.load_state_dict(torch.load(self.work / OPTIMISER, weights_only=True))
            return State(**json.loads((self.work / STATE).read_text()))
        if STAGES[stage].swapped:
            self.model.load_shipped(self.start)
            left = learn_codes(
                self.model, self.tokenizer, generator(seed, "unet-codes"), captions=2000, updates=600
            )
            with (self.work / "codes.txt").open("w") as file:
                file.write(f"share of the codes' variance left out: {left:.3f}\n")
        self.average.load_state_dict(self.model.state_dict())
        return State(stage)

    def train(self, minutes: float, every: float) -> None:
        """Train until the run has had ``minutes`` in all; save every ``every`` minutes."""
        saved, recent = self.state.seconds, 0.0
        while (share := self.state.seconds / (60.0 * minutes)) < 1.0:
            wall, cpu = time.monotonic(), time.process_time()
            loss = self.one_step(rate_share(share, self.state.step, self.stage.falling))
            self.state.seconds += time.monotonic() - wall
            self.state.cpu_seconds += time.process_time() - cpu
            recent = loss if not recent else recent + 0.05 * (loss - recent)
            if self.state.step % 20 == 0:
                self.log(recent)
            if self.state.seconds - saved > 60.0 * every:
                self.save()
                saved = self.state.seconds
        self.save()
        self.publish()

    def publish(self) -> None:
        """Write the folder that ships, with card and record, and a sheet of samples."""
        before = read_record(self.start) if self.stage.swapped else []
        write_folder(self.average, self.tokenizer, self.schedule, self.out)
        write_record(self.out, [*before, self.entry()])
        sheet = samples(self.average, self.tokenizer, PROMPTS, seed=1)
        Image.fromarray(sheet).save(self.work / f"samples-{self.state.step:06d}.png")

    def entry(self) -> dict[str, Any]:
        """This stage's line of the record."""
        return {
            "stage": self.state.stage,
            "steps": self.state.step,
            "pictures": self.state.pictures,
            "minutes": round(self.state.seconds / 60, 1),
            "cpu_minutes": round(self.state.cpu_seconds / 60, 1),
            "threads": torch.get_num_threads(),
            "machine": machine(),
            "curve": read_curve(self.work / CURVE),
        }

    def one_step(self, rate: float) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["rate"]
        times = drawn_times(self.stage, self.rng)
        high = times >= self.stage.from_time
        swaps = high & (self.rng.random(len(times)) < self.stage.swapped)
        batch = self.scenes.draw(swaps)
        numbers = self.tokenizer(batch.captions)
        loss = velocity_loss(self.model, self.schedule, batch, torch.from_numpy(times), numbers)
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.state.step += 1
        self.state.pictures += len(times)
        keep = min(self.stage.keep, (1.0 + self.state.step) / (10.0 + self.state.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), 1.0 - keep)
        return loss.item()

    def log(self, loss: float) -> None:
        """Append a line to the curve: step, pictures, minutes, CPU minutes, smoothed loss."""
        state = self.state
        row = [state.step, state.pictures, f"{state.seconds / 60:.2f}", f"{state.cpu_seconds / 60:.2f}"]
        with (self.work / CURVE).open("a", newline="") as file:
            csv.writer(file).writerow([*row, f"{loss:.4f}"])

    def save(self) -> None:
        """Write what a later run goes on from."""
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
    arguments.add_argument("--bases", type=int, default=4000, help="base scenes of the stage of words")
    arguments.add_argument("--work", type=Path, required=True, help="a folder of this run; it goes on there")
    arguments.add_argument(
        "--start", type=Path, default=OUT, help="weights that the stage of words begins with"
    )
    arguments.add_argument("--out", type=Path, default=OUT)
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    run = Run(
        options.work, options.start, options.out, stage=options.stage, seed=options.seed, bases=options.bases
    )
    run.train(options.minutes, options.every)


if __name__ == "__main__":
    main()
