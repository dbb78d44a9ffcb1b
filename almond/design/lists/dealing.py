"""Which images or pairs each list shows when it does not show all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from almond.design.lists.pair_limit import within_scene_limit
from almond.design.lists.scene_limit import deal_by_scene
from almond.design.parts import PlannedPair, PlannedStimulus
from almond.typing import Indices

Item = PlannedStimulus | PlannedPair
PROPOSALS_PER_SHOWING = 40
MOST_PROPOSALS = 200_000


def cell_of(item: Item) -> str:
    """Return what is manipulated in an item: its target, and for a single image also the direction."""
    direction = item.direction if isinstance(item, PlannedStimulus) else ""
    return f"{item.target or ''}{direction}"


def deal(
    items: Sequence[Item],
    n_lists: int,
    size: int,
    rng: np.random.Generator,
    *,
    themes: Mapping[str, str] | None = None,
    most_of_scene: int | None = None,
) -> list[list[int]]:
    """Deal ``size`` different items (by number) to every list, over the lists equally often within 1.

    Within a list, targets, cells (target and direction), base scenes and themes come as evenly as swaps find;
    of pairs of photographs, those of the first images and those of the second.

    :param themes: themes by base scene, as the plan states them; a scene without one is its own.
    :param most_of_scene: so many items of one base scene, and no more, may lie in a list.
    :raises InputError: with that limit the items cannot be dealt equally often.
    """
    scenes = [item.base_scene for item in items]
    two_scenes = any(len(item.scenes) > 1 for item in items)
    if most_of_scene is not None and not two_scenes:
        cells = [cell_of(item) for item in items]
        return deal_by_scene(scenes, cells, (n_lists, size), most_of_scene, rng)
    factors = [
        codes([item.target or "" for item in items]),
        codes([cell_of(item) for item in items]),
        codes(scenes),
    ]
    by_theme = codes([(themes or {}).get(scene, scene) for scene in scenes])
    if not np.array_equal(by_theme, factors[-1]):  # one scene per theme: they are spread already
        # Scenes and themes count for two; so must what is manipulated, which matters more.
        factors += [by_theme, factors[1]]
    if two_scenes:
        others = [item.scenes[-1] for item in items]
        factors += [codes(others), codes([(themes or {}).get(scene, scene) for scene in others])]
    lists = first_deal(factors, n_lists, size, rng)
    if size < len(items):
        proposals = min(PROPOSALS_PER_SHOWING * n_lists * size, MOST_PROPOSALS)
        SwapBalance(lists, factors).improve(proposals, rng)
    if most_of_scene is not None:
        return within_scene_limit(lists, [item.scenes for item in items], most_of_scene, rng)
    return lists


def first_deal(
    factors: Sequence[Indices], n_lists: int, size: int, rng: np.random.Generator
) -> list[list[int]]:
    """Deal the items dealt least often; among these, those of which the list has least; then at random."""
    exposure = np.zeros(len(factors[0]), dtype=np.int64)
    lists = []
    for _ in range(n_lists):
        free = np.ones(len(exposure), dtype=bool)
        counts = [np.zeros(code.max() + 1, dtype=np.int64) for code in factors]
        dealt: list[int] = []
        for _ in range(size):
            lowest = np.flatnonzero(free & (exposure == exposure[free].min()))
            load = sum(count[code[lowest]] for count, code in zip(counts, factors, strict=True))
            pick = int(rng.choice(lowest[load == np.min(load)]))
            free[pick] = False
            dealt.append(pick)
            for count, code in zip(counts, factors, strict=True):
                count[code[pick]] += 1
        exposure[dealt] += 1
        lists.append(dealt)
    return lists


class SwapBalance:
    """Lists evened out by swapping items between them, which leaves every item's exposure equal within 1.

    The unevenness of a list is the sum of squares of its counts over the levels of every factor; a swap
    stands when the sum over both lists does not grow. Items dealt once less than others lie in one more list,
    whose unevenness does not count.
    """

    def __init__(self, lists: list[list[int]], factors: Sequence[Indices]) -> None:
        exposure = Counter(item for items in lists for item in items)
        times = [exposure[item] for item in range(len(factors[0]))]
        self.often = {item for item, count in enumerate(times) if count == max(times)}
        self.aside = [item for item, count in enumerate(times) if count < max(times)]
        self.lists = lists
        self.levels = [[int(level) for level in code] for code in factors]
        self.counts = [
            [Counter(levels[item] for item in items) for items in [*lists, self.aside]]
            for levels in self.levels
        ]
        self.floor = sum(
            least_squares(len(items), len(set(levels))) for levels in self.levels for items in lists
        )
        self.total = sum(
            count**2 for lists_of in self.counts for counts in lists_of[:-1] for count in counts.values()
        )

    def improve(self, proposals: int, rng: np.random.Generator) -> None:
        """Propose random swaps until the lists are as even as can be, or ``proposals`` were tried."""
        everywhere = [*self.lists, self.aside] if self.aside else self.lists
        for _ in range(proposals):
            if self.total <= self.floor:
                return
            draw = rng.random(4)
            first, second = int(draw[0] * len(self.lists)), int(draw[1] * len(everywhere))
            here, there = int(draw[2] * len(everywhere[first])), int(draw[3] * len(everywhere[second]))
            self.propose(first, here, second, there)

    def propose(self, first: int, here: int, second: int, there: int) -> None:
        """Swap place ``here`` of list ``first`` with place ``there`` of ``second``, where that evens out."""
        aside = second == len(self.lists)
        items, others = self.lists[first], self.aside if aside else self.lists[second]
        item, partner = items[here], others[there]
        if first == second or partner in items or item in others or (aside and item not in self.often):
            return
        change = self.change(first, item, partner) + (0 if aside else self.change(second, partner, item))
        if change > 0:
            return
        items[here], others[there] = partner, item
        self.total += change
        self.move(first, item, partner)
        self.move(second, partner, item)
        if aside:
            self.often = self.often - {item} | {partner}

    def change(self, number: int, out: int, into: int) -> int:
        """Compute by how much a list's unevenness grows when ``out`` leaves it and ``into`` comes."""
        grown = 0
        for levels, counts in zip(self.levels, self.counts, strict=True):
            if levels[out] != levels[into]:
                count = counts[number]
                grown += 2 * (count[levels[into]] - count[levels[out]] + 1)
        return grown

    def move(self, number: int, out: int, into: int) -> None:
        for levels, counts in zip(self.levels, self.counts, strict=True):
            counts[number][levels[out]] -= 1
            counts[number][levels[into]] += 1


def least_squares(size: int, levels: int) -> int:
    """Return the sum of squared counts of ``size`` items spread evenly over ``levels`` levels."""
    share, rest = divmod(size, levels)
    return rest * (share + 1) ** 2 + (levels - rest) * share**2


def deal_again(
    items: Sequence[Item], dealt: Sequence[Sequence[int]], size: int, rng: np.random.Generator
) -> list[list[int]]:
    """Choose the items of each list to show again: over the lists, those repeated least often first."""
    times: Counter[int] = Counter()
    lists = []
    for first_showings in dealt:
        again: list[int] = []
        cells: Counter[str] = Counter()
        order = [int(item) for item in rng.permutation(np.array(first_showings))]
        for _ in range(size):
            rest = [item for item in order if item not in again]
            pick = min(rest, key=lambda item: (times[item], cells[cell_of(items[item])]))
            again.append(pick)
            cells[cell_of(items[pick])] += 1
        times.update(again)
        lists.append(again)
    return lists


def codes(names: Sequence[str]) -> Indices:
    """Number names 0, 1, ... in order of first appearance."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], dtype=np.int64)
