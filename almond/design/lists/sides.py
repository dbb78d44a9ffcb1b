"""On which side the image of a pair stands that was guided up."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence

import numpy as np

from almond.design.parts import PlannedPair

Position = tuple[int, int]
"""A list and the pair shown in it, by their numbers."""


def balance_sides(
    pairs: Sequence[PlannedPair], dealt: Sequence[Sequence[int]], rng: np.random.Generator
) -> dict[Position, bool]:
    """Decide whether the image guided up stands left, for every pair of every list.

    Showings are coupled two by two, once within lists (first those of one target) and once over lists (first
    those of one pair), and coupled showings get opposite sides. Every showing is in at most two couples, one
    of each sort, so the couples form paths and even rings, and the sides can alternate along them.
    """
    positions = [(number, item) for number, items in enumerate(dealt) for item in items]
    order = [positions[place] for place in rng.permutation(len(positions))]
    within = couples(order, [lambda key: (key[0], pairs[key[1]].target), lambda key: key[0]])
    across = couples(order, [lambda key: key[1], lambda key: pairs[key[1]].target, lambda key: 0])
    sides: dict[Position, bool] = {}
    for start in order:
        if start in sides:
            continue
        side = bool(rng.integers(2))
        for first, second in ((within, across), (across, within)):
            alternate(sides, start, side, (first, second))
    return sides


def couples(
    order: Sequence[Position], keys: Sequence[Callable[[Position], Hashable]]
) -> dict[Position, Position]:
    """Couple showings two by two: those that agree in the first key, then the rest by the next, and so on."""
    partners: dict[Position, Position] = {}
    for key in keys:
        single: dict[Hashable, Position] = {}
        for position in order:
            if position in partners:
                continue
            partner = single.pop(key(position), None)
            if partner is None:
                single[key(position)] = position
            else:
                partners[partner], partners[position] = position, partner
    return partners


def alternate(
    sides: dict[Position, bool],
    start: Position,
    side: bool,
    steps: tuple[Mapping[Position, Position], Mapping[Position, Position]],
) -> None:
    """Walk along couples of alternating sort, giving each showing the side opposite to the one before."""
    sides[start] = side
    here = start
    step, other = steps
    while (ahead := step.get(here)) is not None and ahead not in sides:
        side = not side
        sides[ahead] = side
        here, step, other = ahead, other, step
