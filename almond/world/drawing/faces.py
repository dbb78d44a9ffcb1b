"""Heads and faces: expression by brows, eyes and mouth; gaze by the pupils and the turn of the features."""

from __future__ import annotations

from almond.world.attributes import Scene
from almond.world.drawing.canvas import Canvas, Colour, Point, mix, shade
from almond.world.drawing.layout import Look

WHITE: Colour = (250, 250, 248)
PUPIL: Colour = (24, 20, 24)
MOUTH: Colour = (116, 28, 34)


def draw_hair_behind(canvas: Canvas, head: Point, radius: float, look: Look) -> None:
    x, y = head
    if look.long_hair:
        canvas.ellipse((x, y + 0.2 * radius), 1.12 * radius, 1.22 * radius, look.hair)
    else:
        canvas.ellipse((x, y - 0.12 * radius), 1.06 * radius, 1.0 * radius, look.hair)


def draw_face(canvas: Canvas, head: Point, radius: float, look: Look, scene: Scene, *, looks_to: int) -> None:
    """A head of the given radius. Averted: pupils and features turn to ``looks_to`` (-1 left, +1 right)."""
    x, y = head
    canvas.ellipse(head, radius, radius, shade(look.skin, 0.78))
    canvas.ellipse(head, 0.95 * radius, 0.96 * radius, look.skin)
    draw_fringe(canvas, head, radius, look)
    turn = looks_to * radius if scene.gaze == "averted" else 0.0
    middle = (x + 0.2 * turn, y + 0.08 * radius)
    draw_eyes(canvas, middle, radius, scene.expression, turn)
    draw_brows(canvas, middle, radius, scene.expression)
    draw_nose(canvas, (middle[0] + 0.1 * turn, middle[1]), radius, look.skin)
    draw_mouth(canvas, middle, radius, scene.expression)


def draw_fringe(canvas: Canvas, head: Point, radius: float, look: Look) -> None:
    x, y = head
    canvas.slice(head, 1.02 * radius, 1.03 * radius, start=205, end=335, colour=look.hair)
    if look.long_hair:
        for side in (-1, 1):
            canvas.ellipse(
                (x + side * 0.93 * radius, y + 0.1 * radius), 0.16 * radius, 0.62 * radius, look.hair
            )


def draw_eyes(canvas: Canvas, middle: Point, radius: float, expression: str, turn: float) -> None:
    x, y = middle
    opening = {"fear": 0.29, "anger": 0.17, "smile": 0.21}.get(expression, 0.21)
    pupil = 0.1 if expression == "fear" else 0.125
    for side in (-1, 1):
        eye = (x + side * 0.36 * radius, y - 0.06 * radius)
        canvas.ellipse(eye, 0.25 * radius, (opening + 0.04) * radius, (90, 70, 66))
        canvas.ellipse(eye, 0.22 * radius, opening * radius, WHITE)
        canvas.ellipse((eye[0] + 0.13 * turn, eye[1]), pupil * radius, pupil * radius, PUPIL)


def draw_brows(canvas: Canvas, middle: Point, radius: float, expression: str) -> None:
    """Inner and outer ends above the eyes: down to the middle in anger, up to it in fear."""
    x, y = middle
    inner, outer = {"anger": (-0.22, -0.5), "fear": (-0.62, -0.42), "smile": (-0.43, -0.4)}.get(
        expression, (-0.38, -0.38)
    )
    width = 0.13 if expression == "anger" else 0.085
    for side in (-1, 1):
        ends = [(x + side * 0.12 * radius, y + inner * radius), (x + side * 0.6 * radius, y + outer * radius)]
        canvas.line(ends, width * radius, (44, 30, 28))


def draw_nose(canvas: Canvas, middle: Point, radius: float, skin: Colour) -> None:
    x, y = middle
    canvas.ellipse((x, y + 0.2 * radius), 0.07 * radius, 0.08 * radius, shade(skin, 0.78))


def draw_mouth(canvas: Canvas, middle: Point, radius: float, expression: str) -> None:
    x, y = middle[0], middle[1] + 0.48 * radius
    if expression == "smile":
        canvas.slice((x, y - 0.1 * radius), 0.44 * radius, 0.38 * radius, start=0, end=180, colour=MOUTH)
        canvas.rectangle(x - 0.34 * radius, y - 0.09 * radius, x + 0.34 * radius, y + 0.02 * radius, WHITE)
    elif expression == "fear":
        canvas.ellipse((x, y + 0.08 * radius), 0.22 * radius, 0.29 * radius, MOUTH)
        canvas.ellipse((x, y + 0.12 * radius), 0.15 * radius, 0.19 * radius, shade(MOUTH, 0.5))
    elif expression == "anger":
        canvas.slice((x, y + 0.26 * radius), 0.4 * radius, 0.34 * radius, start=180, end=360, colour=MOUTH)
        canvas.rectangle(x - 0.27 * radius, y + 0.12 * radius, x + 0.27 * radius, y + 0.2 * radius, WHITE)
    else:
        canvas.line(
            [(x - 0.28 * radius, y), (x + 0.28 * radius, y)], 0.1 * radius, mix(MOUTH, (90, 60, 60), 0.4)
        )
