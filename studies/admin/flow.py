"""A study as a row of steps: what a participant goes through, for the page of the study."""

from __future__ import annotations

from dataclasses import dataclass, field

from almond.design.plan import Block, StudyPlan
from generation.models import Stimulus
from studies.models import Study

SHOWN = 4
# Rough medians of attentive adults, only to tell an experimenter how long a visit may take.
SECONDS_PER_SLIDER, SECONDS_PER_CHOICE = 3.5, 2.5


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


def block_step(block: Block, plan: StudyPlan, images: dict[str, Stimulus]) -> Step:
    if block.kind == "rating":
        shown = [stimulus.id for stimulus in plan.stimuli[:SHOWN]]
        lines = [f"{block.trials} images" + (f", {block.repeats} of them twice" if block.repeats else "")]
        lines.append(f"sliders: {', '.join(block.constructs)}")
        title, icon = "Rating", "linear_scale"
    else:
        pairs = plan.pairs_of(block)
        shown = [name for pair in pairs[: SHOWN // 2] for name in (pair.low, pair.high)]
        asked = sorted({f"{pair.target}: {pair.construct}" for pair in pairs})
        lines = [f"{block.trials} of {len(pairs)} pairs", ", ".join(asked)]
        title, icon = "Choice", "compare"
    return Step(f"{title} ({block.name})", icon, lines, [images[name] for name in shown if name in images])


def minutes(plan: StudyPlan) -> int:
    """About how long a visit takes, at least one minute."""
    seconds = sum(
        block.trials
        * (SECONDS_PER_SLIDER * len(block.constructs) if block.kind == "rating" else SECONDS_PER_CHOICE)
        for block in plan.blocks
    )
    return max(1, round(seconds / 60))
