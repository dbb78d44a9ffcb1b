"""Which feature space weights belong to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FeatureSpaceCard:
    """Which feature space the weights belong to."""

    name: str
    digest: str
    dimension: int
