"""Dealing pairs of two base scenes to lists when no list may show more than so much of one base scene.

A pair counts for both of its scenes, so that the counts of ``scene_limit`` do not hold. Lists that show all
pairs equally often within 1 are mended by exchanges, each of which leaves these numbers as they are: a pair
of a crowded scene goes to another list, for one that crowds less.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from almond.errors import InputError

EXCHANGES_PER_SHOWING = 200
LEAST_EXCHANGES = 20_000


def within_scene_limit(
    lists: Sequence[Sequence[int]],
    scenes: Sequence[tuple[str, ...]],
    limit: int,
    rng: np.random.Generator,
) -> list[list[int]]:
    """Exchange pairs (by number) between lists until no list has more than ``limit`` of any base scene.

    :param scenes: base scenes of every pair.
    :raises InputError: no such lists were found.
    """
    crowded = CrowdedLists([list(own) for own in lists], scenes, limit)
    showings = sum(map(len, crowded.lists))
    for _ in range(max(LEAST_EXCHANGES, EXCHANGES_PER_SHOWING * showings)):
        if not crowded.excess:
            return crowded.lists
        crowded.mend(rng)
    if not crowded.excess:
        return crowded.lists
    raise InputError(
        "pairs of a block",
        f"were not found to fit into lists with at most {limit} of one photograph in each",
        "fewer trials, fewer pairs of a photograph, or a higher limit",
    )


class CrowdedLists:
    """Lists of pairs, how often each scene is in each, and by how much all of that is above the limit."""

    def __init__(self, lists: list[list[int]], scenes: Sequence[tuple[str, ...]], limit: int) -> None:
        times = Counter(item for own in lists for item in own)
        most = max((times[item] for item in range(len(scenes))), default=0)
        self.lists, self.scenes, self.limit = lists, scenes, limit
        self.times, self.most = times, most
        self.counts = [Counter(scene for item in own for scene in scenes[item]) for own in lists]
        self.excess = sum(max(0, count - limit) for counts in self.counts for count in counts.values())

    def mend(self, rng: np.random.Generator) -> None:
        """Try one exchange of a pair that crowds its list; it stands where the excess does not grow."""
        crowding = [
            (number, place)
            for number, own in enumerate(self.lists)
            if any(count > self.limit for count in self.counts[number].values())
            for place, item in enumerate(own)
            if any(self.counts[number][scene] > self.limit for scene in self.scenes[item])
        ]
        number, place = crowding[int(rng.integers(len(crowding)))]
        item = self.lists[number][place]
        partners = self.partners(number, item)
        if not partners:
            return
        other, there = partners[int(rng.integers(len(partners)))]
        partner = there if other < 0 else self.lists[other][there]
        change = self.change(number, item, partner)
        change += 0 if other < 0 else self.change(other, partner, item)
        if change > 0:
            return
        self.move(number, place, partner)
        if other < 0:
            self.times[item] -= 1
            self.times[partner] += 1
        else:
            self.move(other, there, item)
        self.excess += change

    def partners(self, number: int, item: int) -> list[tuple[int, int]]:
        """List (list, place) of pairs that may change places with ``item`` of list ``number``; (-1, pair) of
        those that are shown less often, where ``item`` is shown as often as any."""
        own = set(self.lists[number])
        found = [
            (other, there)
            for other, theirs in enumerate(self.lists)
            if other != number and item not in theirs
            for there, partner in enumerate(theirs)
            if partner not in own
        ]
        if self.times[item] == self.most:
            lower = self.most - 1
            found += [
                (-1, pair)
                for pair in range(len(self.scenes))
                if self.times[pair] == lower and pair not in own
            ]
        return found

    def change(self, number: int, out: int, into: int) -> int:
        """Compute by how much a list's excess grows when pair ``out`` leaves it and ``into`` comes."""
        counts, limit = self.counts[number], self.limit
        moved: Counter[str] = Counter(self.scenes[into])
        moved.subtract(self.scenes[out])
        return sum(
            max(0, counts[scene] + step - limit) - max(0, counts[scene] - limit)
            for scene, step in moved.items()
        )

    def move(self, number: int, place: int, into: int) -> None:
        """Put a pair into a place of a list."""
        self.counts[number].subtract(self.scenes[self.lists[number][place]])
        self.counts[number].update(self.scenes[into])
        self.lists[number][place] = into
