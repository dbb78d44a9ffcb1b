"""Starting from a picture instead of noise: partial noising (SDEdit, Meng et al. 2022). Light: no torch.

The clean latent of a picture is noised to the level ``alpha_bar`` and denoised from there on. The embedded
generators do so from a scene of their own world. From photographs they cannot: a bank of photographs gives
back the photograph itself, or a collage of others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Protocol, runtime_checkable

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


class StartPicture(Shape):
    """What an image starts from, noised to ``alpha_bar`` in (0, 1): near 1 it stays as it is.

    Either a ``scene`` of the simulated world, by all of its attributes and ``layout_seed``, or a photograph
    by the digest of its bytes.
    """

    alpha_bar: Annotated[Number, Field(gt=0, lt=1)]
    scene: dict[str, str | Whole] | None = None
    image_sha256: Digest | None = None

    def contradictions(self) -> Iterable[tuple[str, str]]:
        """Refuse two pictures or none, and a scene that cannot be drawn."""
        if (self.scene is None) == (self.image_sha256 is None):
            yield "", "give either a scene or the digest of an image"
        if self.scene is not None:
            try:
                self.drawn_scene()
            except InputError as error:
                yield "scene", str(error)

    @property
    def unset(self) -> set[str]:
        """The fields that this start does not use."""
        return {"image_sha256"} if self.image_sha256 is None else {"scene"}

    @property
    def digest(self) -> str:
        return digest_json(self.model_dump(mode="json", exclude=self.unset))

    def drawn_scene(self) -> Scene:
        """Return the scene; an ``InputError`` where an attribute is missing, unknown or has no such value."""
        values = dict(self.scene or {})
        try:
            return Scene(**values)  # type: ignore[arg-type]
        except TypeError as error:
            raise InputError(
                "scene", f"cannot be drawn ({error})", "every attribute and a layout_seed"
            ) from error


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
        return (
            f"is a photograph, and {generator} draws scenes of the simulated world alone: this needs a "
            "learned model, the folder of a diffusers pipeline"
        )
    return ""


def check_start(start: StartPicture | None, generator: Generator) -> None:
    """Refuse a start that the generator cannot work from."""
    if start is not None:
        start_of(generator, start)


def start_of(generator: Generator, start: StartPicture) -> StartsFromScenes:
    """Return the generator as one that starts from scenes.

    :raises InputError: it starts from noise alone, or the start is a photograph.
    """
    if problem := refusal_of_start(start, generator.name):
        raise InputError("recipe.start", problem, "or a scene of the simulated world")
    if start.scene is None or not isinstance(generator, StartsFromScenes):
        problem = f"the generator {generator.name} starts from noise"
        raise InputError("recipe.start", problem, "no start; or analytic, and a scene of the simulated world")
    return generator


def steps_from(start: StartPicture, steps: Sequence[Step]) -> list[Step]:
    """Return the steps from the noise level of the start on; at least one must be left."""
    left = [step for step in steps if step.level.alpha_bar >= start.alpha_bar]
    if not left:
        highest = max(step.level.alpha_bar for step in steps)
        raise InputError("recipe.start.alpha_bar", f"is {start.alpha_bar:g}", f"at most {highest:.4f}")
    return left
