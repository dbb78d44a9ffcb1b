"""Arms of a study, and the order of its blocks: what differs between lists beside their trials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import Field

from almond.design.parts import PlannedBlock
from almond.design.trials import TRIAL_KINDS
from almond.shapes import Shape, Text, Whole, repeated


class Arm(Shape):
    """A group of participants that goes through blocks of its own; of all lists ``weight`` over the sum of
    all weights are of this arm."""

    name: Text
    weight: Annotated[Whole, Field(ge=1, le=100)] = 1


def arm_contradictions(
    arms: Sequence[Arm], arms_of_blocks: Sequence[Sequence[str]]
) -> Iterator[tuple[str, str]]:
    """Yield (path, problem) where blocks name arms that are none, or an arm has nothing to do."""
    names = [arm.name for arm in arms]
    for name in repeated(names):
        yield "arms", f"name {name!r} stands more than once"
    if len(names) == 1:
        yield "arms", "one alone is no comparison: two or more, or none"
    for number, own in enumerate(arms_of_blocks):
        for name in own:
            if name not in names:
                yield f"blocks[{number}].arms", f"{name!r} is no arm of the plan"
    for name in names:
        if not any(not own or name in own for own in arms_of_blocks):
            yield "arms", f"{name!r} goes through no block"


def may_move(block: PlannedBlock) -> bool:
    """Tell whether a block changes places where blocks stand in a Latin square."""
    kind = TRIAL_KINDS.load(block.kind)
    return kind.moves and kind.shows != "nothing"


def order_contradictions(blocks: Sequence[PlannedBlock]) -> Iterator[tuple[str, str]]:
    """Yield (path, problem) of blocks that depend on answers, where the blocks between change places."""
    moving = {block.name for block in blocks if may_move(block)}
    for number, block in enumerate(blocks):
        for name in ("only_if", "end_if"):
            condition = getattr(block, name)
            if condition is not None and (block.name in moving or condition.block in moving):
                yield (
                    f"blocks[{number}].{name}",
                    "depends on a block that changes places: keep their order fixed",
                )


def arms_of_lists(arms: Sequence[Arm], n_lists: int) -> list[str]:
    """Return the arm of every list, in turns, as many of each as its weight says; ``""`` without arms.

    Where weights do not divide the number of lists, largest remainders get what is left, and every arm gets a
    list.

    :param n_lists: at least the number of arms.
    """
    if not arms:
        return [""] * n_lists
    total = sum(arm.weight for arm in arms)
    taken = dict.fromkeys((arm.name for arm in arms), 0)
    turns = []
    for place in range(n_lists):
        # The arm that lags most behind its share; one without a list first, where lists run out.
        without = [arm for arm in arms if not taken[arm.name]]
        waiting = without if len(without) >= n_lists - place else arms
        name = max(waiting, key=lambda arm: arm.weight * (place + 1) / total - taken[arm.name]).name
        taken[name] += 1
        turns.append(name)
    return turns


def williams_square(size: int) -> list[list[int]]:
    """Return orders of ``size`` things, 1 or more: each stands equally often in every place and comes equally
    often directly after every other, in ``size`` rows or, where it is odd, twice as many (Williams, 1949,
    Aust. J. Sci. Res. A 2, 149).
    """
    first = [0]
    for step in range(1, size):
        first.append(first[-1] + (step if step % 2 else -step))
    rows = [[(item + shift) % size for item in first] for shift in range(size)]
    return rows if size % 2 == 0 or size == 1 else rows + [row[::-1] for row in rows]
