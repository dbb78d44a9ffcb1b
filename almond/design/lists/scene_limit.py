"""Dealing items to lists when no list may hold more than so many of one base scene.

Exposure stays equal within 1. With E showings in all, N items and n_s of scene s, every item is shown
floor(E / N) or one more time, so that scene s has between n_s floor(E / N) and n_s ceil(E / N) showings, and
at most (lists) x min(limit, n_s) fit. Scenes get their showings within these bounds; lists take a scene's
showings where they have most room left (the construction of Gale and Ryser), and within a scene the items
shown least often come first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from almond.errors import InputError
from almond.typing import Indices


def deal_by_scene(
    scenes: Sequence[str],
    cells: Sequence[str],
    shape: tuple[int, int],
    limit: int,
    rng: np.random.Generator,
) -> list[list[int]]:
    """Deal different items (by number) to lists, with at most ``limit`` of one scene in each.

    :param scenes: base scene of every item; ``cells`` what is manipulated in it, which is spread in a list.
    :param shape: number of lists, and of items in each.
    :raises InputError: the items of some scene cannot be shown as often as the others.
    """
    members: dict[str, list[int]] = {}
    for number, scene in enumerate(scenes):
        members.setdefault(scene, []).append(number)
    totals = showings_of_scenes({scene: len(own) for scene, own in members.items()}, shape, limit, rng)
    counts = _places(totals, {scene: min(limit, len(own)) for scene, own in members.items()}, shape, rng)
    exposure: Counter[int] = Counter()
    lists: list[list[int]] = []
    for own_counts in counts:
        dealt: list[int] = []
        load: Counter[str] = Counter()
        for scene in rng.permutation(sorted(own_counts)):
            for _ in range(own_counts[str(scene)]):
                free = [item for item in rng.permutation(members[str(scene)]) if item not in dealt]
                item = int(min(free, key=lambda item: (exposure[item], load[cells[item]])))
                dealt.append(item)
                exposure[item] += 1
                load[cells[item]] += 1
        lists.append(dealt)
    return lists


def showings_of_scenes(
    sizes: Mapping[str, int], shape: tuple[int, int], limit: int, rng: np.random.Generator
) -> dict[str, int]:
    """Return how often the items of every scene are shown in all, over the lists.

    :param sizes: number of items of every scene.
    :raises InputError: no such numbers leave all items shown equally often within 1.
    """
    n_lists, size = shape
    least, rest = divmod(n_lists * size, sum(sizes.values()))
    most = {scene: n_lists * min(limit, count) for scene, count in sizes.items()}
    for scene, count in sizes.items():
        if count * least > most[scene]:
            raise InputError(
                f"base scene {scene!r}",
                f"has {count} images, of which each list may show {limit}: too few showings for all",
                "fewer images of a scene, a smaller block, or a higher limit",
            )
    totals = {scene: count * least for scene, count in sizes.items()}
    for _ in range(rest):
        room = [
            scene for scene, count in sizes.items() if totals[scene] < min(most[scene], count * (least + 1))
        ]
        if not room:
            raise InputError(
                "images of a block",
                f"cannot be shown equally often with at most {limit} of one base scene in each list",
                "a smaller block, or a higher limit",
            )
        share = {scene: (totals[scene] - sizes[scene] * least) / sizes[scene] for scene in room}
        lowest = [scene for scene in room if share[scene] == min(share.values())]
        totals[lowest[int(rng.integers(len(lowest)))]] += 1
    return totals


def _places(
    totals: Mapping[str, int], most: Mapping[str, int], shape: tuple[int, int], rng: np.random.Generator
) -> list[dict[str, int]]:
    """Return how many showings of every scene each list has: rows sum to the size, scenes to their totals."""
    n_lists = shape[0]
    room = np.full(n_lists, shape[1])
    counts: list[dict[str, int]] = [dict.fromkeys(totals, 0) for _ in range(n_lists)]
    order = sorted(totals, key=lambda scene: (-totals[scene] / most[scene], scene))
    for scene in order:
        own: Indices = np.zeros(n_lists, dtype=np.int64)
        for _ in range(totals[scene]):
            open_lists = np.flatnonzero((own < most[scene]) & (room > 0))
            fullest = open_lists[room[open_lists] == room[open_lists].max()]
            fewest = fullest[own[fullest] == own[fullest].min()]
            place = int(rng.choice(fewest))
            own[place] += 1
            room[place] -= 1
        for place, count in enumerate(own.tolist()):
            counts[place][scene] = count
    return counts
