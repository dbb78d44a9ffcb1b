"""The order of the trials of a block: at random, under the rules that keep neighbours apart."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from almond.design.lists.dealing import Item, cell_of
from almond.design.parts import PlannedPair
from almond.design.plan import StudyPlan

if TYPE_CHECKING:
    from almond.design.trials.base import PlannedTrial

ATTEMPTS = 40
MEMORY = 3
NOTHING = ("",)
"""In place of the scenes and themes of what was shown before, where nothing was."""


@dataclass(frozen=True)
class Showing:
    """One showing to be placed: number of the item, its base scene and theme (several, of a pair of
    photographs), cell (target, direction), and whether it is the second. Where a plan states no themes, the
    scene is the theme."""

    item: int
    scenes: tuple[str, ...]
    themes: tuple[str, ...]
    cell: str
    repeat: bool = False


def showing_of(plan: StudyPlan, item: Item, number: int, repeat: bool = False) -> Showing:
    """Describe the showing of a stimulus or pair, item ``number`` of those of its block."""
    themes = [plan.told_themes.get(scene, scene) for scene in item.scenes]
    if isinstance(item, PlannedPair) and item.theme is not None:
        themes.append(item.theme)
    return Showing(number, item.scenes, tuple(dict.fromkeys(themes)), cell_of(item), repeat)


def last_showing(plan: StudyPlan, trials: Sequence[PlannedTrial]) -> Showing | None:
    """Return the last image of some trials as a showing, for what stands next to it; None where nothing or a
    page without images was shown last."""
    if not trials or not trials[-1].stimuli:
        return None
    pair = plan.pair_by_id.get(str(trials[-1].pair))
    if pair is not None and len(pair.scenes) > 1:
        return showing_of(plan, pair, -1)
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
    most = max(Counter(theme for showing in part for theme in showing.themes).values(), default=0)
    return max(0, 2 * most - len(part) - 1)


def neighbours(order: Sequence[Showing], before: Showing | None = None) -> tuple[int, int]:
    """Count how often a base scene, and how often a theme, follows itself."""
    line = [*([before] if before else []), *order]
    pairs = list(itertools.pairwise(line))
    scenes = sum(in_common(first.scenes, second.scenes) for first, second in pairs)
    return scenes, sum(in_common(first.themes, second.themes) for first, second in pairs)


def in_common(first: tuple[str, ...], second: tuple[str, ...]) -> bool:
    """Tell whether two showings have a scene, or a theme, in common."""
    return first[0] in second or (len(first) > 1 and any(name in second for name in first))


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
        other_theme = apart(ready, rest, last.themes if last else NOTHING, themes_of)
        other_scene = apart(other_theme, rest, last.scenes if last else NOTHING, scenes_of_showing)
        pick = min(other_scene, key=lambda showing: crowding(showing, order))
        rest.remove(pick)
        order.append(pick)


def themes_of(showing: Showing) -> tuple[str, ...]:
    return showing.themes


def scenes_of_showing(showing: Showing) -> tuple[str, ...]:
    return showing.scenes


def far_enough(showing: Showing, order: Sequence[Showing], distance: int) -> bool:
    return not showing.repeat or all(
        showing.item != seen.item for seen in order[max(0, len(order) - distance + 1) :]
    )


def apart(
    ready: Sequence[Showing],
    rest: Sequence[Showing],
    last: tuple[str, ...],
    levels: Callable[[Showing], tuple[str, ...]],
) -> Sequence[Showing]:
    """Return the showings after which the rest can still be placed without neighbours of one level.

    ``levels`` gives the scenes or the themes of a showing, ``last`` are those shown just before. It is
    possible as long as no level makes up more than half of what is left, rounded up; one that has reached
    this share must come next.
    """
    left = Counter(name for showing in rest for name in levels(showing))
    commonest, most = left.most_common(1)[0]
    if 2 * most > len(rest) and commonest not in last:
        urgent = [showing for showing in ready if commonest in levels(showing)]
        if urgent:
            return urgent
    return [showing for showing in ready if not in_common(levels(showing), last)] or ready


def crowding(showing: Showing, order: Sequence[Showing]) -> int:
    """Count how many of the last trials show the same cell, how many another scene of the same theme, and
    twice how many the same scene."""
    recent = order[-MEMORY:]
    cells = sum(showing.cell == seen.cell for seen in recent)
    scenes = sum(in_common(showing.scenes, seen.scenes) for seen in recent)
    themes = sum(in_common(showing.themes, seen.themes) for seen in recent) - scenes
    return cells + themes + 2 * scenes
