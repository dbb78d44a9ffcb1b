"""The picture of a scene: places, people, objects and light, drawn at three times the size and averaged."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from almond.world.attributes import Scene
from almond.world.drawing.canvas import Canvas
from almond.world.drawing.indoors import draw_doorway, draw_room
from almond.world.drawing.layout import Layout, layout_of
from almond.world.drawing.lighting import apply_light, apply_nuisance
from almond.world.drawing.objects import draw_object
from almond.world.drawing.outdoors import draw_park, draw_street
from almond.world.drawing.people import draw_people

__all__ = ["draw"]

PLACES = {"room": draw_room, "doorway": draw_doorway, "street": draw_street, "park": draw_park}


def draw_whole_scene(scene: Scene, size: int) -> NDArray[np.uint8]:
    """Draw a scene, (size, size, 3) RGB; what no attribute names comes from the layout seed alone."""
    layout = layout_of(scene.layout_seed)
    canvas = empty_place(scene.place, scene.light, scene.layout_seed, size).copy()
    draw_people(canvas, layout, scene)
    draw_object(canvas, layout, scene.object)
    return finish(canvas, layout, scene)


@functools.lru_cache(maxsize=4)
def empty_place(place: str, light: str, layout_seed: int, size: int) -> Canvas:
    """Draw a place without anybody and anything in it; kept, for many pictures of a bank stand before it."""
    canvas = Canvas(size)
    PLACES[place](canvas, layout_of(layout_seed), light)
    return canvas


def finish(canvas: Canvas, layout: Layout, scene: Scene) -> NDArray[np.uint8]:
    colours, emission = canvas.averaged()
    lit = apply_light(colours, emission, layout, scene)
    seen = apply_nuisance(lit, layout, scene)
    return (np.clip(seen, 0.0, 1.0) * 255.0).round().astype(np.uint8)
