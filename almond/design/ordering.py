"""The order of the trials of a block: at random, under the rules that keep neighbours apart."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from almond.design.dealing import Item, cell_of
from almond.design.plan import StudyPlan

ATTEMPTS = 40
MEMORY = 3


@dataclass(frozen=True)
class Showing:
    """One showing to be placed: number of the item, base scene, cell (target, direction), second showing."""

    item: int
    scene: str
    cell: str
    repeat: bool = False


def showing_of(item: Item, number: int, repeat: bool = False) -> Showing:
    """Describe the showing of a stimulus or pair, item ``number`` of those of its block."""
    return Showing(number, item.base_scene, cell_of(item), repeat)


def last_scene(plan: StudyPlan, stimuli: Sequence[str]) -> str | None:
    """Return the base scene of the last of some stimuli; None for none."""
    return plan.stimulus_by_id[stimuli[-1]].base_scene if stimuli else None


def arrange(
    parts: Sequence[Sequence[Showing]], before: str | None, distance: int, rng: np.random.Generator
) -> list[Showing]:
    """Put parts one after the other, each in a random order.

    ``before`` is the base scene shown just before. A repeat stands at least ``distance`` places after its
    first showing. A base scene does not follow itself; when a random order leads into a corner it is drawn
    again, up to 40 times, and the one with the fewest such neighbours is taken.
    """
    best: list[Showing] = []
    fewest = None
    for _ in range(ATTEMPTS):
        order: list[Showing] = []
        for part in parts:
            place_all(part, order, before, distance, rng)
        neighbouring = neighbours(order, before)
        if fewest is None or neighbouring < fewest:
            best, fewest = order, neighbouring
        if fewest == 0:
            break
    return best


def neighbours(order: Sequence[Showing], before: str | None = None) -> int:
    """Count how often a base scene follows itself."""
    scenes = [before, *(showing.scene for showing in order)]
    return sum(first == second for first, second in itertools.pairwise(scenes))


def place_all(
    part: Sequence[Showing], order: list[Showing], before: str | None, distance: int, rng: np.random.Generator
) -> None:
    """Append the showings of one part to ``order``."""
    rest = [part[number] for number in rng.permutation(len(part))]
    while rest:
        ready = [showing for showing in rest if far_enough(showing, order, distance)] or rest
        last = order[-1].scene if order else before
        pick = min(apart(ready, rest, last), key=lambda showing: crowding(showing, order))
        rest.remove(pick)
        order.append(pick)


def far_enough(showing: Showing, order: Sequence[Showing], distance: int) -> bool:
    return not showing.repeat or all(
        showing.item != seen.item for seen in order[max(0, len(order) - distance + 1) :]
    )


def apart(ready: Sequence[Showing], rest: Sequence[Showing], last: str | None) -> Sequence[Showing]:
    """Return the showings after which the rest can still be placed without neighbours of the same scene.

    That is possible as long as no scene makes up more than half of what is left, rounded up; a scene that
    has reached this share must come next.
    """
    left = Counter(showing.scene for showing in rest)
    scene, most = left.most_common(1)[0]
    if 2 * most > len(rest) and scene != last:
        urgent = [showing for showing in ready if showing.scene == scene]
        if urgent:
            return urgent
    return [showing for showing in ready if showing.scene != last] or ready


def crowding(showing: Showing, order: Sequence[Showing]) -> int:
    """Count how many of the last trials show the same cell, and twice how many the same scene."""
    recent = order[-MEMORY:]
    return sum((showing.cell == seen.cell) + 2 * (showing.scene == seen.scene) for seen in recent)
