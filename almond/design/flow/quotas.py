"""Quotas by an answer: of which groups only so many people take part, and what speaks against a plan's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from almond.design.parts import PlannedBlock
from almond.design.plan import StudyPlan
from almond.design.trials import TRIAL_KINDS
from almond.design.trials.pages.quota_lines import QuotaGroup


def quota_groups(plan: StudyPlan) -> tuple[QuotaGroup, ...]:
    """Return the groups of a plan, in the order of its blocks."""
    return tuple(group for block in plan.blocks for group in groups_of_block(block))


def groups_of_block(block: PlannedBlock) -> Sequence[QuotaGroup]:
    return TRIAL_KINDS.load(block.kind).quota_groups(block)


def groups_answered(block: PlannedBlock, values: Mapping[str, Any]) -> list[QuotaGroup]:
    """Return the groups of a block in which an answer to it is."""
    return [group for group in groups_of_block(block) if group.holds(values)]


def quota_warnings(plan: StudyPlan) -> Iterator[str]:
    """Yield what may keep a study from getting all its participants, in words for experimenters."""
    for block in plan.blocks:
        for field, people in TRIAL_KINDS.load(block.kind).quota_sums(block).items():
            if people < plan.participants:
                yield (
                    f"The quotas of “{field}” in block “{block.name}” let in {people} people in all, and the "
                    f"study is for {plan.participants}."
                )
