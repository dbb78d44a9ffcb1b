"""Which images or pairs each list shows when it does not show all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from almond.design.plan import PlannedPair, PlannedStimulus

Item = PlannedStimulus | PlannedPair
Codes = np.ndarray[Any, np.dtype[np.int64]]
PROPOSALS_PER_SHOWING = 40
MOST_PROPOSALS = 200_000


def cell_of(item: Item) -> str:
    """What is manipulated in an item: its target, and for one image also the direction."""
    direction = item.direction if isinstance(item, PlannedStimulus) else ""
    return f"{item.target or ''}{direction}"


def deal(items: Sequence[Item], n_lists: int, size: int, rng: np.random.Generator) -> list[list[int]]:
    """``size`` different items (by number) for every list, each item equally often over the lists within one.

    Within a list, targets, cells (target and direction) and base scenes come as evenly as swaps find.
    """
    factors = [
        codes([item.target or "" for item in items]),
        codes([cell_of(item) for item in items]),
        codes([item.base_scene for item in items]),
    ]
    lists = first_deal(factors, n_lists, size, rng)
    if size < len(items):
        proposals = min(PROPOSALS_PER_SHOWING * n_lists * size, MOST_PROPOSALS)
        Spread(lists, factors).improve(proposals, rng)
    return lists


def first_deal(
    factors: Sequence[Codes], n_lists: int, size: int, rng: np.random.Generator
) -> list[list[int]]:
    """Items dealt least often go first; among these, those of which the list has least; then chance."""
    exposure = np.zeros(len(factors[0]), dtype=np.int64)
    lists = []
    for _ in range(n_lists):
        free = np.ones(len(exposure), dtype=bool)
        counts = [np.zeros(code.max() + 1, dtype=np.int64) for code in factors]
        chosen: list[int] = []
        for _ in range(size):
            lowest = np.flatnonzero(free & (exposure == exposure[free].min()))
            load = sum(count[code[lowest]] for count, code in zip(counts, factors, strict=True))
            pick = int(rng.choice(lowest[load == np.min(load)]))
            free[pick] = False
            chosen.append(pick)
            for count, code in zip(counts, factors, strict=True):
                count[code[pick]] += 1
        exposure[chosen] += 1
        lists.append(chosen)
    return lists


class Spread:
    """Evens out the lists by swapping items between them, which leaves every item's exposure within one.

    The unevenness of a list is the sum of squares of its counts over the levels of every factor; a swap is
    kept when the sum over both lists does not grow. Items dealt once less than others lie in one more list,
    whose unevenness does not count.
    """

    def __init__(self, lists: list[list[int]], factors: Sequence[Codes]) -> None:
        exposure = Counter(item for chosen in lists for item in chosen)
        times = [exposure[item] for item in range(len(factors[0]))]
        self.often = {item for item, count in enumerate(times) if count == max(times)}
        self.aside = [item for item, count in enumerate(times) if count < max(times)]
        self.lists = lists
        self.levels = [[int(level) for level in code] for code in factors]
        self.counts = [
            [Counter(levels[item] for item in chosen) for chosen in [*lists, self.aside]]
            for levels in self.levels
        ]
        self.floor = sum(
            least_squares(len(chosen), len(set(levels))) for levels in self.levels for chosen in lists
        )
        self.total = sum(
            count**2 for lists_of in self.counts for counts in lists_of[:-1] for count in counts.values()
        )

    def improve(self, proposals: int, rng: np.random.Generator) -> None:
        """Propose swaps by chance until the lists are as even as can be, or ``proposals`` were tried."""
        everywhere = [*self.lists, self.aside] if self.aside else self.lists
        for _ in range(proposals):
            if self.total <= self.floor:
                return
            draw = rng.random(4)
            one, other = int(draw[0] * len(self.lists)), int(draw[1] * len(everywhere))
            place, there = int(draw[2] * len(everywhere[one])), int(draw[3] * len(everywhere[other]))
            self.propose(one, place, other, there)

    def propose(self, one: int, place: int, other: int, there: int) -> None:
        aside = other == len(self.lists)
        here, place_of = self.lists[one], self.aside if aside else self.lists[other]
        item, partner = here[place], place_of[there]
        if one == other or partner in here or item in place_of or (aside and item not in self.often):
            return
        change = self.change(one, item, partner) + (0 if aside else self.change(other, partner, item))
        if change > 0:
            return
        here[place], place_of[there] = partner, item
        self.total += change
        self.move(one, item, partner)
        self.move(other, partner, item)
        if aside:
            self.often = self.often - {item} | {partner}

    def change(self, number: int, out: int, into: int) -> int:
        """By how much a list's unevenness grows when one item leaves and another comes."""
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
    """The sum of squared counts of ``size`` items spread over ``levels`` levels as evenly as possible."""
    share, rest = divmod(size, levels)
    return rest * (share + 1) ** 2 + (levels - rest) * share**2


def deal_again(
    items: Sequence[Item], shown: Sequence[Sequence[int]], size: int, rng: np.random.Generator
) -> list[list[int]]:
    """Which items of each list are shown a second time: over the lists, those repeated least often first."""
    times: Counter[int] = Counter()
    lists = []
    for once in shown:
        chosen: list[int] = []
        cells: Counter[str] = Counter()
        order = [int(item) for item in rng.permutation(np.array(once))]
        for _ in range(size):
            rest = [item for item in order if item not in chosen]
            pick = min(rest, key=lambda item: (times[item], cells[cell_of(items[item])]))
            chosen.append(pick)
            cells[cell_of(items[pick])] += 1
        times.update(chosen)
        lists.append(chosen)
    return lists


def codes(names: Sequence[str]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Names as numbers 0, 1, ... in order of first appearance."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], dtype=np.int64)
