"""Starting from a picture instead of noise: partial noising or inversion. Light: no torch.

The clean latent of a picture is noised to a noise level and denoised from there on (SDEdit, Meng et al.
2022), or brought to that level by the sampler's own steps backwards (DDIM inversion, Song et al. 2021). The
embedded generators start from a scene of their own world. From photographs they cannot: a bank of photographs
gives back the photograph itself, or a collage of others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Protocol, runtime_checkable

from pydantic import Field

from almond.digest import digest_json
from almond.errors import InputError
from almond.guidance.generators import GENERATORS
from almond.shapes import Digest, Number, Shape, Whole
from almond.world.attributes import Scene

if TYPE_CHECKING:
    import torch

    from almond.guidance.backends.base import Condition, Generator
    from almond.guidance.schedulers import Step

NOISE, INVERSION = "noise", "inversion"

NEEDS_LEARNED_MODEL = (
    "draws scenes of the simulated world alone: this needs a learned model, the folder of a diffusers "
    "pipeline"
)


class NoiseShare(Shape):
    """How far a picture goes back towards noise: to ``alpha_bar`` in (0, 1), near 1 it stays as it is; or so
    that a share ``strength`` of the steps is taken, as image-to-image pipelines count it."""

    alpha_bar: Annotated[Number, Field(gt=0, lt=1)] | None = None
    """share of the signal at which denoising starts; near 1 the picture stays as it is"""
    strength: Annotated[Number, Field(gt=0, le=1)] | None = None
    """instead of `alpha_bar`: share of the steps that are taken, rounded down to whole steps"""
    method: Literal["noise", "inversion"] = "noise"
    """`noise` adds noise of the seed; `inversion` goes the sampler's steps backwards, which uses none"""
    iterations: Annotated[Whole, Field(ge=1, le=50)] = 5
    """of every inverted step; 1 is the usual inversion, more come closer to the picture"""

    def contradictions(self) -> Iterable[tuple[str, str]]:
        """Refuse two noise levels or none."""
        if (self.alpha_bar is None) == (self.strength is None):
            yield "", "give either `alpha_bar` or `strength`"


class StartPicture(NoiseShare):
    """What an image starts from, and how far that goes back towards noise.

    Either a ``scene`` of the simulated world, by all of its attributes and ``layout_seed``, or a photograph
    by the digest of its bytes, with a mask by the digest of its own: white may change, black stays.
    """

    scene: dict[str, str | Whole] | None = None
    image_sha256: Digest | None = None
    mask_sha256: Digest | None = None

    def contradictions(self) -> Iterable[tuple[str, str]]:
        """Refuse two pictures or none, a scene that cannot be drawn, and what scenes do not take."""
        yield from super().contradictions()
        if (self.scene is None) == (self.image_sha256 is None):
            yield "", "give either a scene or the digest of an image"
        if self.scene is not None:
            if self.method != NOISE or self.mask_sha256 is not None:
                yield "", "a scene is noised, without a mask; inversion and masks are for photographs"
            yield from scene_problems(self.scene)

    @property
    def unset(self) -> set[str]:
        """The fields that this start leaves as they are by default."""
        return {name for name, item in type(self).model_fields.items() if getattr(self, name) == item.default}

    @property
    def digest(self) -> str:
        return digest_json(self.model_dump(mode="json", exclude=self.unset))

    def drawn_scene(self) -> Scene:
        """Return the scene; an ``InputError`` where an attribute is missing, unknown or has no such value."""
        return scene_from(self.scene or {})


def scene_from(values: Mapping[str, str | int]) -> Scene:
    """Return the scene of attributes; an ``InputError`` where one is missing or unknown."""
    try:
        return Scene(**dict(values))  # type: ignore[arg-type]
    except TypeError as error:
        raise InputError(
            "scene", f"cannot be drawn ({error})", "every attribute and a layout_seed"
        ) from error


def scene_problems(values: Mapping[str, str | int]) -> Iterable[tuple[str, str]]:
    """Yield (field, problem) where a scene cannot be drawn."""
    try:
        scene_from(values)
    except InputError as error:
        yield "scene", str(error)


@runtime_checkable
class StartsFromScenes(Protocol):
    """A generator that can start from a scene of the simulated world."""

    def encode_start(
        self, start: StartPicture, prompt: str, seeds: Sequence[int]
    ) -> tuple[Condition, torch.Tensor]:
        """Encode the condition of one batch, and the clean latent (C, h, w) of the start."""


def refusal_of_start(start: StartPicture, generator: str) -> str:
    """Say why a generator, by its name, cannot start from a picture; empty where it may."""
    if start.scene is None and generator in GENERATORS.names():
        return f"is a photograph, and {generator} {NEEDS_LEARNED_MODEL}"
    return ""


def scene_starter(generator: Generator, start: StartPicture) -> StartsFromScenes:
    """Return the generator as one that starts from scenes.

    :raises InputError: it starts from noise or photographs alone, or the start is a photograph.
    """
    if problem := refusal_of_start(start, generator.name):
        raise InputError("recipe.start", problem, "or a scene of the simulated world")
    if start.scene is None or not isinstance(generator, StartsFromScenes):
        problem = f"the generator {generator.name} starts from noise"
        raise InputError("recipe.start", problem, "no start; or analytic, and a scene of the simulated world")
    return generator


def steps_from(start: NoiseShare, steps: Sequence[Step], order: int = 1) -> list[Step]:
    """Return the steps from the noise level of the start on; at least one must be left.

    :param order: evaluations of a solver's step; only the first of them can be started with.
    """
    if start.strength is not None:
        whole = len(steps) // order + bool(len(steps) % order)
        taken = int(whole * start.strength + ROUNDING)
        if not taken:
            expected = f"at least {1 / whole:.3g}, which is one step of {whole}"
            raise InputError("recipe.start.strength", f"is {start.strength:g}", expected)
        return list(steps[(whole - taken) * order :])
    bound = start.alpha_bar or 0.0
    for step in steps[::order]:
        if step.level.alpha_bar >= bound:
            return list(steps[step.index :])
    highest = max(step.level.alpha_bar for step in steps)
    raise InputError("recipe.start.alpha_bar", f"is {bound:g}", f"at most {highest:.4f}")


ROUNDING = 1e-9
"""So that .3 of 10 steps are 3, whatever the product's last bit."""
