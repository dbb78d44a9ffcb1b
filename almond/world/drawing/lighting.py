"""Light over a drawn scene, and the nuisance of the picture as a whole."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from almond.rng import generator
from almond.world.attributes import Scene
from almond.world.drawing.layout import Layout

Picture = NDArray[np.float32]

LIGHT: dict[str, tuple[float, float, float]] = {
    "bright": (1.04, 1.03, 1.0),
    "dim": (0.78, 0.70, 0.68),
    "night": (0.50, 0.54, 0.70),
}
NIGHT_LIFT = (0.03, 0.035, 0.065)
"""What the eye still sees at night where nothing shines."""
TINT: dict[str, tuple[float, float, float]] = {
    "warm": (1.07, 1.0, 0.88),
    "neutral": (1.0, 1.0, 1.0),
    "cold": (0.89, 0.99, 1.08),
}
CONTRAST = {"low": 0.74, "normal": 1.0, "high": 1.18}
STRIPES = 0.045
SPECKLES = 0.045
PIVOT = 0.45
"""The grey that contrast leaves alone; fixed, so that a local change stays local."""


def apply_light(colours: Picture, emission: Picture, layout: Layout, scene: Scene) -> Picture:
    """Colours under the scene's light; what emits light keeps its own, and lights what is near it."""
    size = colours.shape[0]
    drawn, ambient = colours.reshape(size, -1), along_a_row(LIGHT[scene.light], size, np.float32)
    lit = drawn * (ambient + over_channels(emission) * (1.0 - ambient))
    if scene.light == "night":
        lit = lit + along_a_row(NIGHT_LIFT, size, np.float32)
    dark = {"bright": 0.25, "dim": 0.6, "night": 1.0}[scene.light]
    if scene.object == "fire":
        glow = halo(size, layout.object_x, 0.78, 0.2)
        lit = lit + dark * glow * drawn * along_a_row((0.8, 0.42, 0.14), size)
    if scene.light != "bright" and scene.place in ("street", "doorway"):
        height = 0.2 if scene.place == "street" else 0.275
        glow = halo(size, layout.lamp_x, height, 0.16)
        lit = lit + dark * glow * along_a_row((0.30, 0.22, 0.08), size)
    return np.asarray(lit, np.float32).reshape(colours.shape)


def apply_nuisance(picture: Picture, layout: Layout, scene: Scene) -> Picture:
    """Tint, contrast and texture over the whole picture, each mild."""
    size = picture.shape[0]
    tinted = picture.reshape(size, -1) * along_a_row(TINT[scene.tint], size, np.float32)
    seen = PIVOT + CONTRAST[scene.contrast] * (tinted - PIVOT)
    if scene.texture != "plain":
        striped = scene.texture == "striped"
        pattern = STRIPES * stripes(size) if striped else SPECKLES * speckles(size, layout.speckle_seed)
        seen = seen * (1.0 + pattern) + 0.35 * pattern
    return np.asarray(seen, np.float32).reshape(picture.shape)


def along_a_row(colour: tuple[float, float, float], size: int, dtype: type = np.float64) -> Picture:
    """Repeat a colour for every pixel of a row, (3 * size,).

    Pictures are lit as (size, 3 * size): numpy is slow at arrays whose last side is 3.
    """
    return np.tile(np.array(colour, dtype), size)


def over_channels(values: Picture) -> Picture:
    """Repeat the values of pixels (size, size, 1) for their three channels, (size, 3 * size)."""
    return np.repeat(values[..., 0], 3, axis=1)


@functools.lru_cache(maxsize=256)
def halo(size: int, x: float, y: float, width: float) -> Picture:
    """A Gaussian of light, (size, 3 * size), 1 at its centre; positions and width in picture widths."""
    places = (np.arange(size, dtype=np.float32) + 0.5) / size
    across = np.exp(-((places - x) ** 2) / (2.0 * width**2))
    down = np.exp(-((places - y) ** 2) / (2.0 * width**2))
    return over_channels(np.asarray((down[:, None] * across[None, :])[..., None], np.float32))


@functools.lru_cache(maxsize=8)
def stripes(size: int) -> Picture:
    """Diagonal waves, twelve to the picture's width, (size, 3 * size) in [-1, 1]."""
    places = (np.arange(size, dtype=np.float32) + 0.5) / size
    phase = 2.0 * np.pi * 12.0 * (places[:, None] + places[None, :])
    return over_channels(np.asarray(np.sin(phase)[..., None], np.float32))


@functools.lru_cache(maxsize=32)
def speckles(size: int, seed: int) -> Picture:
    """Smooth random spots, a thirty-third of the width apart, (size, 3 * size) with unit variance."""
    grid = generator(seed, "speckles").standard_normal((34, 34)).astype(np.float32)
    at = (np.arange(size, dtype=np.float32) + 0.5) / size * 33.0
    low = np.floor(at).astype(int)
    share = (at - low).astype(np.float32)
    rows = grid[low] * (1.0 - share)[:, None] + grid[low + 1] * share[:, None]
    both = rows[:, low] * (1.0 - share) + rows[:, low + 1] * share
    return over_channels(np.asarray((both / both.std())[..., None], np.float32))
