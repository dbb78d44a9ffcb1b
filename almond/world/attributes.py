"""What can vary in a scene, and the scene itself: names only, no pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from almond.errors import InputError

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "place": ("room", "doorway", "street", "park"),
    "light": ("bright", "dim", "night"),
    "presence": ("nobody", "one", "group"),
    "distance": ("near", "far"),
    "posture": ("standing", "arms-raised", "crouching"),
    "expression": ("smile", "neutral", "fear", "anger"),
    "gaze": ("direct", "averted"),
    "object": ("none", "snake", "fire", "knife", "dog", "flowers"),
}
"""Attributes that carry meaning, with their values."""

NUISANCE: dict[str, tuple[str, ...]] = {
    "tint": ("warm", "neutral", "cold"),
    "texture": ("plain", "striped", "speckled"),
    "contrast": ("low", "normal", "high"),
}
"""Attributes of the picture rather than of what it shows."""

ALL_ATTRIBUTES: dict[str, tuple[str, ...]] = {**ATTRIBUTES, **NUISANCE}

PERSON_ATTRIBUTES = ("distance", "posture", "expression", "gaze")
"""Attributes that nothing in the picture shows when nobody is there."""


@dataclass(frozen=True)
class Scene:
    """One scene: a value for every attribute, and the seed of everything else (colours, positions, clothes).

    Two scenes with one ``layout_seed`` are the same scene with only the differing attributes changed.
    Raises ``InputError`` for a value that its attribute does not have.
    """

    place: str
    light: str
    presence: str
    distance: str
    posture: str
    expression: str
    gaze: str
    object: str
    tint: str
    texture: str
    contrast: str
    layout_seed: int

    def __post_init__(self) -> None:
        for name, values in ALL_ATTRIBUTES.items():
            check_value(name, getattr(self, name), values)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Scene:
        """Read the scene written by :meth:`to_json`; raises ``InputError`` for missing or unknown fields."""
        names = {field.name for field in fields(cls)}
        if set(value) != names:
            wrong = ", ".join(sorted(names ^ set(value)))
            raise InputError("scene", f"missing or unknown fields: {wrong}", ", ".join(sorted(names)))
        return cls(**value)


def check_value(name: str, value: str, values: tuple[str, ...]) -> None:
    if value not in values:
        raise InputError(f"scene.{name}", f"{value!r} is none of its values", ", ".join(values))
