"""Everything in a picture that no attribute names: colours, positions, clothes, from one seed."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from almond.rng import generator
from almond.world.drawing.canvas import Colour

WALLS: tuple[Colour, ...] = (
    (214, 196, 168),
    (178, 196, 204),
    (208, 182, 180),
    (184, 202, 178),
    (206, 200, 214),
)
FLOORS: tuple[Colour, ...] = ((146, 104, 70), (118, 112, 108), (166, 132, 92), (128, 92, 78))
FACADES: tuple[Colour, ...] = ((172, 104, 84), (190, 172, 144), (146, 152, 160), (196, 178, 186))
GRASS: tuple[Colour, ...] = ((98, 158, 78), (122, 164, 80), (84, 142, 88))
CLOTHES: tuple[Colour, ...] = (
    (198, 58, 56),
    (56, 104, 184),
    (62, 148, 92),
    (226, 182, 62),
    (132, 82, 160),
    (226, 226, 222),
    (60, 66, 78),
    (222, 128, 66),
)
TROUSERS: tuple[Colour, ...] = ((52, 62, 92), (82, 70, 62), (44, 46, 50), (112, 106, 96))
SKINS: tuple[Colour, ...] = ((246, 214, 188), (230, 188, 150), (198, 146, 106), (158, 110, 78), (128, 86, 62))
HAIRS: tuple[Colour, ...] = ((44, 32, 28), (30, 28, 34), (92, 58, 34), (196, 154, 88), (158, 78, 42))
DARK_HAIRS = HAIRS[:2]


@dataclass(frozen=True)
class Look:
    """One person's looks."""

    skin: Colour
    hair: Colour
    long_hair: bool
    shirt: Colour
    trousers: Colour
    height: float
    """Relative to the usual height, 0.94 to 1.04."""


@dataclass(frozen=True)
class House:
    left: float
    right: float
    height: float
    colour: Colour
    windows_lit: tuple[bool, ...]


@dataclass(frozen=True)
class Tree:
    x: float
    height: float
    green: Colour


@dataclass(frozen=True)
class Layout:
    """Positions are unit coordinates of the picture."""

    horizon: float
    wall: Colour
    floor: Colour
    facade: Colour
    grass: Colour
    accent: Colour
    window_x: float
    picture_x: float
    furniture: str
    """What stands in a room: ``shelf``, ``sofa`` or ``plant``."""
    door_x: float
    light_behind: bool
    """Is there light behind the doorway?"""
    houses: tuple[House, ...]
    trees: tuple[Tree, ...]
    lamp_x: float
    sun_x: float
    person_x: float
    object_x: float
    looks_to: int
    """Where an averted gaze goes: -1 left, +1 right."""
    people: tuple[Look, Look, Look]
    speckle_seed: int


def pick(rng: np.random.Generator, colours: tuple[Colour, ...], spread: int = 8) -> Colour:
    base = colours[int(rng.integers(len(colours)))]
    red, green, blue = (int(np.clip(value + rng.integers(-spread, spread + 1), 0, 255)) for value in base)
    return red, green, blue


def draw_look(rng: np.random.Generator) -> Look:
    skin = pick(rng, SKINS, 4)
    fair, dark = pick(rng, HAIRS, 6), pick(rng, DARK_HAIRS, 6)
    return Look(
        skin=skin,
        hair=fair if skin[0] > 180 else dark,
        long_hair=bool(rng.random() < 0.5),
        shirt=pick(rng, CLOTHES),
        trousers=pick(rng, TROUSERS),
        height=float(rng.uniform(0.94, 1.04)),
    )


def draw_houses(rng: np.random.Generator) -> tuple[House, ...]:
    """Three or four houses side by side over the whole width."""
    count = int(rng.integers(3, 5))
    edges = np.linspace(0.0, 1.0, count + 1)
    edges[1:-1] += rng.uniform(-0.04, 0.04, count - 1)
    return tuple(
        House(
            left=float(left),
            right=float(right),
            height=float(rng.uniform(0.28, 0.44)),
            colour=pick(rng, FACADES),
            windows_lit=tuple(bool(flag) for flag in rng.random(4) < 0.5),
        )
        for left, right in pairwise(edges)
    )


def draw_trees(rng: np.random.Generator) -> tuple[Tree, ...]:
    places = np.array([0.1, 0.34, 0.64, 0.9]) + rng.uniform(-0.07, 0.07, 4)
    kept = places[rng.permutation(4)[: int(rng.integers(2, 5))]]
    return tuple(
        Tree(
            float(x), float(rng.uniform(0.34, 0.5)), pick(rng, ((64, 124, 62), (88, 138, 60), (52, 108, 74)))
        )
        for x in sorted(kept)
    )


@functools.lru_cache(maxsize=4096)
def layout_of(seed: int) -> Layout:
    """The layout of a seed; the same numbers are drawn whatever the scene's attributes are."""
    rng = generator(seed, "layout")
    side = 1 if rng.random() < 0.5 else -1
    return Layout(
        horizon=float(rng.uniform(0.55, 0.63)),
        wall=pick(rng, WALLS),
        floor=pick(rng, FLOORS),
        facade=pick(rng, FACADES),
        grass=pick(rng, GRASS),
        accent=pick(rng, CLOTHES),
        window_x=0.5 - side * float(rng.uniform(0.14, 0.3)),
        picture_x=0.5 + side * float(rng.uniform(0.16, 0.32)),
        furniture=("shelf", "sofa", "plant")[int(rng.integers(3))],
        door_x=0.5 + float(rng.uniform(-0.1, 0.1)),
        light_behind=bool(rng.random() < 0.5),
        houses=draw_houses(rng),
        trees=draw_trees(rng),
        lamp_x=0.5 + side * float(rng.uniform(0.3, 0.42)),
        sun_x=0.5 - side * float(rng.uniform(0.2, 0.38)),
        person_x=0.5 - side * float(rng.uniform(0.08, 0.18)),
        object_x=0.5 + side * float(rng.uniform(0.27, 0.34)),
        looks_to=1 if rng.random() < 0.5 else -1,
        people=(draw_look(rng), draw_look(rng), draw_look(rng)),
        speckle_seed=int(rng.integers(8)),
    )
