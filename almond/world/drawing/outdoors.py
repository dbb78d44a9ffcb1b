"""Streets and parks."""

from __future__ import annotations

from almond.world.drawing.canvas import Canvas, Colour, mix, shade
from almond.world.drawing.layout import House, Layout, Tree

SKY: dict[str, tuple[Colour, Colour]] = {
    "bright": ((104, 170, 232), (206, 230, 246)),
    "dim": ((128, 120, 158), (244, 176, 126)),
    "night": ((14, 18, 48), (44, 52, 96)),
}
STARS = ((0.08, 0.07), (0.3, 0.13), (0.46, 0.05), (0.66, 0.11), (0.84, 0.05), (0.95, 0.2), (0.18, 0.22))
LIT_WINDOW: Colour = (255, 214, 120)


def draw_sky(canvas: Canvas, layout: Layout, light: str, bottom: float) -> None:
    top, low = SKY[light]
    canvas.gradient(0.0, bottom, top, low, 200)
    if light == "night":
        for star in STARS:
            canvas.ellipse(star, 0.006, 0.006, (230, 232, 240), 255)
        canvas.ellipse((layout.sun_x, 0.13), 0.06, 0.06, (236, 236, 216), 255)
        canvas.ellipse((layout.sun_x + 0.022, 0.115), 0.048, 0.048, mix(top, low, 0.15), 200)
    else:
        sun: Colour = (255, 240, 176) if light == "bright" else (255, 190, 110)
        height = 0.13 if light == "bright" else 0.27
        canvas.ellipse((layout.sun_x, height), 0.07, 0.07, sun, 255)
        cloud = mix(low, (255, 255, 255), 0.55)
        for dx, dy, rx in ((0.0, 0.0, 0.09), (0.06, -0.02, 0.06), (-0.06, -0.012, 0.055)):
            canvas.ellipse((1.0 - layout.sun_x + dx, 0.13 + dy), rx, 0.03, cloud, 200)


def draw_street(canvas: Canvas, layout: Layout, light: str) -> None:
    base = layout.horizon + 0.02
    draw_sky(canvas, layout, light, base)
    for house in layout.houses:
        draw_house(canvas, house, base, light)
    canvas.rectangle(0.0, base, 1.0, base + 0.07, (176, 170, 160))
    canvas.rectangle(0.0, base + 0.07, 1.0, base + 0.085, (120, 116, 112))
    canvas.rectangle(0.0, base + 0.085, 1.0, 1.0, (98, 98, 104))
    middle = (base + 0.085 + 1.0) / 2
    for dash in range(4):
        left = 0.03 + dash * 0.27
        canvas.polygon(
            [
                (left, middle),
                (left + 0.14, middle),
                (left + 0.15, middle + 0.028),
                (left + 0.01, middle + 0.028),
            ],
            (226, 220, 196),
        )
    draw_street_lamp(canvas, layout.lamp_x, base + 0.05, light)


def draw_house(canvas: Canvas, house: House, base: float, light: str) -> None:
    top = base - house.height
    canvas.rectangle(house.left, top, house.right, base, house.colour)
    roof = shade(mix(house.colour, (120, 60, 50), 0.5), 0.72)
    middle = (house.left + house.right) / 2
    canvas.polygon([(house.left - 0.01, top), (middle, top - 0.1), (house.right + 0.01, top)], roof)
    canvas.rectangle(house.right - 0.008, top, house.right, base, shade(house.colour, 0.75))
    width = house.right - house.left
    for index, lit in enumerate(house.windows_lit):
        x = house.left + width * (0.3 if index % 2 == 0 else 0.7)
        y = top + 0.06 + 0.13 * (index // 2)
        shines = lit and light != "bright"
        canvas.rectangle(x - 0.042, y - 0.042, x + 0.042, y + 0.05, (236, 232, 224))
        pane: Colour = LIT_WINDOW if shines else (96, 120, 142)
        canvas.rectangle(x - 0.033, y - 0.033, x + 0.033, y + 0.041, pane, lit=245 if shines else 0)
        canvas.rectangle(x - 0.004, y - 0.033, x + 0.004, y + 0.041, (236, 232, 224))


def draw_street_lamp(canvas: Canvas, x: float, foot: float, light: str) -> None:
    lit = 0 if light == "bright" else 255
    glass: Colour = (236, 232, 214) if light == "bright" else (255, 226, 150)
    canvas.rectangle(x - 0.01, 0.22, x + 0.01, foot, (54, 56, 62))
    canvas.rectangle(x - 0.022, foot - 0.03, x + 0.022, foot, (54, 56, 62))
    canvas.ellipse((x, 0.2), 0.042, 0.042, glass, lit)
    canvas.polygon([(x - 0.05, 0.175), (x + 0.05, 0.175), (x, 0.135)], (54, 56, 62))


def draw_park(canvas: Canvas, layout: Layout, light: str) -> None:
    base = layout.horizon
    draw_sky(canvas, layout, light, base)
    canvas.ellipse(
        (layout.sun_x, base + 0.06), 0.55, 0.16, shade(mix(layout.grass, (120, 150, 130), 0.4), 0.9)
    )
    canvas.ellipse((1.0 - layout.sun_x, base + 0.05), 0.5, 0.12, shade(layout.grass, 0.84))
    canvas.gradient(base, 1.0, shade(layout.grass, 0.9), shade(layout.grass, 1.08))
    path = (206, 184, 142)
    bend = 0.5 + 0.16 * layout.looks_to
    canvas.polygon(
        [(bend - 0.03, base), (bend + 0.03, base), (0.6, 0.78), (0.78, 1.0), (0.22, 1.0), (0.42, 0.78)], path
    )
    for tree in layout.trees:
        draw_tree(canvas, tree, base)


def draw_tree(canvas: Canvas, tree: Tree, base: float) -> None:
    x, height = tree.x, tree.height
    foot = base + 0.05
    canvas.rectangle(x - 0.022, foot - height * 0.45, x + 0.022, foot, (104, 76, 52))
    canvas.ellipse((x, foot), 0.07, 0.012, (84, 118, 66))
    crown = foot - height * 0.68
    dark, bright = shade(tree.green, 0.86), shade(tree.green, 1.18)
    for dx, dy, r in ((-0.3, 0.1, 0.26), (0.3, 0.1, 0.26), (0.0, 0.14, 0.28), (0.0, -0.14, 0.3)):
        canvas.ellipse((x + dx * height * 0.6, crown + dy * height), r * height, r * height * 0.92, dark)
    canvas.ellipse((x, crown), 0.34 * height, 0.3 * height, tree.green)
    canvas.ellipse((x - 0.1 * height, crown - 0.12 * height), 0.15 * height, 0.12 * height, bright)
