"""Random scenes to train the small diffusion model on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from almond.world.prompts import caption
from almond.world.scenes import Scene, draw_scene, render_many
from training.unet_families import LATENT, encoded

NULL_SHARE = 0.1
"""Share of captions left empty, so that the network also learns to draw without words."""


@dataclass(frozen=True)
class Batch:
    """Clean latents (B, 16, 24, 24) and their captions."""

    clean: torch.Tensor
    captions: list[str]


class RandomScenes:
    """Random scenes, the oldest of which are replaced while training goes on."""

    def __init__(self, rng: np.random.Generator, size: int = 5000, renewed: int = 4) -> None:
        self.rng, self.renewed, self.oldest = rng, renewed, 0
        self.latents = torch.empty(size, *LATENT, dtype=torch.float16)
        self.scenes: list[Scene] = [draw_scene(rng) for _ in range(size)]
        for start in range(0, size, 100):
            self._encode(range(start, min(size, start + 100)))

    def _encode(self, places: Sequence[int]) -> None:
        self.latents[list(places)] = encoded(render_many([self.scenes[at] for at in places]))

    def draw(self, count: int) -> Batch:
        """Draw a batch, and replace the oldest scenes."""
        places = [(self.oldest + offset) % len(self.scenes) for offset in range(self.renewed)]
        for place in places:
            self.scenes[place] = draw_scene(self.rng)
        self._encode(places)
        self.oldest = (places[-1] + 1) % len(self.scenes)
        chosen = self.rng.integers(0, len(self.scenes), count)
        clean = self.latents[torch.from_numpy(chosen)].float()
        captions = [
            "" if self.rng.random() < NULL_SHARE else caption(self.scenes[place], self.rng)
            for place in chosen
        ]
        return Batch(clean, captions)
