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

from collections.abc import Mapping

from almond.design.arms import arms_of_lists
from almond.design.lists.block_order import in_latin_square
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
        return in_latin_square(plan, lists, arms)
    return lists


def trials_by_arm(plan: StudyPlan) -> Mapping[str, int]:
    """Return how many trials a participant of every arm goes through; ``""`` for all where there are none."""
    return {arm: sum(block.trials for block in blocks_of(plan, arm)) for arm in arm_names(plan)}


def arm_names(plan: StudyPlan) -> list[str]:
    return [arm.name for arm in plan.arms] or [""]


def blocks_of(plan: StudyPlan, arm: str) -> list[PlannedBlock]:
    """Return the blocks that the participants of an arm go through, in the plan's order."""
    return [block for block in plan.blocks if not block.arms or arm in block.arms]
