"""The order of the trials of a block: by chance, under the rules that keep neighbours apart."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ATTEMPTS = 40
MEMORY = 3


@dataclass(frozen=True)
class Slot:
    """One showing to be placed: number of the item, base scene, cell (target, direction), second showing."""

    item: int
    scene: str
    cell: str
    repeat: bool = False


def arrange(
    parts: Sequence[Sequence[Slot]], before: str | None, distance: int, rng: np.random.Generator
) -> list[Slot]:
    """Parts one after the other, each in a chance order.

    ``before`` is the base scene shown just before. A repeat stands at least ``distance`` places after its
    first showing. A base scene does not follow itself; when chance leads into a corner the order is drawn
    again, up to 40 times, and the one with the fewest such neighbours is taken.
    """
    best: list[Slot] = []
    fewest = None
    for _ in range(ATTEMPTS):
        order: list[Slot] = []
        for part in parts:
            place_all(part, order, before, distance, rng)
        found = neighbours(order, before)
        if fewest is None or found < fewest:
            best, fewest = order, found
        if fewest == 0:
            break
    return best


def neighbours(order: Sequence[Slot], before: str | None = None) -> int:
    """How often a base scene follows itself."""
    scenes = [before, *(slot.scene for slot in order)]
    return sum(first == second for first, second in itertools.pairwise(scenes))


def place_all(
    part: Sequence[Slot], order: list[Slot], before: str | None, distance: int, rng: np.random.Generator
) -> None:
    """Append the slots of one part to ``order``."""
    rest = [part[number] for number in rng.permutation(len(part))]
    while rest:
        ready = [slot for slot in rest if far_enough(slot, order, distance)] or rest
        last = order[-1].scene if order else before
        pick = min(apart(ready, rest, last), key=lambda slot: crowding(slot, order))
        rest.remove(pick)
        order.append(pick)


def far_enough(slot: Slot, order: Sequence[Slot], distance: int) -> bool:
    return not slot.repeat or all(
        slot.item != seen.item for seen in order[max(0, len(order) - distance + 1) :]
    )


def apart(ready: Sequence[Slot], rest: Sequence[Slot], last: str | None) -> Sequence[Slot]:
    """The slots after which the rest can still be placed without neighbours of one scene, if there are any.

    That is possible as long as no scene makes up more than half of what is left, rounded up; a scene that
    has reached this share must come next.
    """
    left = Counter(slot.scene for slot in rest)
    scene, most = left.most_common(1)[0]
    if 2 * most > len(rest) and scene != last:
        urgent = [slot for slot in ready if slot.scene == scene]
        if urgent:
            return urgent
    return [slot for slot in ready if slot.scene != last] or ready


def crowding(slot: Slot, order: Sequence[Slot]) -> int:
    """How many of the last trials show the same cell, and twice how many the same scene."""
    recent = order[-MEMORY:]
    return sum((slot.cell == seen.cell) + 2 * (slot.scene == seen.scene) for seen in recent)
