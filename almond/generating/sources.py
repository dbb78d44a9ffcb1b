"""What a configuration names, loaded: the generator, the feature space, guides and judges."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from almond.encoding.artifacts.catalogue import Stored, scan
from almond.encoding.features.open import open_space
from almond.encoding.features.space import FeatureSpace
from almond.errors import InputError
from almond.files.folders import visible
from almond.generating.configuration import GenerationConfig, ReferenceImages, TargetSource
from almond.guidance.backends.base import Generator
from almond.guidance.backends.load import load_generator
from almond.pictures.files import LazyImages, image_files
from almond.rng import generator as random_generator
from almond.targets.scorer import Scorer
from almond.targets.target import Target, load_target, region_target
from almond.typing import FeatureArray
from almond.world.scenes import draw_scene, render


@dataclass(frozen=True)
class Sources:
    """Everything that images of a configuration are made with. ``scorer`` scores by guides and judges."""

    generator: Generator
    space: FeatureSpace
    guides: tuple[Target, ...]
    judges: tuple[Target, ...]

    @property
    def scorer(self) -> Scorer:
        return Scorer(self.space, [*self.guides, *self.judges])

    @property
    def guide_digests(self) -> dict[str, str]:
        return {target.name: target.digest for target in self.guides}


def load_sources(config: GenerationConfig) -> Sources:
    """Load generator, feature space and targets.

    :raises InputError: one of them is missing, or a target belongs to another feature space.
    """
    space = open_space(config.features)
    targets = _TargetLoader(config, space)
    sources = Sources(
        load_generator(config.generator), space, targets.load(config.targets), targets.load(config.judges)
    )
    Scorer(space, [*sources.guides, *sources.judges])  # checks the feature space of each
    return sources


class _TargetLoader:
    """The targets of a configuration; encoders and reference features are read once, when needed."""

    def __init__(self, config: GenerationConfig, space: FeatureSpace) -> None:
        self.config, self.space = config, space
        self.files: dict[str, list[Path]] | None = None
        self.encoders: list[Stored] | None = None
        self.reference: FeatureArray | None = None

    def load(self, sources: Iterable[TargetSource]) -> tuple[Target, ...]:
        return tuple(
            self._from_file(source.name) if source.region is None else self._from_encoders(source)
            for source in sources
        )

    def _from_file(self, name: str) -> Target:
        folder = self.config.target_folder
        if folder is None:
            raise InputError(f"target {name}", "has no source", "`target_folder`, or a region of `encoders`")
        if self.files is None:
            self.files = _target_files(folder)
        paths = self.files.get(name, [])
        if len(paths) != 1:
            known = ", ".join(sorted(self.files)) or "none"
            raise InputError(folder, f"holds {len(paths)} targets called {name}", f"one; there are {known}")
        return load_target(paths[0])

    def _from_encoders(self, source: TargetSource) -> Target:
        root, reference = self.config.encoders, self.config.reference
        if root is None or reference is None:
            raise InputError(f"target {source.name}", "is made of encoders", "`encoders` and `reference`")
        if self.encoders is None:
            self.encoders = scan(root)
        if self.reference is None:
            self.reference = reference_features_of(reference, self.space)
        picked = encoders_of(source, self.encoders, root)
        return region_target(source.name, [stored.load() for stored in picked], self.reference)


def reference_features_of(reference: ReferenceImages, space: FeatureSpace) -> FeatureArray:
    """Extract the features (n, D) of the reference images."""
    if reference.images is not None:
        return space.extract(LazyImages(image_files(reference.images)))
    rng = random_generator(reference.seed, "reference scenes")
    return space.extract([render(draw_scene(rng)) for _ in range(reference.scenes or 0)])


def _target_files(folder: Path) -> dict[str, list[Path]]:
    """Map names to the target files of a folder; their digests are checked when one is loaded."""
    files: dict[str, list[Path]] = {}
    for path in visible(folder.iterdir()):
        if path.suffix == ".json" and path.with_suffix(".npz").is_file():
            try:
                name = str(json.loads(path.read_bytes())["name"])
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(path, f"cannot be read as a target ({error})", "a target file") from error
            files.setdefault(name, []).append(path)
    return files


def encoders_of(source: TargetSource, encoders: Sequence[Stored], root: Path) -> list[Stored]:
    """Pick the newest encoder of the region for every subject."""
    of_region = [
        stored
        for stored in encoders
        if stored.region == source.region and source.model in (None, stored.model)
    ]
    models = sorted({stored.model for stored in of_region})
    if len(models) > 1:
        raise InputError(root, f"holds {', '.join(models)} encoders of {source.region}", "`model` of one")
    newest: dict[str, Stored] = {}
    for stored in of_region:
        newest.setdefault(stored.subject, stored)
    subjects = source.subjects or tuple(sorted(newest))
    missing = [subject for subject in subjects if subject not in newest]
    if missing or not subjects:
        who = f" for sub-{missing[0]}" if missing else ""
        known = ", ".join(sorted({stored.region for stored in encoders})) or "none"
        raise InputError(
            root, f"has no encoder of {source.region}{who}", f"regions that were fitted: {known}"
        )
    return [newest[subject] for subject in subjects]
