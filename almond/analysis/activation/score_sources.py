"""Whose weights predicted the responses of a study's images: those that guided them, or others.

An image that was guided along weights has a high score by these weights whether or not any brain would agree.
Scores are evidence only where they come from encoder subjects none of whom guided the image (see
``docs/adr/0005-judges-take-no-part-in-the-choice.md``). The export tells: a recipe names the targets that
guided an image, the manifest the target of every score, a target its encoder artifacts, these their subjects.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from almond.errors import InputError

Relation = Literal["guided", "shared", "unknown", "independent"]
"""What weights that score an image have to do with those that guided it: the same; made of some of the same
subjects; the export does not say; of other subjects only."""

WORST_FIRST: tuple[Relation, ...] = ("guided", "shared", "unknown", "independent")


@dataclass(frozen=True)
class Weights:
    """The weights of one target; ``subjects`` is None where the export lacks them or one of its encoders.

    ``features`` is the digest of the feature space, None where the target's file was left out.
    """

    digest: str
    features: str | None = None
    subjects: frozenset[str] | None = None


@dataclass(frozen=True)
class ScoreSources:
    """Weights of every score (by its name without ``score_``), and those that guided by recipe digest."""

    scores: Mapping[str, Weights] = field(default_factory=dict)
    guides: Mapping[str, tuple[Weights, ...]] = field(default_factory=dict)

    def relation(self, score: str, recipes: Iterable[str]) -> Relation:
        """Return the worst relation of a score's weights to those that guided any image of ``recipes``."""
        weights = self.scores.get(score)
        if weights is None:
            return "unknown"
        return worst(_relation(weights, self.guides.get(recipe, ())) for recipe in set(recipes))

    def same_features(self, score: str, recipes: Iterable[str]) -> bool | None:
        """Tell whether a score and the guides of ``recipes`` read the same features; None if unknown."""
        weights = self.scores.get(score)
        guides = [guide for recipe in set(recipes) for guide in self.guides.get(recipe, ())]
        spaces = {guide.features for guide in guides}
        if weights is None or weights.features is None or not spaces or None in spaces:
            return None
        return weights.features in spaces


def worst(relations: Iterable[Relation]) -> Relation:
    """Return the relation that speaks most against evidence; unknown where there is none."""
    present = set(relations)
    return next((relation for relation in WORST_FIRST if relation in present), "unknown")


def _relation(weights: Weights, guides: tuple[Weights, ...]) -> Relation:
    if not guides:
        return "unknown"
    if any(guide.digest == weights.digest for guide in guides):
        return "guided"
    if weights.subjects and any(guide.subjects and guide.subjects & weights.subjects for guide in guides):
        return "shared"
    known = bool(weights.subjects) and all(guide.subjects for guide in guides)
    return "independent" if known else "unknown"


def read_score_sources(folder: Path, manifest: Mapping[str, Any]) -> ScoreSources:
    """Read from an export whose weights guided its images and whose gave the scores.

    Files that the export left out leave their part unknown. A subject of the same name is taken to be the
    same person in every encoder.

    :raises InputError: a recipe, target or artifact that is there cannot be read.
    """
    files = set(manifest["files"])
    reader = _Reader(folder, files)
    named = dict(manifest.get("score_targets") or {})
    scores = {str(name): reader.weights(str(digest)) for name, digest in sorted(named.items())}
    recipes = sorted(name for name in files if name.startswith("recipes/") and name.endswith(".json"))
    guides = {Path(name).stem: reader.guides(name) for name in recipes}
    return ScoreSources(scores, {recipe: weights for recipe, weights in guides.items() if weights})


class _Reader:
    """Reads each target and artifact of an export once."""

    def __init__(self, folder: Path, files: set[str]) -> None:
        self.folder, self.files = folder, files
        self.targets: dict[str, Weights] = {}

    def guides(self, name: str) -> tuple[Weights, ...]:
        """Return the weights that a recipe names; none of an unguided image."""
        digests = self._json(name).get("target_digests") or {}
        if not isinstance(digests, Mapping):
            raise InputError(self.folder / name, "target_digests is no object", "target name -> digest")
        return tuple(self.weights(str(digest)) for digest in digests.values())

    def weights(self, digest: str) -> Weights:
        if digest not in self.targets:
            self.targets[digest] = self._weights(digest)
        return self.targets[digest]

    def _weights(self, digest: str) -> Weights:
        name = f"targets/{digest}.json"
        if name not in self.files:
            return Weights(digest)
        target = self._json(name)
        sources = [f"artifacts/{source}/artifact.json" for source in target.get("sources") or ()]
        features = target.get("feature_space_digest")
        if not sources or not self.files.issuperset(sources):
            return Weights(digest, features)
        people = [str(self._json(source).get("subject") or "") for source in sources]
        return Weights(digest, features, frozenset(people) if all(people) else None)

    def _json(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        try:
            value = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise InputError(path, f"cannot be read ({error})", "a JSON object") from error
        if not isinstance(value, dict):
            raise InputError(path, "is no JSON object", "a JSON object")
        return value
