"""Feature kind ``world``: the network that comes with Almond, for the simulated world."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from almond.encoding.features.specs import NetworkSpec

if TYPE_CHECKING:
    from almond.encoding.features.space import DescribedSpace


class WorldSpec(NetworkSpec):
    """256 values of the fc7 of the shipped network, on the CPU whatever the device."""

    kind: Literal["world"]

    def open_space(self, *, device: str = "cpu") -> DescribedSpace:
        return open_world()


@lru_cache(maxsize=1)
def open_world() -> DescribedSpace:
    """Open the network that was trained on scenes of the simulated world."""
    from almond.encoding.features.networks.world import NetworkFeatures
    from almond.world.networks import load_network

    return NetworkFeatures("world-fc7", load_network("features"), image_size=96)
