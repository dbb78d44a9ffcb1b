"""The direction of a score among the embeddings of photographs: ridge regression, left-one-out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import RidgeCV

from almond.errors import InputError
from almond.finite import require_finite
from almond.guidance.backends.diffusion import DiffusionGenerator
from almond.guidance.objectives.references import ScoreReader
from almond.guidance.photographs.photograph import unit_pixels
from almond.guidance.photographs.pictures import fitted
from almond.typing import Floats

FEWEST = 8
"""Photographs below which no direction is fitted."""

PENALTIES = np.logspace(-4, 4, 17)
"""Ridge penalties that are tried, times the mean square of the centred embeddings times their number."""

SCORED_TOGETHER = 8


@dataclass(frozen=True)
class ScoreDirection:
    """``weights`` (D,) and ``intercept`` of a score on embeddings; ``penalty`` is the one that predicts
    photographs best that were left out, one at a time, and ``r2`` how well (at most 1)."""

    weights: Floats
    intercept: float
    penalty: float
    r2: float

    def predict(self, embedding: Floats) -> float:
        """Predict the score of an embedding (D,)."""
        return float(embedding @ self.weights + self.intercept)


def embedded_reference(
    generator: DiffusionGenerator, scorer: ScoreReader, reference: str
) -> tuple[Floats, Floats]:
    """Embed and score a folder's photographs, once: (n, D) and (n, T).

    :raises InputError: fewer than ``FEWEST`` photographs, or scores that are not finite.
    """
    adapter = generator.adapter
    if adapter is None:
        raise InputError("recipe.adapter", "the model has no IP-Adapter", "one that is loaded with it")
    versions = tuple(sorted(getattr(scorer, "digests", {}).items())) or id(scorer)
    key = (reference, adapter.weights_sha256, adapter.encoder_sha256, scorer.names, versions)
    cached: dict[Any, tuple[Floats, Floats]] = generator.pictures.cached
    if key not in cached:
        members = generator.pictures.members(reference)
        if len(members) < FEWEST:
            problem = f"holds {len(members)} different photographs"
            raise InputError("recipe.adapter.reference", problem, f"at least {FEWEST}")
        images = [generator.pictures.read(digest, "recipe.adapter.reference") for digest in members]
        pixels = torch.stack([unit_pixels(fitted(image, generator.image_size)) for image in images])
        with torch.no_grad():
            parts = [scorer(part) for part in torch.split(pixels, SCORED_TOGETHER)]
        scores = torch.cat(parts).double().numpy()
        require_finite(scores, "scores of the reference photographs", axes=("photograph", scorer.names))
        cached[key] = adapter.embeddings(images).double().numpy(), scores
    return cached[key]


def score_direction(embeddings: Floats, values: Floats) -> ScoreDirection:
    """Fit values (n,) on embeddings (n, D) by ridge regression with an intercept.

    :raises InputError: all values or all embeddings are alike.
    """
    centred = embeddings - embeddings.mean(axis=0)
    size, spread = float((centred**2).mean()), float(values.var())
    if size == 0.0 or spread == 0.0:
        alike = "embeddings" if size == 0.0 else "scores"
        raise InputError("recipe.adapter.reference", f"its {alike} are all alike", "different photographs")
    model = RidgeCV(alphas=PENALTIES * size * len(values)).fit(embeddings, values)
    # best_score_ is the negative mean square of residuals of photographs that were left out.
    return ScoreDirection(
        model.coef_, float(model.intercept_), float(model.alpha_), 1.0 + float(model.best_score_) / spread
    )


def turned(embedding: Floats, direction: Floats, angle: float) -> Floats:
    """Turn an embedding (D,) by ``angle`` degrees towards a direction; it keeps its length.

    ``|e| (cos a * e / |e| + sin a * u)``, where u is the unit vector of what of the direction is at right
    angles to e.
    """
    length = np.linalg.norm(embedding)
    own = embedding / length
    across = direction - (direction @ own) * own
    if np.linalg.norm(across) <= ROUNDING * np.linalg.norm(direction):
        raise InputError("recipe.adapter", "the embedding already points along the direction", "another")
    radians = np.deg2rad(angle)
    rotated: Floats = length * (np.cos(radians) * own + np.sin(radians) * across / np.linalg.norm(across))
    return rotated


ROUNDING = 1e-9
