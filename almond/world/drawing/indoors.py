"""Rooms and doorways."""

from __future__ import annotations

from itertools import pairwise

from almond.world.drawing.canvas import Canvas, Colour, mix, shade
from almond.world.drawing.layout import Layout

SKY_SEEN: dict[str, Colour] = {"bright": (158, 208, 240), "dim": (228, 164, 120), "night": (22, 28, 62)}
FRAME: Colour = (240, 238, 232)
LAMP_LIGHT: Colour = (255, 222, 150)


def draw_room(canvas: Canvas, layout: Layout, light: str) -> None:
    draw_shell(canvas, layout)
    draw_window(canvas, layout.window_x, light, layout.accent)
    draw_furniture(canvas, layout)
    canvas.ellipse((0.5, 0.84), 0.36, 0.085, shade(layout.accent, 0.8))
    canvas.ellipse((0.5, 0.84), 0.31, 0.068, mix(layout.accent, (235, 225, 205), 0.45))


def draw_shell(canvas: Canvas, layout: Layout) -> None:
    """Wall, skirting and floor boards that run towards a vanishing point."""
    horizon = layout.horizon
    canvas.gradient(0.0, horizon, shade(layout.wall, 1.05), shade(layout.wall, 0.93))
    canvas.rectangle(0.0, horizon, 1.0, 1.0, layout.floor)
    for board in range(-6, 7):
        line = [(0.5 + board * 0.09, horizon), (0.5 + board * 0.26, 1.0)]
        canvas.line(line, 0.006, shade(layout.floor, 0.84))
    canvas.rectangle(0.0, horizon - 0.025, 1.0, horizon, mix(layout.wall, FRAME, 0.6))
    canvas.rectangle(0.0, horizon, 1.0, horizon + 0.008, shade(layout.floor, 0.6))


def draw_window(canvas: Canvas, x: float, light: str, curtain: Colour) -> None:
    left, right, top, bottom = x - 0.13, x + 0.13, 0.09, 0.40
    canvas.rectangle(left - 0.02, top - 0.02, right + 0.02, bottom + 0.02, FRAME)
    glow = {"bright": 160, "dim": 170, "night": 120}[light]
    canvas.rectangle(left, top, right, bottom, SKY_SEEN[light], lit=glow)
    if light == "night":
        canvas.ellipse((x + 0.06, 0.17), 0.028, 0.028, (236, 236, 220), 255)
    else:
        canvas.ellipse((x - 0.05, 0.18), 0.05, 0.02, mix(SKY_SEEN[light], (255, 255, 255), 0.6), glow)
    canvas.rectangle(x - 0.008, top, x + 0.008, bottom, FRAME)
    canvas.rectangle(left, 0.24, right, 0.252, FRAME)
    for edge, inner in ((left - 0.05, left + 0.025), (right + 0.05, right - 0.025)):
        points = [(edge, top - 0.03), (inner, top - 0.03), ((edge + inner) / 2, 0.28), (edge, bottom + 0.06)]
        canvas.polygon(points, shade(curtain, 0.85))


def draw_furniture(canvas: Canvas, layout: Layout) -> None:
    x, floor = layout.picture_x, layout.horizon
    if layout.furniture == "shelf":
        draw_shelf(canvas, x, floor)
    elif layout.furniture == "sofa":
        draw_picture(canvas, x, layout.accent)
        draw_sofa(canvas, x, floor, mix(layout.accent, (120, 110, 110), 0.45))
    else:
        draw_picture(canvas, x, layout.accent)
        draw_plant(canvas, x, floor)


def draw_picture(canvas: Canvas, x: float, accent: Colour) -> None:
    canvas.rectangle(x - 0.095, 0.12, x + 0.095, 0.32, (112, 84, 54))
    canvas.rectangle(x - 0.08, 0.135, x + 0.08, 0.305, (226, 218, 200))
    canvas.polygon([(x - 0.08, 0.305), (x - 0.02, 0.2), (x + 0.03, 0.305)], mix(accent, (90, 120, 110), 0.5))
    canvas.polygon([(x - 0.02, 0.305), (x + 0.04, 0.23), (x + 0.08, 0.305)], mix(accent, (60, 80, 100), 0.5))


def draw_shelf(canvas: Canvas, x: float, floor: float) -> None:
    wood = (126, 88, 58)
    canvas.rectangle(x - 0.13, 0.12, x + 0.13, floor + 0.03, shade(wood, 0.6))
    colours: tuple[Colour, ...] = (
        (178, 66, 58),
        (70, 112, 150),
        (208, 176, 92),
        (92, 134, 96),
        (196, 190, 180),
    )
    boards = (0.12, 0.27, 0.42, floor + 0.01)
    for row, (above, below) in enumerate(pairwise(boards)):
        for book in range(7):
            left = x - 0.115 + book * 0.032
            top = above + 0.035 + 0.012 * ((book * 5 + row * 3) % 4)
            canvas.rectangle(left, top, left + 0.025, below, colours[(book + 2 * row) % len(colours)])
    for board in boards:
        canvas.rectangle(x - 0.13, board, x + 0.13, board + 0.018, wood)


def draw_sofa(canvas: Canvas, x: float, floor: float, colour: Colour) -> None:
    canvas.rectangle(x - 0.2, floor - 0.15, x + 0.2, floor + 0.03, shade(colour, 0.85))
    canvas.rectangle(x - 0.2, floor - 0.04, x + 0.2, floor + 0.06, colour)
    for arm in (x - 0.2, x + 0.2):
        canvas.ellipse((arm, floor - 0.03), 0.04, 0.05, shade(colour, 0.75))
        canvas.rectangle(arm - 0.04, floor - 0.03, arm + 0.04, floor + 0.07, shade(colour, 0.75))


def draw_plant(canvas: Canvas, x: float, floor: float) -> None:
    for dx, dy in ((-0.09, -0.14), (-0.045, -0.2), (0.0, -0.23), (0.05, -0.19), (0.09, -0.13)):
        leaf = [(x - 0.012, floor - 0.04), (x + dx - 0.02, floor + dy), (x + dx * 1.1, floor + dy - 0.05)]
        canvas.polygon([*leaf, (x + dx + 0.03, floor + dy), (x + 0.012, floor - 0.04)], (70, 130, 74))
    pot = [
        (x - 0.06, floor - 0.05),
        (x + 0.06, floor - 0.05),
        (x + 0.045, floor + 0.06),
        (x - 0.045, floor + 0.06),
    ]
    canvas.polygon(pot, (176, 98, 66))


def draw_doorway(canvas: Canvas, layout: Layout, light: str) -> None:
    """The front of a house with its door open on light or darkness."""
    draw_bricks(canvas, layout.facade)
    ground = 0.80
    canvas.rectangle(0.0, ground, 1.0, 1.0, (150, 144, 136))
    canvas.rectangle(0.0, ground, 1.0, ground + 0.012, (104, 100, 96))
    draw_opening(canvas, layout, light, ground)
    draw_wall_lamp(canvas, layout.lamp_x, light)


def draw_bricks(canvas: Canvas, colour: Colour) -> None:
    canvas.rectangle(0.0, 0.0, 1.0, 0.82, colour)
    joint = shade(colour, 0.86)
    for row in range(11):
        y = row * 0.075
        canvas.rectangle(0.0, y, 1.0, y + 0.007, joint)
        for column in range(7):
            x = column * 0.16 + (0.08 if row % 2 else 0.0)
            canvas.rectangle(x, y, x + 0.007, y + 0.075, joint)


def draw_opening(canvas: Canvas, layout: Layout, light: str, ground: float) -> None:
    x, half, top = layout.door_x, 0.21, 0.10
    canvas.rectangle(x - half - 0.035, top - 0.035, x + half + 0.035, ground, FRAME)
    if layout.light_behind:
        canvas.gradient_box(
            x - half, top, x + half, ground, first=(255, 232, 168), second=(240, 190, 110), lit=235
        )
        canvas.polygon(
            [(x - half, ground), (x + half, ground), (x + half + 0.1, 0.99), (x - half - 0.1, 0.99)],
            (236, 206, 150),
            110,
        )
    else:
        canvas.gradient_box(x - half, top, x + half, ground, first=(22, 20, 26), second=(48, 42, 46), lit=0)
    hinge = x + half if layout.looks_to > 0 else x - half
    edge = hinge + layout.looks_to * 0.13
    leaf = [(hinge, top), (edge, top - 0.05), (edge, ground + 0.05), (hinge, ground)]
    canvas.polygon(leaf, shade(layout.accent, 0.75))
    canvas.ellipse((edge - layout.looks_to * 0.03, 0.48), 0.012, 0.012, (226, 200, 110))
    canvas.rectangle(x - half - 0.06, ground, x + half + 0.06, ground + 0.035, (196, 190, 180))


def draw_wall_lamp(canvas: Canvas, x: float, light: str) -> None:
    lit = 0 if light == "bright" else 255
    colour: Colour = (228, 222, 204) if light == "bright" else LAMP_LIGHT
    canvas.rectangle(x - 0.012, 0.20, x + 0.012, 0.25, (44, 44, 48))
    canvas.ellipse((x, 0.275), 0.032, 0.038, colour, lit)
    canvas.polygon([(x - 0.045, 0.25), (x + 0.045, 0.25), (x, 0.215)], (44, 44, 48))
