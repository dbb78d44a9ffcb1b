"""Persons: large heads, clothes, and a posture that can be read from afar."""

from __future__ import annotations

from dataclasses import dataclass

from almond.world.attributes import Scene
from almond.world.drawing.canvas import Canvas, Colour, Point, shade
from almond.world.drawing.faces import draw_face, draw_hair_behind
from almond.world.drawing.layout import Layout, Look

HEAD_RADIUS = 0.205
"""Of the height of a standing person."""


@dataclass(frozen=True)
class Figure:
    """Where a person stands: ``x`` and ``foot`` in the picture, ``height`` standing, in picture widths."""

    x: float
    foot: float
    height: float
    look: Look

    def at(self, dx: float, up: float) -> Point:
        """A point ``dx`` to the right of the middle and ``up`` above the foot, in heights."""
        return self.x + dx * self.height, self.foot - up * self.height


def draw_people(canvas: Canvas, layout: Layout, scene: Scene) -> None:
    for figure in figures(layout, scene):
        draw_person(canvas, figure, scene, layout.looks_to)


def figures(layout: Layout, scene: Scene) -> list[Figure]:
    """Nobody, one person, or three side by side with the first in front."""
    near = scene.distance == "near"
    first, left, right = layout.people
    if scene.presence == "one":
        foot, height = (0.985, 0.84) if near else (0.86, 0.52)
        return [Figure(layout.person_x, foot, height * first.height, first)]
    if scene.presence == "group":
        foot, height, apart = (0.985, 0.68, 0.3) if near else (0.85, 0.42, 0.2)
        middle = 0.5 if near else 0.5 + 0.5 * (layout.person_x - 0.5)
        return [
            Figure(middle - apart, foot - 0.03, height * left.height, left),
            Figure(middle + apart, foot - 0.03, height * right.height, right),
            Figure(middle, foot, height * first.height, first),
        ]
    return []


def draw_person(canvas: Canvas, figure: Figure, scene: Scene, looks_to: int) -> None:
    crouching = scene.posture == "crouching"
    lowered = 0.24 if crouching else 0.0
    head = figure.at(0.0, 0.79 - lowered)
    radius = HEAD_RADIUS * figure.height
    canvas.ellipse((figure.x, figure.foot), 0.2 * figure.height, 0.03 * figure.height, (70, 66, 66))
    draw_hair_behind(canvas, head, radius, figure.look)
    if crouching:
        draw_crouching_body(canvas, figure)
    else:
        draw_legs(canvas, figure)
        draw_torso(canvas, figure, lowered)
        if scene.posture == "arms-raised":
            draw_raised_arms(canvas, figure)
        else:
            draw_hanging_arms(canvas, figure)
    draw_face(canvas, head, radius, figure.look, scene, looks_to=looks_to)
    if scene.posture == "arms-raised":
        draw_hands(canvas, figure, 0.34, 0.97, 0.062)


def draw_legs(canvas: Canvas, figure: Figure) -> None:
    colour = figure.look.trousers
    for side in (-1, 1):
        canvas.limb(
            [figure.at(side * 0.07, 0.34), figure.at(side * 0.085, 0.06)], 0.115 * figure.height, colour
        )
        draw_shoe(canvas, figure, side * 0.1)


def draw_shoe(canvas: Canvas, figure: Figure, dx: float) -> None:
    canvas.ellipse(figure.at(dx, 0.03), 0.085 * figure.height, 0.038 * figure.height, (48, 40, 40))


def draw_torso(canvas: Canvas, figure: Figure, lowered: float) -> None:
    shirt = figure.look.shirt
    outline = [(-0.15, 0.60), (0.15, 0.60), (0.165, 0.31), (-0.165, 0.31)]
    points = [figure.at(dx, up - lowered) for dx, up in outline]
    canvas.polygon(points, shirt)
    canvas.ellipse(figure.at(0.0, 0.60 - lowered), 0.15 * figure.height, 0.03 * figure.height, shirt)
    belt_left, belt_right = figure.at(-0.165, 0.32 - lowered), figure.at(0.165, 0.29 - lowered)
    canvas.rectangle(*belt_left, *belt_right, shade(figure.look.trousers, 0.8))


def draw_hanging_arms(canvas: Canvas, figure: Figure) -> None:
    for side in (-1, 1):
        arm = [figure.at(side * 0.15, 0.565), figure.at(side * 0.215, 0.45), figure.at(side * 0.225, 0.34)]
        canvas.limb(arm, 0.085 * figure.height, sleeve(figure))
    draw_hands(canvas, figure, 0.225, 0.315, 0.05)


def draw_raised_arms(canvas: Canvas, figure: Figure) -> None:
    for side in (-1, 1):
        arm = [figure.at(side * 0.14, 0.56), figure.at(side * 0.29, 0.64), figure.at(side * 0.34, 0.93)]
        canvas.limb(arm, 0.095 * figure.height, sleeve(figure))


def draw_hands(canvas: Canvas, figure: Figure, dx: float, up: float, radius: float) -> None:
    for side in (-1, 1):
        canvas.ellipse(
            figure.at(side * dx, up), radius * figure.height, radius * figure.height, figure.look.skin
        )


def draw_crouching_body(canvas: Canvas, figure: Figure) -> None:
    """Folded legs with the knees out, a low torso, and the arms around the knees."""
    draw_torso(canvas, figure, 0.24)
    height, trousers = figure.height, figure.look.trousers
    for side in (-1, 1):
        thigh = [figure.at(side * 0.07, 0.08), figure.at(side * 0.23, 0.23), figure.at(side * 0.19, 0.05)]
        canvas.limb(thigh, 0.115 * height, trousers)
        canvas.ellipse(figure.at(side * 0.23, 0.22), 0.06 * height, 0.06 * height, trousers)
        draw_shoe(canvas, figure, side * 0.21)
        arm = [figure.at(side * 0.15, 0.33), figure.at(side * 0.25, 0.25), figure.at(side * 0.12, 0.17)]
        canvas.limb(arm, 0.08 * height, sleeve(figure))
    draw_hands(canvas, figure, 0.08, 0.16, 0.05)


def sleeve(figure: Figure) -> Colour:
    """A little darker than the shirt, so that an arm shows before the body."""
    return shade(figure.look.shirt, 0.85)
