"""A study as a row of steps: what a participant goes through, for the page of the study."""

from __future__ import annotations

from dataclasses import dataclass, field

from almond.design.plan import PlannedBlock, PlannedPair, StudyPlan
from almond.design.trials import TRIAL_KINDS
from generation.models import Stimulus
from studies.models import Study

SHOWN = 4


@dataclass(frozen=True)
class Step:
    """One step: its title, what is in it, a few of its pictures."""

    title: str
    icon: str
    lines: list[str]
    images: list[Stimulus] = field(default_factory=list)


def steps(study: Study, plan: StudyPlan, images: dict[str, Stimulus]) -> list[Step]:
    blocks = [block_step(block, plan, images) for block in plan.blocks]
    code = study.completion_code or "one for each participant"
    return [
        Step("Consent", "handshake", [f"{len(study.consent.split())} words"]),
        *blocks,
        Step("Debriefing", "forum", [f"{len(study.debriefing.split())} words"]),
        Step("Code", "verified", [code]),
    ]


def block_step(block: PlannedBlock, plan: StudyPlan, images: dict[str, Stimulus]) -> Step:
    kind = TRIAL_KINDS.load(block.kind)
    stimuli = [
        name
        for item in plan.items_of(block)[:SHOWN]
        for name in ([item.low, item.high] if isinstance(item, PlannedPair) else [item.id])
    ]
    return Step(
        f"{kind.name.replace('_', ' ').capitalize()} ({block.name})",
        kind.icon,
        [*kind.summary(plan, block), *branching_lines(block)],
        [images[name] for name in stimuli[:SHOWN] if name in images],
    )


def branching_lines(block: PlannedBlock) -> list[str]:
    """Say when a block is skipped and when the visit ends behind it; nothing for most."""
    only = [f"only if {block.only_if.words()}"] if block.only_if else []
    return [*only, *([f"ends the visit if {block.end_if.words()}"] if block.end_if else [])]
