"""Where in a scene of the simulated world the thing lies that drives a region: the maps' referee."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from almond.errors import InputError
from almond.world.attributes import Scene
from almond.world.scenes import render

ABSENT = {
    "object": "none",
    "presence": "nobody",
    "posture": "standing",
    "expression": "neutral",
}
"""The value at which an attribute's thing is not there, or is plain."""

VISIBLE = 8
"""Grey levels by which a pixel must differ to belong to the thing."""


def place_of(scene: Scene, attribute: str) -> NDArray[np.bool_]:
    """Find the pixels (H, W) that an attribute's value puts into the picture.

    They are those in which the scene's picture differs from that of the same scene without the value.

    :raises InputError: an attribute without such a value, or a scene that has it already.
    """
    if attribute not in ABSENT:
        raise InputError("attribute", f"{attribute!r} has no place", f"one of {', '.join(ABSENT)}")
    if getattr(scene, attribute) == ABSENT[attribute]:
        raise InputError(f"scene.{attribute}", f"is {ABSENT[attribute]} already", "another value")
    without = Scene.from_json({**scene.to_json(), attribute: ABSENT[attribute]})
    difference = np.abs(render(scene).astype(int) - render(without).astype(int)).max(axis=2)
    return np.asarray(difference > VISIBLE, np.bool_)
