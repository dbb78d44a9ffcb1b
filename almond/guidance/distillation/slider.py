"""A generator with a dial per target in place of gradients."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save

from almond.digest import canonical_json, digest_file, digest_json
from almond.errors import DigestMismatch, InputError
from almond.files.writing import write_atomically
from almond.guidance.backends.base import Condition, Prediction
from almond.guidance.backends.diffusion import DiffusionGenerator
from almond.guidance.distillation.lora import SliderAdapter
from almond.guidance.schedule import Window
from almond.guidance.schedulers import Scheduler, Step

FORMAT = "almond-slider/1"
DESCRIPTION = "slider.json"


class SliderGenerator:
    """A frozen generator whose denoiser is adapted inside a window of noise levels; a ``Generator`` itself.

    The window is that of the guidance it was distilled from: outside it, and with all dials at 0, it is the
    generator that it was made of. Its digest holds the weights and the dials.

    :param base: copied, so that the adapter does not reach the generator that was passed.
    """

    def __init__(
        self,
        base: DiffusionGenerator,
        targets: Sequence[str],
        *,
        rank: int,
        layers: Sequence[str],
        window: Window,
    ) -> None:
        self.base = base.with_own_networks()
        self.lora = SliderAdapter(self.base.denoiser, targets, rank=rank, layers=layers)
        self.lora.require_gradients(False)
        self.window, self.settings = window, {"rank": rank, "layers": list(layers)}
        self.name, self.image_size = base.name, base.image_size
        self.latent_shape, self.defaults = base.latent_shape, base.defaults
        self.unit_kind = base.unit_kind
        self.dials: dict[str, float] = {}
        self.identify("")

    def identify(self, trained: str) -> None:
        """Take the digest of the trained weights: with generator, window and dials it gives ``digest``."""
        self.trained = trained
        self.digest = digest_json(
            {
                "base": self.base.digest,
                "adapter": self.trained,
                "window": [self.window.low, self.window.high],
                "dials": self.dials,
            }
        )

    @property
    def scheduler(self) -> Scheduler:
        return self.base.scheduler

    def turn(self, dials: Mapping[str, float]) -> None:
        """Set the dials: 1 is the largest strength that it was trained on, -1 the same downwards."""
        self.lora.turn(dials)
        self.dials = {name: value for name, value in self.lora.dials.items() if value}
        self.identify(self.trained)

    def encode_prompt(self, prompt: str, seeds: Sequence[int]) -> Condition:
        return self.base.encode_prompt(prompt, seeds)

    def initial_latent(self, seed: int) -> torch.Tensor:
        return self.base.initial_latent(seed)

    def predict(self, x: torch.Tensor, step: Step, condition: Condition) -> Prediction:
        """Denoise with the dials where the window is open, without them elsewhere."""
        self.lora.turn(self.dials if self.window.holds(step.level.alpha_bar) else {})
        return self.base.predict(x, step, condition)

    def decode(self, x0: torch.Tensor) -> torch.Tensor:
        return self.base.decode(x0)


def save_slider(folder: Path, slider: SliderGenerator, *, facts: Mapping[str, Any]) -> None:
    """Write one file of weights per target, then ``slider.json`` with their digests and the ``facts``."""
    files = {}
    for index, target in enumerate(slider.lora.dials):
        name = f"lora-{index}.safetensors"
        write_atomically(folder / name, save(slider.lora.state(target)))
        files[target] = {"file": name, "sha256": digest_file(folder / name)}
    description = {
        "format": FORMAT,
        "generator": slider.base.name,
        "generator_digest": slider.base.digest,
        "window": [slider.window.low, slider.window.high],
        **slider.settings,
        "targets": files,
        "facts": dict(facts),
    }
    write_atomically(folder / DESCRIPTION, canonical_json(description))
    slider.identify(digest_json(description))


def load_slider(folder: Path, base: DiffusionGenerator) -> SliderGenerator:
    """Load a distilled slider on the generator that it was trained on.

    :raises DigestMismatch: another generator, or a changed file.
    :raises InputError: the folder holds no slider.
    """
    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(folder, f"is no slider: {error}", f"a folder with {DESCRIPTION}") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise InputError(folder / DESCRIPTION, "is of another format", FORMAT)
    if description["generator_digest"] != base.digest:
        raise DigestMismatch(f"generator {base.name}", description["generator_digest"], base.digest)
    slider = SliderGenerator(
        base,
        list(description["targets"]),
        rank=description["rank"],
        layers=description["layers"],
        window=Window(*description["window"]),
    )
    for target, file in description["targets"].items():
        path = folder / file["file"]
        if (found := digest_file(path)) != file["sha256"]:
            raise DigestMismatch(str(path), file["sha256"], found)
        slider.lora.load(target, load_file(path))
    slider.identify(digest_json(description))
    return slider
