"""The simulated world's scenes: drawn at random, rendered as pictures, and summed up in latents.

A scene is a value for each attribute plus a layout seed; its picture is a deterministic function of both.
The latents are the truth that simulated brains and raters respond to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from almond.errors import InputError
from almond.world.attributes import ALL_ATTRIBUTES, ATTRIBUTES, NUISANCE, PERSON_ATTRIBUTES, Scene
from almond.world.drawing import draw_whole_scene

__all__ = [
    "ALL_ATTRIBUTES",
    "ATTRIBUTES",
    "LATENTS",
    "NUISANCE",
    "PERSON_ATTRIBUTES",
    "SIZE",
    "Scene",
    "draw_scene",
    "latents",
    "render",
    "render_many",
]

SIZE = 96
"""Width and height of a picture in pixels."""

LATENTS = (
    "threat",
    "nearness",
    "arms_raised",
    "crouching",
    "smile",
    "fear",
    "anger",
    "direct_gaze",
    "presence",
    "darkness",
    "flowers",
    "dog",
    "outdoors",
    "warmth",
    "texture",
    "contrast",
)
"""The scene in numbers, each in [0, 1]."""

FREQUENCIES: dict[str, tuple[float, ...]] = {
    "light": (0.42, 0.30, 0.28),
    "presence": (0.24, 0.50, 0.26),
    "object": (0.30, 0.14, 0.14, 0.14, 0.14, 0.14),
}
"""How often each value is drawn, where values are not equally frequent."""

THREATS = ("snake", "fire", "knife")


def draw_scene(
    rng: np.random.Generator, fixed: Mapping[str, str] | None = None, layout_seed: int | None = None
) -> Scene:
    """Draw a random scene with the ``fixed`` attributes and all others drawn independently.

    The same numbers are drawn whatever is fixed, so that one generator state gives comparable scenes.
    Raises ``InputError`` for an unknown attribute or value.
    """
    fixed = dict(fixed or {})
    unknown = sorted(set(fixed) - set(ALL_ATTRIBUTES))
    if unknown:
        raise InputError("scene", f"unknown attributes: {', '.join(unknown)}", ", ".join(ALL_ATTRIBUTES))
    attributes: dict[str, str] = {}
    for name, values in ALL_ATTRIBUTES.items():
        drawn = values[int(rng.choice(len(values), p=FREQUENCIES.get(name)))]
        attributes[name] = fixed.get(name, drawn)
    drawn_seed = int(rng.integers(0, 2**31 - 1))
    return Scene(**attributes, layout_seed=drawn_seed if layout_seed is None else layout_seed)


def render(scene: Scene, size: int = SIZE) -> NDArray[np.uint8]:
    """Render the scene's picture, (size, size, 3) RGB; the same scene always gives the same bytes."""
    return draw_whole_scene(scene, size)


def render_many(scenes: Iterable[Scene], size: int = SIZE) -> NDArray[np.uint8]:
    """Pictures of many scenes, (n, size, size, 3)."""
    pictures = [render(scene, size) for scene in scenes]
    return np.stack(pictures) if pictures else np.zeros((0, size, size, 3), np.uint8)


def latents(scene: Scene) -> NDArray[np.float64]:
    """The scene's truth, (16,) in [0, 1], in the order of ``LATENTS``.

    Latents of persons (posture, expression, gaze, nearness) are 0 when nobody is there.
    """
    values: dict[str, Any] = {
        "threat": scene.object in THREATS,
        "flowers": scene.object == "flowers",
        "dog": scene.object == "dog",
        "outdoors": scene.place in ("street", "park"),
        "darkness": {"bright": 0.0, "dim": 0.5, "night": 1.0}[scene.light],
        "warmth": {"cold": 0.0, "neutral": 0.5, "warm": 1.0}[scene.tint],
        "texture": {"plain": 0.0, "striped": 0.6, "speckled": 1.0}[scene.texture],
        "contrast": {"low": 0.0, "normal": 0.5, "high": 1.0}[scene.contrast],
        "presence": {"nobody": 0.0, "one": 0.6, "group": 1.0}[scene.presence],
    }
    if scene.presence != "nobody":
        values |= {
            "nearness": 1.0 if scene.distance == "near" else 0.4,
            "arms_raised": scene.posture == "arms-raised",
            "crouching": scene.posture == "crouching",
            "smile": scene.expression == "smile",
            "fear": scene.expression == "fear",
            "anger": scene.expression == "anger",
            "direct_gaze": scene.gaze == "direct",
        }
    return np.array([float(values.get(name, 0.0)) for name in LATENTS])
