"""How much of a photograph is left in an image that was made of it: in pixels, and as the scorer sees it."""

from __future__ import annotations

from functools import cache

import numpy as np

from almond.encoding.features.space import FeatureSpace
from almond.guidance.backends.diffusion import DiffusionGenerator
from almond.guidance.photographs.pictured import pictured
from almond.guidance.photographs.pictures import fitted
from almond.guidance.recipe import Recipe
from almond.typing import FeatureArray, ImageArray

LENGTH_FLOOR = 1e-12


class LikenessReader:
    """Compares images with the photograph that they start from, or else the one that an adapter follows."""

    def __init__(self, generator: DiffusionGenerator, space: FeatureSpace) -> None:
        self.generator, self.space = generator, space
        self.features = cache(self._features)

    def photograph(self, digest: str) -> ImageArray:
        """Read a picture as the model was given it (S, S, 3)."""
        return fitted(self.generator.pictures.read(digest, "recipe"), self.generator.image_size)

    def _features(self, digest: str) -> FeatureArray:
        features: FeatureArray = self.space.extract([self.photograph(digest)])[0]
        return features

    def read(self, recipe: Recipe, image: ImageArray) -> dict[str, float]:
        """Measure an image (S, S, 3); empty where there is nothing to compare it with.

        ``pixel``: RMS difference in [0, 1]; ``features``: squared distance in the scorer's network over the
        squared length of the photograph's features. With a mask also ``pixel_inside`` and ``pixel_outside``,
        of which the latter is 0.
        """
        start, adapter = recipe.start, recipe.adapter
        digest = start.image_sha256 if start is not None else adapter.image_sha256 if adapter else None
        if digest is None:
            return {}
        squares = ((image.astype(np.float64) - self.photograph(digest)) / 255.0) ** 2
        own, reference = (
            values.astype(np.float64) for values in (self.space.extract([image])[0], self.features(digest))
        )
        distance = float(((own - reference) ** 2).sum() / ((reference**2).sum() + LENGTH_FLOOR))
        values = {"pixel": float(np.sqrt(squares.mean())), "features": distance}
        model = pictured(self.generator, recipe)
        if isinstance(model, DiffusionGenerator) and model.photograph and model.photograph.region:
            inside = model.photograph.region.pixels.numpy()
            values["pixel_inside"] = float(np.sqrt(squares[inside].mean()))
            values["pixel_outside"] = float(np.sqrt(squares[~inside].mean())) if not inside.all() else 0.0
        return values
