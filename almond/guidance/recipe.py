"""A recipe: everything that one generated image follows from. Light: the site reads recipes without torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field, Strict

from almond.digest import digest_json
from almond.errors import InputError
from almond.guidance.rules import DEFAULT_RULE, RULES
from almond.guidance.schedule import LARGEST_RAMP, Schedule, Window
from almond.guidance.starting import StartPicture
from almond.shapes import Number, OneOf, Shape, Text, Whole, read

FORMAT = "almond-recipe/1"
MAX_STEPS = 1000


class Recipe(Shape):
    """One image: the same recipe gives the same bytes on the same machine.

    ``objective`` maps target names to weights; the image is guided along ``direction`` (+1 up, -1 down, 0 not
    at all) times the weighted sum of their standardised scores. ``strength`` is unit-free, ``window`` in
    alpha-bar. ``start`` is a picture that is noised in part and denoised again, None noise.
    ``target_digests`` and ``generator_digest`` pin what it was made with.
    """

    prompt: Text
    seed: Annotated[int, Strict(), Field(ge=0)]
    generator: str
    generator_digest: str
    objective: dict[str, Number] = Field(default_factory=dict)
    target_digests: dict[str, str] = Field(default_factory=dict)
    direction: Annotated[Whole, Field(ge=-1, le=1)] = 0
    strength: Annotated[Number, Field(ge=0)] = 0.0
    window: tuple[Number, Number] = (0.0, 0.0)
    ramp: Annotated[Number, Field(ge=0, le=LARGEST_RAMP)] = 0.0
    rule: Annotated[str, OneOf(RULES)] = DEFAULT_RULE
    steps: Annotated[int, Strict(), Field(ge=1, le=MAX_STEPS)] = 25
    start: StartPicture | None = None

    def contradictions(self) -> Iterable[tuple[str, str]]:
        """Refuse a window that ends before it begins, and a direction without a target."""
        low, high = self.window
        if not 0.0 <= low <= high <= 1.0:
            yield "window", f"is [{low}, {high}], not 0 <= low <= high <= 1 in alpha-bar"
        if self.direction and not any(self.objective.values()):
            yield "objective", "is empty; give a weight for at least one target"

    @property
    def schedule(self) -> Schedule:
        return Schedule(Window(*self.window), self.strength, self.ramp)

    @property
    def guided(self) -> bool:
        """False where the recipe leaves the image as the generator alone makes it."""
        return self.direction != 0 and self.strength > 0 and not self.schedule.window.closed

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values with the format's name."""
        # What starts from noise keeps the digest that it had before there were other starts.
        unset = {"start"} if self.start is None else {"start": self.start.unset}
        return {"format": FORMAT, **self.model_dump(mode="json", exclude=unset)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Recipe:
        """Read :meth:`to_json`.

        :raises InputError: a wrong format; every unknown, missing or ill-typed field is named.
        """
        fields = dict(values)
        if (stored := fields.pop("format", None)) != FORMAT:
            raise InputError("recipe.format", f"is {stored!r}", FORMAT)
        return read(cls, fields, source="recipe")

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return digest_json(self.to_json())
