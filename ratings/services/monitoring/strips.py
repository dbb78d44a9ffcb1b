"""Progress of a participant as a strip of cells, one for a trial or for a few: how long, open, failed checks.

A time is compared with the median of its block over the people shown beside it, so that kinds of trials
that take longer do not look slow.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

MOST_CELLS = 60
"""Longer lists have several trials in a cell."""
FAST, SLOW, VERY_SLOW = 0.5, 2.0, 4.0
"""Of the block's median: below, a time is fast; above, slow, and very slow."""
WORDS = {
    "fast": "fast",
    "usual": "usual",
    "slow": "slow",
    "very_slow": "very slow",
    "failed": "failed check",
    "missing": "missing",
    "skipped": "not asked",
    "open": "to come",
}
"""What a cell says -> in words, in the order of the legend."""


@dataclass(frozen=True)
class Cell:
    """Trials ``first`` to ``last``, counted from 1, and what is to be said of them, of ``WORDS``."""

    first: int
    last: int
    state: str

    @property
    def trials(self) -> str:
        return f"trial {self.first}" if self.first == self.last else f"trials {self.first} to {self.last}"


Times = Sequence[float | None]


def block_medians(people: Sequence[tuple[Times, Sequence[str]]]) -> dict[str, float]:
    """Return block -> median time in ms.

    :param people: times by the trial's index, with the blocks of all trials of their list.
    """
    found: dict[str, list[float]] = defaultdict(list)
    for times, blocks in people:
        for time, block in zip(times, blocks, strict=False):
            if time is not None:
                found[block].append(time)
    return {block: median(times) for block, times in found.items()}


def strip_of(
    times: Times,
    blocks: Sequence[str],
    medians: Mapping[str, float],
    *,
    failed: Collection[int] = (),
    skipped: Collection[int] = (),
) -> list[Cell]:
    """Return the cells of somebody's strip, at most ``MOST_CELLS``.

    :param times: in ms by the trial's index, None where it is open.
    :param blocks: of every trial of the list.
    :param failed: indices of failed checks. :param skipped: of trials that are not asked.
    """
    answered = [index for index, time in enumerate(times) if time is not None]
    last = max(answered, default=-1)
    states, ratios = [], []
    for index, block in enumerate(blocks):
        time = times[index] if index < len(times) else None
        ratios.append(None if time is None else time / max(medians.get(block, time), 1e-9))
        if index in failed:
            states.append("failed")
        elif time is not None:
            states.append("answered")
        elif index in skipped:
            states.append("skipped")
        else:
            states.append("missing" if index < last else "open")
    size = -(-len(blocks) // MOST_CELLS) or 1
    return [
        Cell(
            first + 1,
            min(first + size, len(blocks)),
            joined(states[first : first + size], ratios[first : first + size]),
        )
        for first in range(0, len(blocks), size)
    ]


def joined(states: Sequence[str], ratios: Sequence[float | None]) -> str:
    """Return what a cell says of its trials: a failed check or a gap before all else, else their speed."""
    for state in ("failed", "missing"):
        if state in states:
            return state
    known = [ratio for ratio in ratios if ratio is not None]
    if not known:
        return "open" if "open" in states else states[0]
    ratio = sum(known) / len(known)
    if ratio < FAST:
        return "fast"
    return "usual" if ratio <= SLOW else "slow" if ratio <= VERY_SLOW else "very_slow"


def strip_words(cells: Sequence[Cell]) -> str:
    """Say a strip in words, for whoever does not see it."""
    counts = Counter(cell.state for cell in cells)
    unit = "cell" if any(cell.first != cell.last for cell in cells) else "trial"
    parts = [f"{counts[state]} {words}" for state, words in WORDS.items() if counts[state]]
    failed = [cell.trials for cell in cells if cell.state == "failed"]
    places = f"; failed: {', '.join(failed)}" if failed else ""
    return f"{len(cells)} {unit}{'' if len(cells) == 1 else 's'}: {', '.join(parts)}{places}"
