"""What the simulated world's held-out network sees in pictures, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from almond.generating.people import PEOPLE, SceneReader
from almond.typing import ImageArray
from almond.world.attributes import ATTRIBUTES, PERSON_ATTRIBUTES
from almond.world.networks import load_network

NOBODY = "nobody"
BATCH = 16


def open_world_reader() -> SceneReader:
    """Return the reader; its network is loaded once per process."""
    load_network("judge")
    return read_world_scenes


def read_world_scenes(images: Sequence[ImageArray]) -> list[dict[str, str]]:
    """Read the most probable value of each attribute that carries meaning, those of persons only where the
    network sees somebody."""
    network = load_network("judge")
    read: list[dict[str, str]] = []
    for start in range(0, len(images), BATCH):
        stacked = torch.from_numpy(np.stack(images[start : start + BATCH]))
        with torch.no_grad():
            chances = network.probabilities(stacked.permute(0, 3, 1, 2).float() / 255.0)
        best = {name: chances[name].argmax(dim=1).tolist() for name in ATTRIBUTES}
        for row in range(len(stacked)):
            values = {name: ATTRIBUTES[name][best[name][row]] for name in ATTRIBUTES}
            hidden = PERSON_ATTRIBUTES if values[PEOPLE] == NOBODY else ()
            read.append({name: value for name, value in values.items() if name not in hidden})
    return read
