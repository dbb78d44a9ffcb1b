"""A pool of labelled scenes that is renewed while a network trains on it."""

from __future__ import annotations

import numpy as np
import torch

from almond.world.scenes import ALL_ATTRIBUTES, PERSON_ATTRIBUTES, SIZE, Scene, draw_scene, latents, render


class Pool:
    """``size`` scenes; ``renew(n)`` replaces the ``n`` oldest by new ones.

    A share ``close`` of them has somebody near, whose face is large enough to learn from.
    """

    def __init__(self, size: int, rng: np.random.Generator, close: float = 0.0) -> None:
        self.rng, self.close = rng, close
        self.images = torch.empty(size, 3, SIZE, SIZE, dtype=torch.uint8)
        self.labels = torch.empty(size, len(ALL_ATTRIBUTES), dtype=torch.long)
        self.truth = torch.empty(size, 16)
        self.scenes: list[Scene | None] = [None] * size
        self.oldest = 0
        self.renew(size)

    def renew(self, count: int) -> None:
        for _ in range(count):
            self.put(self.oldest, draw_scene(self.rng, self.fixed()))
            self.oldest = (self.oldest + 1) % len(self.images)

    def fixed(self) -> dict[str, str]:
        return {"presence": "one", "distance": "near"} if self.rng.random() < self.close else {}

    def put(self, at: int, scene: Scene) -> None:
        self.scenes[at] = scene
        self.images[at] = torch.from_numpy(render(scene)).permute(2, 0, 1)
        self.labels[at] = labels_of(scene)
        self.truth[at] = torch.from_numpy(latents(scene))

    def floats(self, chosen: torch.Tensor) -> torch.Tensor:
        """Images of the chosen entries, float in [0, 1]."""
        return self.images[chosen].float() / 255.0


def labels_of(scene: Scene) -> torch.Tensor:
    """The index of each attribute's value."""
    return torch.tensor([values.index(getattr(scene, name)) for name, values in ALL_ATTRIBUTES.items()])


def counts(labels: torch.Tensor) -> torch.Tensor:
    """(B, attributes) 1 where an attribute shows: those of persons only when somebody is there."""
    names = list(ALL_ATTRIBUTES)
    someone = labels[:, names.index("presence")] != ALL_ATTRIBUTES["presence"].index("nobody")
    mask = torch.ones(labels.shape)
    for name in PERSON_ATTRIBUTES:
        mask[:, names.index(name)] = someone.float()
    return mask
