"""The objective of one batch: what a rule or a search climbs at a step, from images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from almond.guidance.backends.base import Generator
from almond.guidance.objectives import OBJECTIVES
from almond.guidance.objectives.base import Height, Terms
from almond.guidance.objectives.references import References, ScoreReader
from almond.guidance.objectives.views import shifted_copy, viewed
from almond.guidance.penalties import PENALTIES
from almond.guidance.penalties.base import Features
from almond.guidance.recipe import Recipe


@dataclass(frozen=True)
class Climbed:
    """Scores (B, T) of predicted images, the ``value`` (B,) that is climbed, and the ``share`` (B,) in [0, 1]
    of the strength that is left."""

    scores: torch.Tensor
    value: torch.Tensor
    share: torch.Tensor


Climb = Callable[[torch.Tensor], Climbed]
"""Images (B, 3, H, W) in [0, 1] -> what guidance climbs; differentiable."""


def readers_of(scorer: ScoreReader) -> tuple[ScoreReader, ...]:
    """Return the readers that a scorer is made of; itself if it is one."""
    readers: tuple[ScoreReader, ...] = getattr(scorer, "readers", (scorer,))
    return readers


def features_of(scorer: ScoreReader) -> Features | None:
    """Return the forward pass of a scorer's feature network, if it has one."""
    space = getattr(scorer, "feature_space", None)
    if space is None:
        return None

    def features(images: torch.Tensor) -> torch.Tensor:
        values: torch.Tensor = space.forward(images)
        return values.to(images.device)  # the network may stand on a card, and images do not

    return features


class Objective:
    """What B recipes that share a batch (``Recipe.shared``) climb.

    ``references`` may be shared among batches; ``candidates`` says from which noise each image starts.
    """

    def __init__(
        self,
        recipes: Sequence[Recipe],
        generator: Generator,
        scorer: ScoreReader,
        *,
        references: References | None = None,
        candidates: Sequence[int] | None = None,
    ) -> None:
        self.recipes, self.generator, self.scorer = recipes, generator, scorer
        self.readers = readers_of(scorer)
        self.references = references or References(generator, self.readers)
        self.candidates = candidates or [0] * len(recipes)
        self.kind = OBJECTIVES.load(recipes[0].objective_kind)
        self.penalties = [(PENALTIES.load(name), mu) for name, mu in sorted(recipes[0].penalties.items())]
        self.weights = objective_weights(recipes, scorer.names)
        self.held = torch.tensor(
            [[float(name in recipe.others) for name in scorer.names] for recipe in recipes]
        )
        self.direction = torch.tensor([float(recipe.direction) for recipe in recipes])
        # Unguided images fill up a batch: settings of methods that they do not use do nothing to them.
        settings = [recipe.full_settings for recipe in recipes]
        usual = settings[0]
        self.settings = {
            name: torch.tensor([row.get(name, usual[name]) for row in settings]) for name in usual
        }

    def at(self, step: int) -> Climb:
        """Return what is climbed at a step, by its number."""
        base = self._base_scores(step) if any(recipe.others for recipe in self.recipes) else None
        pictures = self._base_images(step) if self.penalties else None

        def climb(images: torch.Tensor) -> Climbed:
            seen = viewed(images, self.recipes[0].view)
            scores = [self._read(reader, seen, step) for reader in self.readers]
            heights = [
                self.kind.climb(scores[number], self._terms(seen, None if base is None else base[number]))
                for number in range(len(scores))
            ]
            height = combined(heights, worst=self.recipes[0].readers == "worst")
            value = height.value
            if pictures is not None:
                value = value - self._penalty(seen, pictures)
            return Climbed(torch.stack(scores).mean(dim=0), value, height.share)

        return climb

    def _read(self, reader: ScoreReader, images: torch.Tensor, step: int) -> torch.Tensor:
        """Score images, averaged over shifted copies."""
        copies = self.recipes[0].view.copies
        scores = [reader(shifted_copy(images, copy, step)) for copy in range(copies)]
        return scores[0] if copies == 1 else torch.stack(scores).mean(dim=0)

    def _terms(self, images: torch.Tensor, base: torch.Tensor | None) -> Terms:
        def as_images(values: torch.Tensor) -> torch.Tensor:
            return values.to(images)

        settings = {name: as_images(values) for name, values in self.settings.items()}
        weights, direction, held = map(as_images, (self.weights, self.direction, self.held))
        return Terms(weights, direction, held, None if base is None else as_images(base), settings)

    def _trajectories(self, step: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        pairs = zip(self.recipes, self.candidates, strict=True)
        made = [self.references.of(recipe, candidate) for recipe, candidate in pairs]
        return [(trajectory.latents[step], trajectory.scores[step]) for trajectory in made]

    def _base_scores(self, step: int) -> torch.Tensor:
        """(R, B, T) by reader."""
        return torch.stack([scores for _, scores in self._trajectories(step)], dim=1)

    def _base_images(self, step: int) -> torch.Tensor:
        with torch.no_grad():
            latents = torch.stack([latent for latent, _ in self._trajectories(step)])
            return viewed(self.generator.decode(latents), self.recipes[0].view)

    def _penalty(self, images: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
        features = features_of(self.readers[0])
        parts = [mu * penalise(images, base, features) for penalise, mu in self.penalties]
        return torch.stack(parts).sum(dim=0)


def objective_weights(recipes: Sequence[Recipe], names: Sequence[str]) -> torch.Tensor:
    """Return the signed objective (B, T) of every recipe."""
    rows = [[recipe.direction * recipe.objective.get(name, 0.0) for name in names] for recipe in recipes]
    return torch.tensor(rows, dtype=torch.float32)


def combined(heights: Sequence[Height], *, worst: bool) -> Height:
    """Return the mean of several readers' values, or the least; the share is that of the reader that asks for
    most."""
    values = torch.stack([height.value for height in heights])
    share = torch.stack([height.share for height in heights]).amax(dim=0)
    return Height(values.amin(dim=0) if worst else values.mean(dim=0), share)
