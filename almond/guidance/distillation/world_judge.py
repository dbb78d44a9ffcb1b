"""The simulated world's held-out network as a judge of what guidance moved."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from almond.errors import InputError
from almond.rng import generator
from almond.world.lab import CONSTRUCT_OF_TARGET
from almond.world.networks import load_network
from almond.world.raters import CONSTRUCTS
from almond.world.scenes import LATENTS, draw_scene, render_many

REFERENCE = 300


class WorldJudge:
    """The judge network's readout of what each target means to people, in SD of rendered scenes.

    :param names: targets of the example lab (``almond.world.lab.TARGETS``).
    :raises InputError: a target that the world gives no meaning to.
    """

    def __init__(self, names: Sequence[str], reference: int = REFERENCE) -> None:
        unknown = [name for name in names if name not in CONSTRUCT_OF_TARGET]
        if unknown:
            raise InputError(
                "judge", f"the world has no {', '.join(unknown)}", ", ".join(CONSTRUCT_OF_TARGET)
            )
        self.names = tuple(names)
        weights = [CONSTRUCTS[CONSTRUCT_OF_TARGET[name]] for name in names]
        self.matrix = torch.tensor([[row.get(latent, 0.0) for row in weights] for latent in LATENTS])
        self.network = load_network("judge")
        rng = generator(1, "judge's reference")
        pictures = np.stack([*render_many(draw_scene(rng) for _ in range(reference))])
        scores = self._read(torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255.0)
        self.mean, self.sd = scores.mean(0), scores.std(0)

    def _read(self, images: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            latents: torch.Tensor = self.network.read_latents(images)
        return latents @ self.matrix

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Score images (B, 3, H, W) in [0, 1]: (B, T)."""
        return (self._read(images) - self.mean) / self.sd
