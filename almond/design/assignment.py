"""Which trials a participant sees, in which order, with which image on which side.

Lists are made once, when a study is frozen, and are a function of the plan alone (its seed included).

- *Arms*: of all lists each arm has its share, in turns.
- *Exposure*: over the lists, or those of its arms, every stimulus (pair) of a block stands in equally many
  lists, within one.
- *Cells*: when a list shows only some of them, targets, directions, base scenes and the themes that the plan
  states are spread evenly in it, with no more images of one base scene than the block allows.
- *Sides*: the image guided up is left as often as right in every list and for every pair over the lists, and
  within a list for every target: exactly when the number is even, within one when it is odd.
- *Blocks*: in the plan's order, or those that show something in the orders of a Latin square.
- *Order*: a base scene (so also a stimulus) never follows itself where the others allow it, nor, where they
  allow that, a theme; an image that is shown again comes at least a quarter of the block after its first
  showing.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from almond.design.arms import arms_of_lists, may_move, williams_square
from almond.design.plan import PlannedBlock, StudyPlan
from almond.design.trials import TRIAL_KINDS
from almond.design.trials.base import PlannedTrial
from almond.errors import InputError
from almond.rng import generator


def make_lists(plan: StudyPlan, n_lists: int) -> list[list[PlannedTrial]]:
    """Make ``n_lists`` lists of trials; ``InputError`` for fewer than one list, or than one for each arm."""
    if n_lists < max(1, len(plan.arms)):
        raise InputError("number of lists", f"is {n_lists}", f"at least {max(1, len(plan.arms))}")
    arms = arms_of_lists(plan.arms, n_lists)
    lists: list[list[PlannedTrial]] = [[] for _ in range(n_lists)]
    for block in plan.blocks:
        rng = generator(plan.seed, "assignment", block.name)
        own = [number for number, arm in enumerate(arms) if not block.arms or arm in block.arms]
        blocks = TRIAL_KINDS.load(block.kind).make_lists(plan, block, [lists[number] for number in own], rng)
        for number, further in zip(own, blocks, strict=True):
            lists[number].extend(further)
    if plan.block_order == "latin_square":
        return turned(plan, lists, arms)
    return lists


def turned(
    plan: StudyPlan, lists: Sequence[Sequence[PlannedTrial]], arms: Sequence[str]
) -> list[list[PlannedTrial]]:
    """Put the blocks of every list in an order of the Latin square of its arm, which the lists take in turns.

    Blocks that show nothing, such as instructions, and practice keep their places.
    """
    movable = {block.name for block in plan.blocks if may_move(block)}
    turns: dict[str, int] = dict.fromkeys(arms, 0)
    made = []
    for trials, arm in zip(lists, arms, strict=True):
        by_block = {name: list(own) for name, own in itertools.groupby(trials, key=lambda trial: trial.block)}
        names = list(by_block)
        moving = [name for name in names if name in movable]
        square = williams_square(max(1, len(moving)))
        order = iter([moving[place] for place in square[turns[arm] % len(square)]] if moving else [])
        placed = [next(order) if name in moving else name for name in names]
        turns[arm] += 1
        made.append(joined(plan, [by_block[name] for name in placed]))
    return made


def joined(plan: StudyPlan, parts: Sequence[Sequence[PlannedTrial]]) -> list[PlannedTrial]:
    """Put the blocks of a list one after the other and count their trials anew.

    Where a block would begin with the base scene that the block before ended with, the first trial that may
    changes places with it.
    """
    trials: list[PlannedTrial] = []
    for part in parts:
        own = list(part)
        if trials and own and scenes_of(plan, trials[-1]) & scenes_of(plan, own[0]):
            own = apart(plan, trials[-1], own)
        trials += own
    return [trial._replace(index=index) for index, trial in enumerate(trials)]


def scenes_of(plan: StudyPlan, trial: PlannedTrial) -> set[str]:
    return {plan.stimulus_by_id[name].base_scene for name in trial.stimuli}


def apart(plan: StudyPlan, before: PlannedTrial, trials: list[PlannedTrial]) -> list[PlannedTrial]:
    """Exchange the first trial for the next one whose exchange makes no two neighbours of one base scene.

    Trials of images that are shown twice stay where they are, for their distance. Where none may be
    exchanged the order stays.
    """
    shown: dict[str, int] = {}
    for trial in trials:
        for name in trial.stimuli:
            shown[name] = shown.get(name, 0) + 1
    may_move = [all(shown[name] == 1 for name in trial.stimuli) for trial in trials]
    for place in range(1, len(trials)) if may_move[0] else ():
        if not may_move[place]:
            continue
        other = [trials[place], *trials[1:place], trials[0], *trials[place + 1 :]]
        line = [scenes_of(plan, trial) for trial in [before, *other]]
        if not any(first & second for first, second in itertools.pairwise(line)):
            return other
    return trials


def trials_by_arm(plan: StudyPlan) -> Mapping[str, int]:
    """Return how many trials a participant of every arm goes through; ``""`` for all where there are none."""
    return {arm: sum(block.trials for block in blocks_of(plan, arm)) for arm in arm_names(plan)}


def arm_names(plan: StudyPlan) -> list[str]:
    return [arm.name for arm in plan.arms] or [""]


def blocks_of(plan: StudyPlan, arm: str) -> list[PlannedBlock]:
    """Return the blocks that the participants of an arm go through, in the plan's order."""
    return [block for block in plan.blocks if not block.arms or arm in block.arms]
