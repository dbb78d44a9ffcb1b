"""The order of the trials of a block: at random, under the rules that keep neighbours apart."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from almond.design.lists.dealing import Item, cell_of
from almond.design.plan import StudyPlan

if TYPE_CHECKING:
    from almond.design.trials.base import PlannedTrial

ATTEMPTS = 40
MEMORY = 3


@dataclass(frozen=True)
class Showing:
    """One showing to be placed: number of the item, its base scene and theme, cell (target, direction), and
    whether it is the second. Where a plan states no themes, the scene is the theme."""

    item: int
    scene: str
    theme: str
    cell: str
    repeat: bool = False


def showing_of(plan: StudyPlan, item: Item, number: int, repeat: bool = False) -> Showing:
    """Describe the showing of a stimulus or pair, item ``number`` of those of its block."""
    scene = item.base_scene
    return Showing(number, scene, plan.told_themes.get(scene, scene), cell_of(item), repeat)


def last_showing(plan: StudyPlan, trials: Sequence[PlannedTrial]) -> Showing | None:
    """Return the last image of some trials as a showing, for what stands next to it; None where nothing or a
    page without images was shown last."""
    if not trials or not trials[-1].stimuli:
        return None
    return showing_of(plan, plan.stimulus_by_id[trials[-1].stimuli[-1]], -1)


def arrange(
    parts: Sequence[Sequence[Showing]], before: Showing | None, distance: int, rng: np.random.Generator
) -> list[Showing]:
    """Put parts one after the other, each in a random order.

    ``before`` was shown just before. A repeat stands at least ``distance`` places after its first showing.
    A theme does not follow itself where the others allow it, nor in any case a base scene; when a random
    order leads into a corner it is drawn again, up to 40 times, and the one with the fewest such neighbours
    is taken, of scenes first.
    """
    unavoidable = sum(map(crowded, parts))
    best: list[Showing] = []
    fewest = None
    for _ in range(ATTEMPTS):
        order: list[Showing] = []
        for part in parts:
            place_all(part, order, before, distance, rng)
        neighbouring = neighbours(order, before)
        if fewest is None or neighbouring < fewest:
            best, fewest = order, neighbouring
        if fewest <= (0, unavoidable):
            break
    return best


def crowded(part: Sequence[Showing]) -> int:
    """Count how often, at least, the commonest theme of a part must follow itself."""
    most = max(Counter(showing.theme for showing in part).values(), default=0)
    return max(0, 2 * most - len(part) - 1)


def neighbours(order: Sequence[Showing], before: Showing | None = None) -> tuple[int, int]:
    """Count how often a base scene, and how often a theme, follows itself."""
    line = [*([before] if before else []), *order]
    pairs = list(itertools.pairwise(line))
    scenes = sum(first.scene == second.scene for first, second in pairs)
    return scenes, sum(first.theme == second.theme for first, second in pairs)


def place_all(
    part: Sequence[Showing],
    order: list[Showing],
    before: Showing | None,
    distance: int,
    rng: np.random.Generator,
) -> None:
    """Append the showings of one part to ``order``."""
    rest = [part[number] for number in rng.permutation(len(part))]
    while rest:
        ready = [showing for showing in rest if far_enough(showing, order, distance)] or rest
        last = order[-1] if order else before
        other_theme = apart(ready, rest, last.theme if last else None, theme_of)
        other_scene = apart(other_theme, rest, last.scene if last else None, scene_of)
        pick = min(other_scene, key=lambda showing: crowding(showing, order))
        rest.remove(pick)
        order.append(pick)


def theme_of(showing: Showing) -> str:
    return showing.theme


def scene_of(showing: Showing) -> str:
    return showing.scene


def far_enough(showing: Showing, order: Sequence[Showing], distance: int) -> bool:
    return not showing.repeat or all(
        showing.item != seen.item for seen in order[max(0, len(order) - distance + 1) :]
    )


def apart(
    ready: Sequence[Showing], rest: Sequence[Showing], last: str | None, level: Callable[[Showing], str]
) -> Sequence[Showing]:
    """Return the showings after which the rest can still be placed without neighbours of one level.

    ``level`` gives the scene or the theme of a showing, ``last`` is that shown just before. It is possible as
    long as no level makes up more than half of what is left, rounded up; one that has reached this share
    must come next.
    """
    left = Counter(map(level, rest))
    commonest, most = left.most_common(1)[0]
    if 2 * most > len(rest) and commonest != last:
        urgent = [showing for showing in ready if level(showing) == commonest]
        if urgent:
            return urgent
    return [showing for showing in ready if level(showing) != last] or ready


def crowding(showing: Showing, order: Sequence[Showing]) -> int:
    """Count how many of the last trials show the same cell, how many another scene of the same theme, and
    twice how many the same scene."""
    recent = order[-MEMORY:]
    cells = sum(showing.cell == seen.cell for seen in recent)
    scenes = sum(showing.scene == seen.scene for seen in recent)
    themes = sum(showing.theme == seen.theme and showing.scene != seen.scene for seen in recent)
    return cells + themes + 2 * scenes
