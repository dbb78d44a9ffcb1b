"""What a configuration names, loaded: the generator, the feature space, guides and judges."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from almond.encoding.artifacts.catalogue import Stored, scan
from almond.encoding.features.open import open_space
from almond.encoding.features.space import FeatureSpace
from almond.errors import InputError
from almond.files.folders import visible
from almond.generating.configuration import (
    GenerationConfig,
    ReferenceImages,
    TargetSource,
    planned_images,
)
from almond.generating.expand import NO_PICTURES, Planned
from almond.generating.likeness import LikenessReader
from almond.generating.photograph import pictures_of_scenes
from almond.guidance.backends.base import Generator
from almond.guidance.backends.device import read_device
from almond.guidance.backends.diffusion import DiffusionGenerator
from almond.guidance.backends.load import load_generator
from almond.guidance.conditioning import (
    AdapterPicture,
    AddedNetworks,
    ControlPicture,
    RecipePictures,
)
from almond.guidance.photographs.pictured import read_photograph
from almond.guidance.recipe import Recipe
from almond.pictures.files import LazyImages, image_files
from almond.rng import generator as random_generator
from almond.targets.scorer import Scorer
from almond.targets.target import Target, load_target, region_target
from almond.typing import FeatureArray, ImageArray
from almond.world.scenes import draw_scene, render


@dataclass(frozen=True)
class Sources:
    """Everything that images of a configuration are made with. ``scorer`` scores by guides and judges."""

    generator: Generator
    space: FeatureSpace
    guides: tuple[Target, ...]
    judges: tuple[Target, ...]
    pictures: RecipePictures = NO_PICTURES

    @property
    def scorer(self) -> Scorer:
        return Scorer(self.space, [*self.guides, *self.judges])

    @property
    def guide_digests(self) -> dict[str, str]:
        return {target.name: target.digest for target in self.guides}

    @cached_property
    def likeness_reader(self) -> LikenessReader | None:
        """Return what compares images with photographs; None for a generator that takes none."""
        if not isinstance(self.generator, DiffusionGenerator):
            return None
        return LikenessReader(self.generator, self.space)

    def likeness(self, recipe: Recipe, image: ImageArray) -> dict[str, float]:
        """Compare an image with the photograph that it was made of; empty where there is none."""
        return {} if self.likeness_reader is None else self.likeness_reader.read(recipe, image)

    def planned(self, config: GenerationConfig) -> list[Planned]:
        """List every image of the configuration, pinned to what was loaded."""
        return planned_images(
            config,
            generator_digest=self.generator.digest,
            targets=self.guide_digests,
            pictures=self.pictures,
        )


def load_sources(config: GenerationConfig) -> Sources:
    """Load generator, feature space and targets.

    :raises InputError: one of them is missing, or a target belongs to another feature space.
    """
    space = open_space(config.features, device=str(read_device()))
    targets = _TargetLoader(config, space)
    generator = load_generator(config.generator, added_networks(config))
    sources = Sources(
        generator,
        space,
        targets.load(config.targets),
        targets.load(config.judges),
        recipe_pictures(config, generator),
    )
    Scorer(space, [*sources.guides, *sources.judges])  # checks the feature space of each
    return sources


def added_networks(config: GenerationConfig) -> AddedNetworks:
    """Name the networks that a configuration adds to its generator."""
    adapter = config.adapter
    return AddedNetworks(
        control=None if config.control is None else config.control.model,
        adapter=None if adapter is None else adapter.weights,
        encoder=None if adapter is None else adapter.encoder,
        adapter_scale=1.0 if adapter is None else adapter.scale,
    )


def recipe_pictures(config: GenerationConfig, generator: Generator) -> RecipePictures:
    """Give the configuration's pictures to the generator, and return them by their digests.

    :raises InputError: a photograph or a mask that cannot be read or used, or a family without an encoder.
    """
    if not isinstance(generator, DiffusionGenerator):
        return pictures_of_scenes(config)
    add, start, control, adapter = generator.pictures.add, config.start, config.control, config.adapter
    pictures = RecipePictures(
        start=None
        if start is None or start.photograph is None
        else start.picture(add(start.photograph), None if start.mask is None else add(start.mask)),
        control=None
        if control is None
        else ControlPicture(
            image_sha256=add(control.picture),
            weights_sha256=str(generator.control_sha256),
            scale=control.scale,
        ),
        adapter=None
        if adapter is None or generator.adapter is None
        else AdapterPicture(
            image_sha256=add(adapter.picture),
            weights_sha256=generator.adapter.weights_sha256,
            encoder_sha256=generator.adapter.encoder_sha256,
            scale=generator.adapter.scale,
            reference_sha256=None
            if adapter.reference is None
            else generator.pictures.add_folder(adapter.reference),
        ),
    )
    if pictures.start is not None:
        read_photograph(generator, pictures.start)  # a wrong mask or family is told before anything is made
    return pictures


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
