"""Which trials a participant sees, in which order, with which image on which side.

Lists are made once, when a study is frozen, and are a function of the plan alone (its seed included).

- *Exposure*: over the lists, every stimulus (pair) of a block stands in equally many lists, within one.
- *Cells*: when a list shows only some of them, targets, directions and base scenes are spread evenly in it.
- *Sides*: the image pushed up is left as often as right in every list and for every pair over the lists, and
  within a list for every target: exactly when the number is even, within one when it is odd.
- *Order*: a base scene (so also a stimulus) never follows itself where the others allow it; an image
  that is shown again comes at least ``repeat_distance(block)`` trials after its first showing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from almond.design.dealing import Item, cell_of, deal, deal_again
from almond.design.ordering import Slot, arrange
from almond.design.plan import Block, PlannedPair, StudyPlan
from almond.errors import InputError
from almond.rng import generator


@dataclass(frozen=True)
class PlannedTrial:
    """One trial of one list. ``index`` counts from 0 over all blocks.

    A rating trial has a ``stimulus`` and all ``constructs`` of its block; a choice trial has a ``pair``, the
    stimuli ``left`` and ``right``, one construct and its ``question``.
    """

    index: int
    block: str
    kind: str
    stimulus: str | None = None
    left: str | None = None
    right: str | None = None
    pair: str | None = None
    constructs: tuple[str, ...] = ()
    question: str | None = None
    repeat: bool = False

    @property
    def stimuli(self) -> tuple[str, ...]:
        """Ids of the images shown, left to right."""
        return tuple(name for name in (self.stimulus, self.left, self.right) if name is not None)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "constructs": list(self.constructs)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PlannedTrial:
        return cls(**{**value, "constructs": tuple(value["constructs"])})


def make_lists(plan: StudyPlan, n_lists: int) -> list[list[PlannedTrial]]:
    """``n_lists`` lists of ``plan.trials`` trials each; raises ``InputError`` for fewer than one list."""
    if n_lists < 1:
        raise InputError("number of lists", f"is {n_lists}", "at least 1")
    lists: list[list[PlannedTrial]] = [[] for _ in range(n_lists)]
    for block in plan.blocks:
        rng = generator(plan.seed, "assignment", block.name)
        make = rating_block if block.kind == "rating" else choice_block
        for trials, more in zip(lists, make(plan, block, lists, rng), strict=True):
            trials.extend(more)
    return lists


def repeat_distance(block: Block) -> int:
    """The least number of trials between an image's first showing and its second: a quarter of the block."""
    return block.trials // 4


def rating_block(
    plan: StudyPlan, block: Block, before: Sequence[Sequence[PlannedTrial]], rng: np.random.Generator
) -> list[list[PlannedTrial]]:
    shown = deal(plan.stimuli, len(before), block.distinct, rng)
    again = deal_again(plan.stimuli, shown, block.repeats, rng)
    made = []
    for trials, once, twice in zip(before, shown, again, strict=True):
        slots = two_parts(plan.stimuli, once, twice, rng)
        ordered = arrange(slots, last_scene(plan, trials), repeat_distance(block), rng)
        made.append(
            [
                PlannedTrial(
                    index=len(trials) + place,
                    block=block.name,
                    kind=block.kind,
                    stimulus=plan.stimuli[slot.item].id,
                    constructs=block.constructs,
                    repeat=slot.repeat,
                )
                for place, slot in enumerate(ordered)
            ]
        )
    return made


def choice_block(
    plan: StudyPlan, block: Block, before: Sequence[Sequence[PlannedTrial]], rng: np.random.Generator
) -> list[list[PlannedTrial]]:
    pairs = plan.pairs_of(block)
    shown = deal(pairs, len(before), block.trials, rng)
    sides = balance_sides(pairs, shown, rng)
    made = []
    for number, (trials, chosen) in enumerate(zip(before, shown, strict=True)):
        slots = [slot_of(pairs[item], item) for item in chosen]
        ordered = arrange([slots], last_scene(plan, trials), 0, rng)
        made.append(
            [
                choice_trial(block, pairs[slot.item], sides[number, slot.item], len(trials) + place)
                for place, slot in enumerate(ordered)
            ]
        )
    return made


def choice_trial(block: Block, pair: PlannedPair, high_left: bool, index: int) -> PlannedTrial:
    left, right = (pair.high, pair.low) if high_left else (pair.low, pair.high)
    return PlannedTrial(
        index=index,
        block=block.name,
        kind=block.kind,
        left=left,
        right=right,
        pair=pair.id,
        constructs=(pair.construct,),
        question=pair.question,
    )


def last_scene(plan: StudyPlan, trials: Sequence[PlannedTrial]) -> str | None:
    return plan.stimulus_by_id[trials[-1].stimuli[-1]].base_scene if trials else None


def slot_of(item: Item, number: int, repeat: bool = False) -> Slot:
    return Slot(number, item.base_scene, cell_of(item), repeat)


def two_parts(
    items: Sequence[Item], once: Sequence[int], twice: Sequence[int], rng: np.random.Generator
) -> list[list[Slot]]:
    """Two halves of a block: what is shown again stands in the first, its second showing in the second."""
    if not twice:
        return [[slot_of(items[item], item) for item in once]]
    rest = [int(item) for item in rng.permutation(np.array([i for i in once if i not in twice], dtype=int))]
    middle = (len(rest) + 1) // 2
    first = [*twice, *rest[:middle]]
    second = [slot_of(items[item], item) for item in rest[middle:]]
    again = [slot_of(items[item], item, repeat=True) for item in twice]
    return [[slot_of(items[item], item) for item in first], second + again]


def balance_sides(
    pairs: Sequence[PlannedPair], shown: Sequence[Sequence[int]], rng: np.random.Generator
) -> dict[tuple[int, int], bool]:
    """Whether the image pushed up stands left, for every (list, pair number) shown.

    Showings are coupled two by two, once within lists (first those of one target) and once over lists (first
    those of one pair), and coupled showings get opposite sides. Every showing is in at most two couples, one
    of each sort, so the couples form paths and even rings, and the sides can alternate along them.
    """
    showings = [(number, item) for number, chosen in enumerate(shown) for item in chosen]
    order = [showings[place] for place in rng.permutation(len(showings))]
    within = couples(order, [lambda key: (key[0], pairs[key[1]].target), lambda key: key[0]])
    across = couples(order, [lambda key: key[1], lambda key: pairs[key[1]].target, lambda key: 0])
    sides: dict[tuple[int, int], bool] = {}
    for start in order:
        if start in sides:
            continue
        side = bool(rng.integers(2))
        for first, second in ((within, across), (across, within)):
            follow(start, side, first, second, sides)
    return sides


def couples(
    order: Sequence[tuple[int, int]], keys: Sequence[Callable[[tuple[int, int]], Hashable]]
) -> dict[tuple[int, int], tuple[int, int]]:
    """Couple showings two by two: those that agree in the first key, then the rest by the next, and so on."""
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for key in keys:
        single: dict[Hashable, tuple[int, int]] = {}
        for showing in order:
            if showing in found:
                continue
            partner = single.pop(key(showing), None)
            if partner is None:
                single[key(showing)] = showing
            else:
                found[partner], found[showing] = showing, partner
    return found


def follow(
    start: tuple[int, int],
    side: bool,
    step: Mapping[tuple[int, int], tuple[int, int]],
    other: Mapping[tuple[int, int], tuple[int, int]],
    sides: dict[tuple[int, int], bool],
) -> None:
    """Walk along couples of alternating sort, giving each showing the side opposite to the one before."""
    sides[start] = side
    here = start
    while (ahead := step.get(here)) is not None and ahead not in sides:
        side = not side
        sides[ahead] = side
        here, step, other = ahead, other, step
