"""Pools sized by the tolerance: more pictures are drawn until both yardsticks hold or the budget ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from almond.errors import InputError
from almond.progress import Part, Progress
from almond.stimuli.matching import MatchedPairs

Draw = Callable[[int, Progress], pd.DataFrame]
"""Round (from 1), progress -> further rows of the pool; none where there is nothing more to draw."""

Choose = Callable[[pd.DataFrame, Progress], MatchedPairs]


@dataclass(frozen=True)
class PoolRound:
    """One matching of a pool: its pictures, targets that missed, and the worst of both yardsticks."""

    number: int
    pictures: int
    missed: tuple[str, ...]
    worst_difference: float
    worst_d_z: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def words(self) -> str:
        """Write the round as a line of a log."""
        said = f"not matched for {', '.join(self.missed)}" if self.missed else "matched"
        return (
            f"{self.pictures} pictures: {said}; largest mean difference {self.worst_difference:.2f} SD, "
            f"largest d_z {self.worst_d_z:.2f}"
        )


@dataclass(frozen=True)
class GrownPool:
    """The pool at the end, its pairs, every round, and why no more was drawn.

    ``ended``: ``matched``, ``budget`` (another round would exceed it) or ``exhausted`` (nothing to draw).
    """

    pool: pd.DataFrame
    pairs: MatchedPairs
    rounds: tuple[PoolRound, ...]
    ended: str


def grow_pool(
    pool: pd.DataFrame,
    draw: Draw,
    *,
    choose: Choose,
    budget: int,
    round_pictures: Callable[[int], int],
    progress: Progress,
) -> GrownPool:
    """Match a pool; while it misses a yardstick, draw another round and match again.

    :param choose: matches a pool, such as ``choose_pairs`` with its settings.
    :param budget: pictures that the pool may hold. :param round_pictures: how many a round will add.
    :raises InputError: a round that draws a stimulus that the pool holds.
    """
    rounds: list[PoolRound] = []
    table = pool
    while True:
        number = len(rounds)
        done = _spent(len(table), budget)
        pairs = choose(table, Part(progress, done, done))
        rounds.append(_round(number, table, pairs))
        if pairs.is_matched:
            return GrownPool(table, pairs, tuple(rounds), "matched")
        expected = round_pictures(number + 1)
        if not expected or len(table) + expected > budget:
            return GrownPool(table, pairs, tuple(rounds), "budget" if expected else "exhausted")
        share = Part(progress, done, _spent(len(table) + expected, budget))
        further = draw(number + 1, share)
        if further.empty:
            return GrownPool(table, pairs, tuple(rounds), "exhausted")
        table = _joined(table, further)


def _spent(pictures: int, budget: int) -> float:
    return min(1.0, pictures / budget) if budget > 0 else 1.0


def _round(number: int, table: pd.DataFrame, pairs: MatchedPairs) -> PoolRound:
    difference, d_z = pairs.worst
    return PoolRound(number, len(table), pairs.missed, difference, d_z)


def _joined(table: pd.DataFrame, further: pd.DataFrame) -> pd.DataFrame:
    twice = set(table["stimulus_id"]) & set(further["stimulus_id"])
    if twice:
        raise InputError("stimulus pool", f"stimulus {min(twice, key=str)} was drawn again", "new pictures")
    return pd.concat([table, further], ignore_index=True)
