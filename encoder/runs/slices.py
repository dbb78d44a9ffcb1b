"""Slices of a brain as one picture: three planes, sides marked, a colour bar. Draws what it is given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from almond.typing import Floats

AXES = ("axial", "coronal", "sagittal")
NORMAL = {"axial": 2, "coronal": 1, "sagittal": 0}
"""Which of x, y, z is constant on the plane."""

SIDE = 480
"""Pixels of the longer side of a plane."""

MARGIN, GAP, BAR = 28, 36, 150
INK, SOFT, GROUND = (228, 232, 238), (150, 158, 170), (14, 17, 22)
WARM = ((96, 20, 8), (222, 84, 28), (250, 166, 60), (255, 240, 170))
COLD = ((10, 34, 92), (38, 110, 200), (96, 176, 245), (208, 236, 255))


@dataclass(frozen=True)
class Plane:
    """Grey values (h, w) in [0, 1], r (h, w) with NaN outside the region; ``place`` in mm along the normal.

    ``step`` in mm per pixel; ``extent`` (width, height) in mm.
    """

    axis: str
    grey: Floats
    r: Floats
    place: float
    step: float
    extent: tuple[float, float]


def plane_points(
    axis: str, centre: Floats, low: Floats, high: Floats
) -> tuple[Floats, float, tuple[float, float]]:
    """Points (3, h, w) in mm of a plane through ``centre`` across the box, the step, and the plane's extent.

    Left is on the left and front (sagittal: front) on the left; superior, or front on axial planes, is up.
    """
    normal = NORMAL[axis]
    across, up = [number for number in (0, 1, 2) if number != normal]
    width, height = float(high[across] - low[across]), float(high[up] - low[up])
    step = max(float(side) for side in high - low) / SIDE
    columns = low[across] + step * (np.arange(max(1, round(width / step))) + 0.5)
    rows = high[up] - step * (np.arange(max(1, round(height / step))) + 0.5)
    if axis == "sagittal":
        columns = columns[::-1]
    points = np.empty((3, len(rows), len(columns)))
    points[normal] = centre[normal]
    points[across] = columns[None, :]
    points[up] = rows[:, None]
    return points, step, (width, height)


def round_limit(values: Floats) -> float:
    """The end of the colour bar: the largest magnitude, rounded up to a twentieth."""
    top = float(np.abs(values[np.isfinite(values)]).max()) if np.isfinite(values).any() else 0.0
    return max(0.05, math.ceil(top * 20 - 1e-9) / 20)


def colours(r: Floats, limit: float) -> NDArray[np.uint8]:
    """r (h, w) to RGB: warm above 0, cold below, brighter with distance from 0; NaN stays black."""
    share = np.clip(np.nan_to_num(np.abs(r)) / limit, 0, 1)
    found = np.zeros((*r.shape, 3))
    for ramp, chosen in ((WARM, r >= 0), (COLD, r < 0)):
        stops = np.array(ramp, np.float64)
        at = np.linspace(0, 1, len(stops))
        shades = np.stack([np.interp(share, at, stops[:, channel]) for channel in range(3)], axis=-1)
        found[chosen] = shades[chosen]
    return np.asarray(np.rint(found), np.uint8)


def compose(planes: Sequence[Plane], limit: float) -> Image.Image:
    """All planes side by side with the sides marked, and the colour bar."""
    pictures = [picture_of(plane, limit) for plane in planes]
    height = max(picture.height for picture in pictures)
    width = 2 * MARGIN + sum(picture.width for picture in pictures) + GAP * len(pictures) + BAR
    whole = Image.new("RGB", (width, height + 2 * MARGIN + 64), GROUND)
    left = MARGIN
    for plane, picture in zip(planes, pictures, strict=True):
        top = MARGIN + 30 + (height - picture.height) // 2
        whole.paste(picture, (left, top))
        mark(whole, plane, left, top, picture)
        left += picture.width + GAP
    bar(whole, left, MARGIN + 30, height, limit, any(bool((plane.r < 0).any()) for plane in planes))
    return whole


def picture_of(plane: Plane, limit: float) -> Image.Image:
    grey = np.repeat(np.rint(plane.grey * 200)[..., None], 3, axis=-1).astype(np.uint8)
    known = np.isfinite(plane.r)
    grey[known] = colours(plane.r, limit)[known]
    return Image.fromarray(grey)


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def mark(whole: Image.Image, plane: Plane, left: int, top: int, picture: Image.Image) -> None:
    """Letters for the sides beside a plane, and where it lies below it."""
    pen = ImageDraw.Draw(whole)
    first, last = ("A", "P") if plane.axis == "sagittal" else ("L", "R")
    letter = font(26)
    pen.text((left + 4, MARGIN + 26), first, INK, letter, anchor="ls")
    pen.text((left + picture.width - 4, MARGIN + 26), last, INK, letter, anchor="rs")
    name = "xyz"[NORMAL[plane.axis]]
    text = f"{plane.axis}, {name} = {plane.place:.0f} mm"
    pen.text((left + picture.width / 2, whole.height - MARGIN + 4), text, SOFT, font(24), anchor="ms")


def bar(whole: Image.Image, left: int, top: int, height: int, limit: float, negative: bool) -> None:
    """From 0, or from -limit where anything is below 0, to limit."""
    low = -limit if negative else 0.0
    ramp = np.repeat(np.linspace(limit, low, height)[:, None], 30, axis=1)
    whole.paste(Image.fromarray(colours(ramp, limit)), (left, top))
    pen = ImageDraw.Draw(whole)
    for value in (limit, (limit + low) / 2, low):
        y = top + round((limit - value) / (limit - low) * (height - 1))
        pen.text((left + 42, y), f"{value:.3g}", INK, font(26), anchor="lm")
    pen.text((left, whole.height - MARGIN + 4), "held-out r", SOFT, font(24), anchor="ls")
