"""A recipe: everything that one generated image follows from. Light: the site reads recipes without torch."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from almond.digest import digest_json
from almond.errors import InputError
from almond.guidance.schedule import Schedule, Window

FORMAT = "almond-recipe/1"
RULES = ("through", "x0")
"""Guidance rules: the gradient through decoder and denoiser, or through the decoder only."""

MAX_STEPS = 1000


@dataclass(frozen=True)
class Recipe:
    """One image: the same recipe gives the same bytes on the same machine.

    ``objective`` maps target names to weights; the image is pushed along ``direction`` (+1 up, -1 down, 0 not
    at all) times the weighted sum of their standardised scores. ``strength`` is unit-free, ``window`` in
    alpha-bar.
    ``target_digests`` and ``generator_digest`` pin what it was made with.
    """

    prompt: str
    seed: int
    generator: str
    generator_digest: str
    objective: Mapping[str, float] = field(default_factory=dict)
    target_digests: Mapping[str, str] = field(default_factory=dict)
    direction: int = 0
    strength: float = 0.0
    window: tuple[float, float] = (0.0, 0.0)
    ramp: float = 0.0
    rule: str = "through"
    steps: int = 25

    def __post_init__(self) -> None:
        object.__setattr__(self, "objective", {str(k): float(v) for k, v in self.objective.items()})
        object.__setattr__(self, "target_digests", dict(self.target_digests))
        object.__setattr__(self, "window", (float(self.window[0]), float(self.window[1])))
        object.__setattr__(self, "strength", float(self.strength))
        self._check()

    def _check(self) -> None:
        if not self.prompt.strip():
            raise InputError("recipe.prompt", "is empty", "a description of the scene")
        if not isinstance(self.seed, int) or self.seed < 0:
            raise InputError("recipe.seed", f"is {self.seed!r}", "an integer of at least 0")
        if self.direction not in (-1, 0, 1):
            raise InputError("recipe.direction", f"is {self.direction}", "1, -1 or 0")
        if self.rule not in RULES:
            raise InputError("recipe.rule", f"is {self.rule!r}", f"one of {', '.join(RULES)}")
        if not 1 <= self.steps <= MAX_STEPS:
            raise InputError("recipe.steps", f"is {self.steps}", f"between 1 and {MAX_STEPS}")
        if not all(math.isfinite(weight) for weight in self.objective.values()):
            raise InputError("recipe.objective", "holds a weight that is not a number", "finite weights")
        if self.direction and not any(self.objective.values()):
            raise InputError("recipe.objective", "is empty", "a weight for at least one target")
        _ = self.schedule

    @property
    def schedule(self) -> Schedule:
        return Schedule(Window(*self.window), self.strength, self.ramp)

    @property
    def guided(self) -> bool:
        """False where the recipe leaves the image as the generator alone makes it."""
        return self.direction != 0 and self.strength > 0 and not self.schedule.window.closed

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values with the format's name."""
        values = dataclasses.asdict(self)
        return {"format": FORMAT, **values, "window": list(self.window)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Recipe:
        """Read :meth:`to_json`; a wrong format, an unknown, missing or ill-typed field is an
        ``InputError``."""
        given = dict(values)
        if (found := given.pop("format", None)) != FORMAT:
            raise InputError("recipe.format", f"is {found!r}", FORMAT)
        known = {item.name for item in dataclasses.fields(cls)}
        if unknown := sorted(set(given) - known):
            raise InputError("recipe", f"has unknown fields {', '.join(unknown)}", ", ".join(sorted(known)))
        try:
            return cls(**given)
        except (TypeError, ValueError, AttributeError, IndexError) as error:
            raise InputError("recipe", f"cannot be read ({error})", "the fields of a recipe") from error

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return digest_json(self.to_json())
