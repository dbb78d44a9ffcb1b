"""Who is in a picture of the simulated world: nobody, one person, or a group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from almond.world.attributes import ALL_ATTRIBUTES

BATCH = 64


def read_people(
    images: Sequence[np.ndarray[Any, Any]], which: Literal["features", "judge"] = "features"
) -> list[str]:
    """Read who is in pictures (H, W, 3) uint8 of one size: ``nobody``, ``one`` or ``group``.

    By the presence head of a network of the simulated world, which knows its scenes alone. ``which``:
    ``features``, on whose values guidance climbs, chooses pairs; ``judge`` guided nothing and reports.
    """
    import torch

    from almond.world.networks import load_network

    network, words = load_network(which), ALL_ATTRIBUTES["presence"]
    read: list[str] = []
    for first in range(0, len(images), BATCH):
        pixels = torch.from_numpy(np.stack(images[first : first + BATCH])).permute(0, 3, 1, 2) / 255.0
        with torch.no_grad():
            read += [words[place] for place in network.probabilities(pixels)["presence"].argmax(1).tolist()]
    return read
