"""The one object of a scene, in the foreground at the side where nobody stands."""

from __future__ import annotations

import math

from almond.world.drawing.canvas import Canvas, Colour, Point, shade
from almond.world.drawing.layout import Layout

FOOT = 0.955
"""Where objects stand, from the top of the picture."""


def draw_object(canvas: Canvas, layout: Layout, kind: str) -> None:
    x = layout.object_x
    facing = -1.0 if x > 0.5 else 1.0
    if kind == "snake":
        draw_snake(canvas, x, facing)
    elif kind == "fire":
        draw_fire(canvas, x)
    elif kind == "knife":
        draw_knife(canvas, x, facing)
    elif kind == "dog":
        draw_dog(canvas, x, facing)
    elif kind == "flowers":
        draw_flowers(canvas, x)


def draw_snake(canvas: Canvas, x: float, facing: float) -> None:
    """Coiled on the ground, the head raised towards the middle, the tongue out."""
    green, dark, belly = (92, 128, 40), (44, 62, 26), (206, 204, 120)
    for up, rx in ((0.035, 0.155), (0.085, 0.12), (0.13, 0.085)):
        canvas.ellipse((x, FOOT - up), rx + 0.008, 0.048, dark)
        canvas.ellipse((x, FOOT - up), rx, 0.04, green)
        for mark in (-0.6, 0.0, 0.6):
            canvas.ellipse((x + mark * rx, FOOT - up + 0.012), 0.02, 0.014, dark)
    neck = [
        (x - 0.02 * facing, FOOT - 0.14),
        (x - 0.075 * facing, FOOT - 0.21),
        (x - 0.02 * facing, FOOT - 0.28),
        (x + 0.03 * facing, FOOT - 0.335),
    ]
    canvas.limb(neck, 0.078, dark)
    canvas.limb(neck, 0.062, green)
    canvas.line([(px + 0.014 * facing, py) for px, py in neck], 0.014, belly)
    head = (x + 0.065 * facing, FOOT - 0.345)
    canvas.line([head, (x + 0.165 * facing, FOOT - 0.325)], 0.014, (214, 40, 46))
    canvas.ellipse(head, 0.068, 0.048, dark)
    canvas.ellipse(head, 0.06, 0.04, green)
    canvas.ellipse((head[0] + 0.018 * facing, head[1] - 0.012), 0.017, 0.017, (250, 226, 80))
    canvas.ellipse((head[0] + 0.022 * facing, head[1] - 0.012), 0.007, 0.014, (20, 16, 16))


def draw_fire(canvas: Canvas, x: float) -> None:
    """Crossed logs under three nested flames that emit their own light."""
    for side in (-1, 1):
        log = [(x - side * 0.13, FOOT), (x + side * 0.13, FOOT - 0.055)]
        canvas.limb(log, 0.042, (84, 56, 40))
    layers: tuple[tuple[float, Colour], ...] = (
        (1.0, (222, 62, 24)),
        (0.7, (248, 142, 32)),
        (0.4, (255, 232, 120)),
    )
    for size, colour in layers:
        canvas.polygon([flame_point(x, size, step) for step in range(len(FLAME))], colour, 255)


FLAME: tuple[Point, ...] = (
    (-0.12, 0.02),
    (-0.145, 0.12),
    (-0.10, 0.24),
    (-0.085, 0.16),
    (-0.03, 0.25),
    (-0.005, 0.40),
    (0.04, 0.28),
    (0.065, 0.19),
    (0.095, 0.29),
    (0.14, 0.14),
    (0.115, 0.02),
    (0.0, -0.01),
)


def flame_point(x: float, size: float, step: int) -> Point:
    dx, up = FLAME[step]
    return x + dx * size, FOOT - 0.025 - up * size


def draw_knife(canvas: Canvas, x: float, facing: float) -> None:
    """A kitchen knife, point up and leaning to the middle, its blade with a bright edge."""
    angle = math.radians(24.0) * facing

    def at(across: float, along: float) -> Point:
        dx = across * math.cos(angle) + along * math.sin(angle)
        up = along * math.cos(angle) - across * math.sin(angle)
        return x - 0.04 * facing + dx, FOOT - 0.005 - up

    canvas.polygon(
        [at(-0.062, 0.14), at(0.062, 0.14), at(0.062, 0.36), at(0.0, 0.50), at(-0.062, 0.40)], (64, 68, 76)
    )
    canvas.polygon(
        [at(-0.05, 0.15), at(0.05, 0.15), at(0.05, 0.36), at(0.0, 0.475), at(-0.05, 0.385)], (196, 204, 214)
    )
    canvas.polygon([at(0.02, 0.15), at(0.05, 0.15), at(0.05, 0.36), at(0.0, 0.475)], (246, 248, 252))
    canvas.polygon([at(-0.07, 0.12), at(0.07, 0.12), at(0.07, 0.15), at(-0.07, 0.15)], (60, 56, 58))
    canvas.limb([at(0.0, 0.035), at(0.0, 0.12)], 0.07, (120, 44, 32))
    for rivet in (0.04, 0.085):
        canvas.ellipse(at(0.0, rivet), 0.01, 0.01, (226, 206, 160))


def draw_dog(canvas: Canvas, x: float, facing: float) -> None:
    """Sideways, looking to the middle."""
    coat, dark, muzzle = (186, 128, 72), (112, 70, 40), (236, 208, 170)
    canvas.limb([(x - 0.11 * facing, FOOT - 0.16), (x - 0.17 * facing, FOOT - 0.25)], 0.036, coat)
    for leg in (-0.1, -0.05, 0.045, 0.09):
        canvas.limb(
            [(x + leg * facing, FOOT - 0.1), (x + leg * facing, FOOT - 0.012)], 0.04, shade(coat, 0.86)
        )
    canvas.ellipse((x - 0.005 * facing, FOOT - 0.145), 0.137, 0.075, coat)
    canvas.limb([(x + 0.08 * facing, FOOT - 0.16), (x + 0.1 * facing, FOOT - 0.24)], 0.09, coat)
    canvas.line(
        [(x + 0.065 * facing, FOOT - 0.185), (x + 0.145 * facing, FOOT - 0.185)], 0.022, (206, 52, 52)
    )
    head = (x + 0.11 * facing, FOOT - 0.27)
    canvas.ellipse(head, 0.082, 0.075, coat)
    canvas.ellipse((head[0] + 0.065 * facing, head[1] + 0.025), 0.055, 0.038, muzzle)
    canvas.ellipse((head[0] + 0.11 * facing, head[1] + 0.01), 0.02, 0.016, (30, 24, 24))
    canvas.ellipse((head[0] + 0.025 * facing, head[1] - 0.02), 0.014, 0.016, (24, 18, 18))
    canvas.ellipse((head[0] - 0.055 * facing, head[1] + 0.005), 0.032, 0.068, dark)


def draw_flowers(canvas: Canvas, x: float) -> None:
    """Five large blossoms in a pot."""
    petals: tuple[Colour, ...] = (
        (232, 74, 122),
        (250, 202, 60),
        (214, 96, 200),
        (244, 118, 74),
        (250, 240, 246),
    )
    blossoms = ((-0.105, 0.22), (-0.045, 0.31), (0.03, 0.235), (0.055, 0.335), (0.12, 0.245))
    for dx, up in blossoms:
        canvas.line([(x + dx * 0.3, FOOT - 0.11), (x + dx, FOOT - up)], 0.014, (62, 134, 62))
    for side in (-1, 1):
        canvas.ellipse((x + side * 0.06, FOOT - 0.15), 0.05, 0.022, (74, 148, 70))
    for colour, (dx, up) in zip(petals, blossoms, strict=True):
        draw_blossom(canvas, (x + dx, FOOT - up), colour)
    pot = [(x - 0.08, FOOT - 0.125), (x + 0.08, FOOT - 0.125), (x + 0.06, FOOT), (x - 0.06, FOOT)]
    canvas.polygon(pot, (72, 118, 168))
    canvas.rectangle(x - 0.09, FOOT - 0.135, x + 0.09, FOOT - 0.1, (96, 146, 198))


def draw_blossom(canvas: Canvas, centre: Point, colour: Colour) -> None:
    x, y = centre
    for petal in range(5):
        angle = 2.0 * math.pi * petal / 5 - math.pi / 2
        at = (x + 0.032 * math.cos(angle), y + 0.032 * math.sin(angle))
        canvas.ellipse(at, 0.027, 0.027, shade(colour, 0.94 if petal % 2 else 1.0))
    middle: Colour = (250, 214, 70) if colour != (250, 202, 60) else (146, 84, 40)
    canvas.ellipse(centre, 0.021, 0.021, middle)
