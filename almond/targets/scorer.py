"""Scores of images with gradients: what guidance climbs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from almond.encoding.features.space import FeatureSpace, MovableSpace
from almond.errors import InputError
from almond.targets.target import Target, scores
from almond.typing import ImageArray


class Scorer:
    """A differentiable function from images to one standardised score per target.

    :raises InputError: no targets, two of one name, or targets of another feature space.
    """

    def __init__(self, feature_space: FeatureSpace, targets: Sequence[Target]) -> None:
        self.feature_space = feature_space
        self.targets = tuple(targets)
        self.names = tuple(target.name for target in self.targets)
        self._check()
        weights = np.stack([target.weights / target.sd for target in self.targets], axis=1)
        offset = np.array([target.mean / target.sd for target in self.targets])
        self._weights = torch.from_numpy(weights)
        self._offset = torch.from_numpy(offset)

    def _check(self) -> None:
        if not self.targets:
            raise InputError("targets", "none were given", "one or more targets")
        if len(set(self.names)) < len(self.names):
            raise InputError("targets", f"names repeat: {', '.join(self.names)}", "one target per name")
        for target in self.targets:
            if target.feature_space_digest != self.feature_space.digest:
                raise InputError(
                    f"target {target.name}",
                    f"belongs to feature space {target.feature_space_digest[:12]}…",
                    f"{self.feature_space.name} ({self.feature_space.digest[:12]}…)",
                )

    @property
    def digests(self) -> dict[str, str]:
        """Map target names to digests, for recipes."""
        return {target.name: target.digest for target in self.targets}

    def to(self, device: torch.device | str) -> Scorer:
        """Move weights, and the network where it can be moved, to a device; returns the scorer itself."""
        self._weights, self._offset = self._weights.to(device), self._offset.to(device)
        if isinstance(self.feature_space, MovableSpace):
            self.feature_space.to(device)
        return self

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Score images (B, 3, H, W) in [0, 1]: standardised scores (B, T) of the images' dtype, where the
        images are, whatever device the network stands on."""
        features = self.feature_space.forward(images)
        # In float64: raw scores are large numbers against their spread, and float32 would round it away.
        scores = features.double() @ self._weights.to(features.device) - self._offset.to(features.device)
        return scores.to(images.device, images.dtype)

    def score_images(self, images: Sequence[ImageArray]) -> NDArray[np.float64]:
        """Score images (H, W, 3) uint8: standardised scores (n, T)."""
        features = self.feature_space.extract(images)
        return np.stack([scores(target, features) for target in self.targets], axis=1)
