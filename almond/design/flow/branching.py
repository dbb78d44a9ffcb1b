"""Which trials of a list nobody is asked any more, given what was answered: skipped blocks, an early end.

A function of the plan and the answers alone. Answers are stored once, so that what was skipped stays so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from almond.design.parts import PlannedBlock
from almond.design.plan import StudyPlan
from almond.design.trials import TRIAL_KINDS
from almond.design.trials.base import PlannedTrial

Answers = Mapping[int, Mapping[str, Any]]
"""Index of an answered trial -> what was posted as ``values``."""


@dataclass(frozen=True)
class Standing:
    """Where somebody stands: indices of unanswered trials that are not asked, and the block whose answer
    ended the visit (None: none did)."""

    skipped: frozenset[int] = frozenset()
    ended_by: str | None = None


def branches(plan: StudyPlan) -> bool:
    """Tell whether what is asked depends on answers."""
    return any(block.only_if or block.end_if or asks_again(block) for block in plan.blocks)


def asks_again(block: PlannedBlock) -> bool:
    """Tell whether later trials of a block are asked only by what was answered to the first."""
    return TRIAL_KINDS.load(block.kind).asks_again(block)


def deciding_blocks(plan: StudyPlan) -> frozenset[str]:
    """Name the blocks on whose answers it depends what is asked."""
    conditions = [
        condition for block in plan.blocks for condition in (block.only_if, block.end_if) if condition
    ]
    again = {block.name for block in plan.blocks if asks_again(block)}
    return frozenset({condition.block for condition in conditions} | again)


def waits(plan: StudyPlan) -> Iterator[str]:
    """Say of every block when a browser has to ask what comes: ``before`` it, before ``each`` of its trials,
    or never (empty)."""
    ended = False
    for block in plan.blocks:
        yield "each" if asks_again(block) else "before" if block.only_if or ended else ""
        ended = block.end_if is not None or bool(TRIAL_KINDS.load(block.kind).quota_groups(block))


def standing_of(plan: StudyPlan, trials: Sequence[PlannedTrial], answers: Answers) -> Standing:
    """Return where somebody stands, from the trials of their list in order and what they answered."""
    own: dict[str, list[PlannedTrial]] = {block.name: [] for block in plan.blocks}
    for trial in trials:
        own[trial.block].append(trial)
    outcomes: dict[str, Mapping[str, str] | None] = {}
    skipped: set[int] = set()
    ended_by: str | None = None
    for block in plan.blocks:
        unanswered = {trial.index for trial in own[block.name]} - answers.keys()
        if ended_by is not None or not is_asked(block, outcomes):
            skipped |= unanswered
            outcomes[block.name] = {}
            continue
        kind = TRIAL_KINDS.load(block.kind)
        given = [answers.get(trial.index) for trial in own[block.name]]
        needless = {own[block.name][place].index for place in kind.needless(block, given)}
        skipped |= needless & unanswered
        done = unanswered <= needless
        outcomes[block.name] = kind.outcome(block, given) if done else None
        if done and block.end_if and block.end_if.holds(outcomes.get(block.end_if.block) or {}):
            ended_by = block.name
    return Standing(frozenset(skipped), ended_by)


def is_asked(block: PlannedBlock, outcomes: Mapping[str, Mapping[str, str] | None]) -> bool:
    """Tell whether a block is asked: also as long as it is not decided."""
    if block.only_if is None:
        return True
    outcome = outcomes.get(block.only_if.block)
    return outcome is None or block.only_if.holds(outcome)
