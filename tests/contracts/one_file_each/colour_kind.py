"""Feature kind ``colour``: the mean red, green and blue of an image; it stands in tests alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field

from almond.digest import digest_json
from almond.encoding.features.space import DescribedSpace
from almond.encoding.features.specs import NetworkSpec, Positive
from almond.typing import FeatureArray, ImageArray


class ColourSpec(NetworkSpec):
    """Three values, each a mean over pixels in [0, 1] to the power ``gamma``."""

    kind: Literal["colour"]
    gamma: Positive = Field(default=1.0, description="power of pixel values before their mean")

    def open_space(self, *, device: str = "cpu") -> DescribedSpace:
        return MeanColour(self.gamma)


class MeanColour:
    name = "mean-colour"
    dimension = 3
    image_size = 8

    def __init__(self, gamma: float) -> None:
        self.gamma = gamma
        self.digest = digest_json(self.describe())

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "gamma": self.gamma}

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return (images**self.gamma).mean((2, 3))

    def extract(self, images: Sequence[ImageArray]) -> FeatureArray:
        return np.array([((image / 255) ** self.gamma).mean((0, 1)) for image in images], np.float32)
