"""Which trials a participant sees, in which order, with which image on which side.

Lists are made once, when a study is frozen, and are a function of the plan alone (its seed included).

- *Exposure*: over the lists, every stimulus (pair) of a block stands in equally many lists, within one.
- *Cells*: when a list shows only some of them, targets, directions, base scenes and the themes that the plan
  states are spread evenly in it.
- *Sides*: the image guided up is left as often as right in every list and for every pair over the lists, and
  within a list for every target: exactly when the number is even, within one when it is odd.
- *Order*: a base scene (so also a stimulus) never follows itself where the others allow it, nor, where they
  allow that, a theme; an image that is shown again comes at least a quarter of the block after its first
  showing.
"""

from __future__ import annotations

from almond.design.plan import StudyPlan
from almond.design.trials import TRIAL_KINDS
from almond.design.trials.base import PlannedTrial
from almond.errors import InputError
from almond.rng import generator


def make_lists(plan: StudyPlan, n_lists: int) -> list[list[PlannedTrial]]:
    """Make ``n_lists`` lists of ``plan.trials`` trials each; ``InputError`` for fewer than one list."""
    if n_lists < 1:
        raise InputError("number of lists", f"is {n_lists}", "at least 1")
    lists: list[list[PlannedTrial]] = [[] for _ in range(n_lists)]
    for block in plan.blocks:
        rng = generator(plan.seed, "assignment", block.name)
        blocks = TRIAL_KINDS.load(block.kind).make_lists(plan, block, lists, rng)
        for trials, further in zip(lists, blocks, strict=True):
            trials.extend(further)
    return lists
