"""A study as a row of steps: what a participant goes through, for the page of the study."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from almond.design.arms import arms_of_lists
from almond.design.assignment import arm_names, blocks_of
from almond.design.flow.quotas import groups_of_block
from almond.design.plan import PlannedBlock, PlannedPair, StudyPlan
from almond.design.trials import TRIAL_KINDS
from almond.design.trials.timing import deadline_of
from generation.models import Stimulus
from studies.models import Study
from studies.services.presentation import minutes_of

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
    return [
        Step("Consent", "handshake", [f"{len(study.consent.split())} words"]),
        *blocks,
        Step("Debriefing", "forum", [f"{len(study.debriefing.split())} words"]),
        Step("Code", "verified", ["by how the visit ended"]),
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
        [*kind.summary(plan, block), *limit_lines(block), *branching_lines(block)],
        [images[name] for name in stimuli[:SHOWN] if name in images],
    )


def limit_lines(block: PlannedBlock) -> list[str]:
    """Say of what a block has only so much: seconds for an answer, places for people."""
    deadline, fields = deadline_of(block), dict.fromkeys(group.field for group in groups_of_block(block))
    timed = [f"deadline {deadline:g} s"] if deadline else []
    return [*timed, *([f"quotas: {', '.join(fields)}"] if fields else [])]


def branching_lines(block: PlannedBlock) -> list[str]:
    """Say when a block is skipped and when the visit ends behind it; nothing for most."""
    only = [f"only if {block.only_if.words()}"] if block.only_if else []
    return [*only, *([f"ends the visit if {block.end_if.words()}"] if block.end_if else [])]


@dataclass(frozen=True)
class PlannedArm:
    """An arm: how many participants it will have, what they go through, and for how long."""

    name: str
    participants: int
    lists: int
    blocks: str
    trials: int
    minutes: int


@dataclass(frozen=True)
class PlannedExposure:
    """How often the images, or pairs, of a block will be shown in all, when everybody has taken part."""

    block: str
    shown: int
    items: str
    least: int
    most: int

    @property
    def times(self) -> str:
        return f"{self.least}" if self.least == self.most else f"{self.least} to {self.most}"


def capacities(study: Study) -> list[int]:
    """Return how many participants each list is for."""
    base, more = divmod(study.participants_planned, study.n_lists)
    return [base + (number < more) for number in range(study.n_lists)]


def planned_arms(study: Study, plan: StudyPlan) -> list[PlannedArm]:
    """Describe the arms of a study; none where it has none, or fewer lists than arms."""
    if not plan.arms or study.n_lists < len(plan.arms):
        return []
    of_lists = arms_of_lists(plan.arms, study.n_lists)
    people: Counter[str] = Counter()
    for arm, capacity in zip(of_lists, capacities(study), strict=True):
        people[arm] += capacity
    rows = []
    for arm in arm_names(plan):
        own = blocks_of(plan, arm)
        names, trials = ", ".join(block.name for block in own), sum(block.trials for block in own)
        rows.append(PlannedArm(arm, people[arm], of_lists.count(arm), names, trials, minutes_of(own)))
    return rows


def planned_exposures(study: Study, plan: StudyPlan) -> list[PlannedExposure]:
    """Compute the showings of each block's images or pairs, without second ones, from the lists' sizes.

    Each item stands in so many lists, or one more; the lists with the fewest and with the most participants
    bound its showings.
    """
    if study.n_lists < len(plan.arms):
        return []
    arms, sizes = arms_of_lists(plan.arms, study.n_lists), capacities(study)
    rows = []
    for block in plan.blocks:
        items = len(plan.items_of(block))
        own = sorted(
            size for arm, size in zip(arms, sizes, strict=True) if not block.arms or arm in block.arms
        )
        if not items:
            continue
        low, rest = divmod(len(own) * block.distinct, items)
        high = low + (rest > 0)
        kind = TRIAL_KINDS.load(block.kind)
        noun = "pairs" if kind.shows == "pairs" else "images"
        rows.append(PlannedExposure(block.name, items, noun, sum(own[:low]), sum(own[len(own) - high :])))
    return rows
