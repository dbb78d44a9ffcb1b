"""A drawing surface in unit coordinates: x to the right, y down, both 0..1 over the picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]

SUPERSAMPLING = 3


def shade(colour: Colour, factor: float) -> Colour:
    """The colour times a factor, clipped: below 1 darker, above 1 lighter."""
    red, green, blue = (min(255, max(0, round(value * factor))) for value in colour)
    return red, green, blue


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """``share`` of the second colour in the first."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


class Canvas:
    """Draws anti-aliased by averaging 3 x 3 samples.

    The fourth channel of every sample says how much of its colour it emits itself (0..255): lamps, lit
    windows and flames keep it when the light goes.
    """

    def __init__(self, size: int, image: Image.Image | None = None) -> None:
        self.size = size
        self.width = size * SUPERSAMPLING
        self.image = image or Image.new("RGBX", (self.width, self.width))
        self.pen = ImageDraw.Draw(self.image)

    def copy(self) -> Canvas:
        """Copy what was drawn, to draw on over it."""
        return Canvas(self.size, self.image.copy())

    def rectangle(
        self, left: float, top: float, right: float, bottom: float, colour: Colour, *, lit: int = 0
    ) -> None:
        w = self.width
        box = [left * w, top * w, max(left, right) * w, max(top, bottom) * w]
        self.pen.rectangle(box, fill=(*colour, lit))

    def ellipse(self, centre: Point, rx: float, ry: float, colour: Colour, lit: int = 0) -> None:
        self.pen.ellipse(self.box(centre, rx, ry), fill=(*colour, lit))

    def polygon(self, points: Sequence[Point], colour: Colour, lit: int = 0) -> None:
        self.pen.polygon([(x * self.width, y * self.width) for x, y in points], fill=(*colour, lit))

    def line(self, points: Sequence[Point], width: float, colour: Colour, lit: int = 0) -> None:
        """A polyline with flat ends; ``width`` in picture widths, never thinner than one sample."""
        pixels = max(1, round(width * self.width))
        scaled = [(x * self.width, y * self.width) for x, y in points]
        self.pen.line(scaled, fill=(*colour, lit), width=pixels, joint="curve" if len(points) > 2 else None)

    def limb(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """A polyline with round ends."""
        self.line(points, width, colour)
        for point in (points[0], points[-1]):
            self.ellipse(point, width / 2, width / 2, colour)

    def slice(self, centre: Point, rx: float, ry: float, *, start: float, end: float, colour: Colour) -> None:
        """Part of an ellipse cut off by a chord; degrees clockwise from the right."""
        self.pen.chord(self.box(centre, rx, ry), start, end, fill=(*colour, 0))

    def gradient(self, top: float, bottom: float, first: Colour, second: Colour, lit: int = 0) -> None:
        """Over the whole width, from one colour at the top to another at the bottom."""
        self.gradient_box(0.0, top, 1.0, bottom, first=first, second=second, lit=lit)

    def gradient_box(
        self, left: float, top: float, right: float, bottom: float, *, first: Colour, second: Colour, lit: int
    ) -> None:
        """Horizontal bands, one for each pixel row of the picture, from one colour to another."""
        rows = max(1, round((bottom - top) * self.size))
        for row in range(rows):
            start = top + (bottom - top) * row / rows
            colour = mix(first, second, row / rows)
            self.rectangle(left, start, right, start + (bottom - top) / rows, colour, lit=lit)

    def averaged(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Colours (size, size, 3) and emission (size, size, 1), both in [0, 1]."""
        small = np.asarray(self.image.reduce(SUPERSAMPLING), np.float32) / np.float32(255.0)
        return small[..., :3], small[..., 3:]

    def box(self, centre: Point, rx: float, ry: float) -> list[float]:
        x, y = centre
        w = self.width
        return [(x - rx) * w, (y - ry) * w, (x + rx) * w, (y + ry) * w]
