"""Blocks in the orders of a Latin square, one list after the other."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from almond.design.arms import may_move, williams_square
from almond.design.plan import StudyPlan
from almond.design.trials.base import PlannedTrial


def in_latin_square(
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
        made.append(concatenated(plan, [by_block[name] for name in placed]))
    return made


def concatenated(plan: StudyPlan, parts: Sequence[Sequence[PlannedTrial]]) -> list[PlannedTrial]:
    """Put the blocks of a list one after the other and count their trials anew.

    Where a block would begin with the base scene that the block before ended with, the first trial that may
    changes places with it.
    """
    trials: list[PlannedTrial] = []
    for part in parts:
        own = list(part)
        if trials and own and scenes_of(plan, trials[-1]) & scenes_of(plan, own[0]):
            own = first_trial_apart(plan, trials[-1], own)
        trials += own
    return [trial._replace(index=index) for index, trial in enumerate(trials)]


def scenes_of(plan: StudyPlan, trial: PlannedTrial) -> set[str]:
    return {plan.stimulus_by_id[name].base_scene for name in trial.stimuli}


def first_trial_apart(
    plan: StudyPlan, before: PlannedTrial, trials: list[PlannedTrial]
) -> list[PlannedTrial]:
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
