"""Photographs in the YAML file of ``python -m almond generate``: start, mask, ControlNet, IP-Adapter. Light.

start: {photograph: kitchen.jpg, strength: 0.6, mask: table.png}
control: {model: controlnet-canny-sdxl, picture: edges.png, scale: 0.8}
adapter: {weights: ip-adapter_sdxl.safetensors, encoder: image_encoder, picture: kitchen.jpg}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Protocol

from pydantic import Field

from almond.described import DescribedShape
from almond.encoding.config.paths import ExistingFile, ExistingFolder
from almond.errors import InputError
from almond.generating.expand import Planned
from almond.guidance.conditioning import RecipePictures, Scale
from almond.guidance.generators import GENERATORS
from almond.guidance.recipe import Recipe
from almond.guidance.starting import (
    INVERSION,
    NEEDS_LEARNED_MODEL,
    NOISE,
    NoiseShare,
    StartPicture,
    scene_problems,
)
from almond.pictures.formats import IMAGE_SUFFIXES
from almond.shapes import Number, Whole, repeated

PictureFile = Annotated[Path, ExistingFile(IMAGE_SUFFIXES)]
Angle = Annotated[Number, Field(gt=0, le=90)]

TURNED = "embedding-direction"


class StartSource(NoiseShare, DescribedShape):
    """The picture that every image starts from."""

    photograph: PictureFile | None = None
    """of any size: the largest square around its middle is taken, at the model's size"""
    mask: PictureFile | None = None
    """of the photograph's size: white where the picture may change, black where it stays"""
    scene: dict[str, str | Whole] | None = None
    """instead: a scene of the simulated world, by all of its attributes and a `layout_seed`"""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        yield from super().contradictions()
        if (self.photograph is None) == (self.scene is None):
            yield "", "give either a `photograph` or a `scene`"
        if self.scene is not None:
            yield from scene_problems(self.scene)
            for name, usual in (("mask", None), ("method", NOISE)):
                if getattr(self, name) != usual:
                    yield name, "belongs to a photograph, and this is a scene"

    def picture(self, image_sha256: str | None, mask_sha256: str | None) -> StartPicture:
        """Return the start of recipes, with the digests of its files."""
        values = self.model_dump(exclude={"photograph", "mask"}, exclude_defaults=True)
        return StartPicture(**values, image_sha256=image_sha256, mask_sha256=mask_sha256)


class ControlSource(DescribedShape):
    """A ControlNet and the picture that it follows."""

    model: ExistingFolder
    """the folder of a `ControlNetModel` that was trained for the generator"""
    picture: PictureFile
    """edges, depth or poses, as the ControlNet was trained; cut as a photograph is"""
    scale: Scale = 1.0
    """weight of what it adds"""


class AdapterSource(DescribedShape):
    """An IP-Adapter and the picture that it follows."""

    weights: Annotated[Path, ExistingFile((".safetensors", ".bin"))]
    """the adapter's file, with `image_proj` and `ip_adapter`"""
    encoder: ExistingFolder
    """the folder of the image encoder that it was trained with (`CLIPVisionModelWithProjection`)"""
    picture: PictureFile
    """what the images should be like"""
    scale: Scale = 1.0
    """weight of the picture beside the prompt"""
    reference: ExistingFolder | None = None
    """photographs from which the direction of each target among embeddings is learned; needed for `turn`"""
    turn: tuple[Angle, ...] = ()
    """degrees: also make unguided images, their embedding turned so far towards each target and direction"""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        if bool(self.turn) != (self.reference is not None):
            yield "", "`reference` and `turn` belong together"
        if again := repeated(self.turn):
            yield "turn", f"names {again[0]:g} more than once"


class WithPictures(Protocol):
    """What a configuration says of pictures."""

    @property
    def generator(self) -> str: ...
    @property
    def seeds(self) -> tuple[int, ...]: ...
    @property
    def start(self) -> StartSource | None: ...
    @property
    def control(self) -> ControlSource | None: ...
    @property
    def adapter(self) -> AdapterSource | None: ...


def wrong_pictures(config: WithPictures) -> Iterator[tuple[str, str]]:
    """Yield (field, problem) where pictures do not fit the generator or the seeds."""
    embedded = config.generator in GENERATORS.names()
    start = config.start
    if embedded and start is not None and start.photograph is not None:
        yield "start", f"is a photograph, and {config.generator} {NEEDS_LEARNED_MODEL}"
    for name in ("control", "adapter"):
        if embedded and getattr(config, name) is not None:
            yield name, f"is given, and {config.generator} {NEEDS_LEARNED_MODEL}"
    if start is not None and start.scene is not None and not embedded:
        yield "start", "is a scene of the simulated world; a pipeline starts from a photograph"
    if start is not None and start.method == INVERSION and len(config.seeds) > 1:
        yield "seeds", "are several, and inversion uses no noise: all of them would give one picture"


def pictures_of_scenes(config: WithPictures) -> RecipePictures:
    """Return the start of a configuration that names no files.

    :raises InputError: it names some, whose digests are known once they are read.
    """
    photograph = config.start is not None and config.start.photograph is not None
    if photograph or config.control is not None or config.adapter is not None:
        raise InputError("pictures", "were not read", "almond.generating.sources.load_sources")
    return RecipePictures(start=None if config.start is None else config.start.picture(None, None))


class Turning(WithPictures, Protocol):
    """What a configuration says of turned embeddings."""

    @property
    def grid(self) -> Any: ...
    @property
    def directions(self) -> tuple[int, ...]: ...


def turned_recipes(
    prompt: str,
    seed: int,
    config: Turning,
    *,
    generator: str,
    generator_digest: str,
    pictures: RecipePictures,
    targets: Sequence[str],
    target_digests: Mapping[str, str],
) -> Iterator[Planned]:
    """Yield the images of a scene whose embedding is turned: by target, direction and angle."""
    angles = () if config.adapter is None else config.adapter.turn
    for target in targets:
        for direction in config.directions:
            for angle in angles:
                recipe = Recipe(
                    prompt=prompt,
                    seed=seed,
                    generator=generator,
                    generator_digest=generator_digest,
                    steps=config.grid.steps,
                    objective={target: 1.0},
                    objective_kind="alone",
                    target_digests=dict(target_digests),
                    direction=direction,
                    search=TURNED,
                    settings={"angle": angle},
                    **pictures.fields,
                )
                yield Planned(recipe, target, TURNED)


FROM_PROMPTS = ("start", "control", "adapter", "rank")
"""Sections of a configuration that work from prompts alone has no use for."""


def given_in_vain(config: Any, why: str) -> Iterator[tuple[str, str]]:
    """Yield the sections of ``FROM_PROMPTS`` that a configuration gives: none is left out silently."""
    for name in FROM_PROMPTS:
        if getattr(config, name) is not None:
            yield name, f"is given, and {why}"
