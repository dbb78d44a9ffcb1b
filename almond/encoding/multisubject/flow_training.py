"""A training loop that stops early, that can be cancelled, and that goes on where it was killed."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from almond.files import write_atomically
from almond.progress import Progress
from almond.rng import derive_seed

EVERY = 10
"""Epochs between two checkpoints."""


def torch_generator(seed: int, *purpose: str | int) -> torch.Generator:
    """A generator of torch for a purpose: see ``almond.rng.derive_seed``. It lives on the CPU, so that every
    device draws the same numbers."""
    return torch.Generator().manual_seed(derive_seed(seed, *purpose))


@dataclass
class Course:
    """How far a training is. ``best`` are the weights of ``best_epoch``, counted from 1 (0: untrained)."""

    epoch: int = 0
    best_epoch: int = 0
    best_loss: float = float("inf")
    done: bool = False
    best: dict[str, Tensor] = field(default_factory=dict)

    def numbers(self) -> dict[str, Any]:
        names = ("epoch", "best_epoch", "best_loss", "done")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Checkpoint:
    """One training on disk: weights, the best weights so far and the state of Adam, as safetensors."""

    path: Path

    def write(self, module: nn.Module, optimiser: torch.optim.Adam, course: Course) -> None:
        tensors = {f"now/{name}": tensor for name, tensor in module.state_dict().items()}
        tensors |= {f"best/{name}": tensor for name, tensor in course.best.items()}
        for index, state in optimiser.state_dict()["state"].items():
            tensors |= {f"adam/{index}/{name}": tensor for name, tensor in state.items()}
        solid = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
        write_atomically(self.path, save(solid, metadata={"course": json.dumps(course.numbers())}))

    def read(self, module: nn.Module, optimiser: torch.optim.Adam) -> Course:
        """Put the module and its optimiser back; a fresh course when nothing was written yet."""
        if not self.path.is_file():
            return Course()
        parts: dict[str, dict[str, Tensor]] = {"now": {}, "best": {}, "adam": {}}
        with safe_open(self.path, framework="pt") as stored:
            numbers = json.loads(stored.metadata()["course"])
            for key in stored.keys():  # noqa: SIM118 - not a dict
                part, name = key.split("/", 1)
                parts[part][name] = stored.get_tensor(key)
        module.load_state_dict(parts["now"])
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in parts["adam"].items():
            index, name = key.split("/")
            state.setdefault(int(index), {})[name] = tensor
        optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
        return Course(**numbers, best=parts["best"])


@dataclass(frozen=True)
class Plan:
    """At most ``epochs``, fewer when ``patience`` of them pass without gain; Adam with ``lr``."""

    epochs: int
    patience: int
    lr: float


def train(
    module: nn.Module,
    losses: Callable[[int], Iterator[Tensor]],
    plan: Plan,
    *,
    validate: Callable[[], float] | None,
    checkpoint: Checkpoint | None,
    progress: Progress,
    name: str,
) -> Course:
    """Train in place; the module ends with the weights of the best epoch.

    ``losses(epoch)`` yields the losses of an epoch's batches and draws its random numbers from the number of
    the epoch alone: that makes a resumed training equal to one that was never stopped. Without ``validate``
    all epochs are run and the last counts. Progress is reported, and cancelling possible, once per epoch.
    """
    optimiser = torch.optim.Adam(module.parameters(), lr=plan.lr)
    course = checkpoint.read(module, optimiser) if checkpoint else Course()
    if course.epoch == 0 and validate:  # training may turn out to help nothing
        course.best_loss, course.best = validate(), copy.deepcopy(dict(module.state_dict()))
    while not course.done:
        progress.report(course.epoch / plan.epochs, f"{name}, epoch {course.epoch + 1}")
        for loss in losses(course.epoch):
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        _judge(module, course, validate, plan)
        if checkpoint and (course.done or course.epoch % EVERY == 0):
            checkpoint.write(module, optimiser, course)
    module.load_state_dict(course.best)
    return course


def _judge(module: nn.Module, course: Course, validate: Callable[[], float] | None, plan: Plan) -> None:
    course.epoch += 1
    loss = validate() if validate else course.best_loss
    if validate is None or loss < course.best_loss:
        course.best_epoch, course.best_loss = course.epoch, loss
        course.best = copy.deepcopy(dict(module.state_dict()))
    course.done = course.epoch >= plan.epochs or course.epoch - course.best_epoch >= plan.patience
