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

from almond.files.writing import write_atomically
from almond.progress import Progress
from almond.rng import derive_seed

EVERY = 10
"""Epochs between two checkpoints."""


def torch_generator(seed: int, *purpose: str | int) -> torch.Generator:
    """Return a generator of torch for a purpose: see ``almond.rng.derive_seed``. It lives on the CPU, so that
    every device draws the same numbers."""
    return torch.Generator().manual_seed(derive_seed(seed, *purpose))


@dataclass
class TrainingState:
    """The state of a training. ``best`` are the weights of ``best_epoch``, counted from 1 (0: untrained)."""

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

    def write(self, module: nn.Module, optimiser: torch.optim.Adam, state: TrainingState) -> None:
        tensors = {f"now/{name}": tensor for name, tensor in module.state_dict().items()}
        tensors |= {f"best/{name}": tensor for name, tensor in state.best.items()}
        for index, moments in optimiser.state_dict()["state"].items():
            tensors |= {f"adam/{index}/{name}": tensor for name, tensor in moments.items()}
        solid = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
        write_atomically(self.path, save(solid, metadata={"course": json.dumps(state.numbers())}))

    def read(self, module: nn.Module, optimiser: torch.optim.Adam) -> TrainingState:
        """Restore the module and its optimiser; a fresh state where nothing was written yet."""
        if not self.path.is_file():
            return TrainingState()
        parts: dict[str, dict[str, Tensor]] = {"now": {}, "best": {}, "adam": {}}
        with safe_open(self.path, framework="pt") as stored:
            numbers = json.loads(stored.metadata()["course"])
            for key in stored.keys():  # noqa: SIM118 - not a dict
                part, name = key.split("/", 1)
                parts[part][name] = stored.get_tensor(key)
        module.load_state_dict(parts["now"])
        moments: dict[int, dict[str, Tensor]] = {}
        for key, tensor in parts["adam"].items():
            index, name = key.split("/")
            moments.setdefault(int(index), {})[name] = tensor
        optimiser.load_state_dict({**optimiser.state_dict(), "state": moments})
        return TrainingState(**numbers, best=parts["best"])


@dataclass(frozen=True)
class TrainingSchedule:
    """At most ``epochs``, fewer when ``patience`` of them pass without gain; Adam with ``lr``."""

    epochs: int
    patience: int
    lr: float


def train(
    module: nn.Module,
    losses: Callable[[int], Iterator[Tensor]],
    schedule: TrainingSchedule,
    *,
    validate: Callable[[], float] | None,
    checkpoint: Checkpoint | None,
    progress: Progress,
    name: str,
) -> TrainingState:
    """Train in place; the module ends with the weights of the best epoch.

    ``losses(epoch)`` yields the losses of an epoch's batches and draws its random numbers from the number of
    the epoch alone: that makes a resumed training equal to one that was never stopped. Without ``validate``
    all epochs are run and the last counts. Progress is reported, and cancelling possible, once per epoch.
    """
    optimiser = torch.optim.Adam(module.parameters(), lr=schedule.lr)
    state = checkpoint.read(module, optimiser) if checkpoint else TrainingState()
    if state.epoch == 0 and validate:  # training may turn out to help nothing
        state.best_loss, state.best = validate(), copy.deepcopy(dict(module.state_dict()))
    while not state.done:
        progress.report(state.epoch / schedule.epochs, f"{name}, epoch {state.epoch + 1}")
        for loss in losses(state.epoch):
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        _validate(module, state, validate, schedule)
        if checkpoint and (state.done or state.epoch % EVERY == 0):
            checkpoint.write(module, optimiser, state)
    module.load_state_dict(state.best)
    return state


def _validate(
    module: nn.Module, state: TrainingState, validate: Callable[[], float] | None, schedule: TrainingSchedule
) -> None:
    state.epoch += 1
    loss = validate() if validate else state.best_loss
    if validate is None or loss < state.best_loss:
        state.best_epoch, state.best_loss = state.epoch, loss
        state.best = copy.deepcopy(dict(module.state_dict()))
    state.done = state.epoch >= schedule.epochs or state.epoch - state.best_epoch >= schedule.patience
