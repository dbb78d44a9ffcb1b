"""What a participant's attention and comprehension checks came to, by the panels' rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from almond.design.flow.verdict import CheckVerdict, planned_minutes, verdict_of
from almond.design.plan import PlannedBlock, StudyPlan
from almond.design.trials import TRIAL_KINDS
from ratings.models import Participant, Trial
from studies.models import Study


def attention_blocks(plan: StudyPlan) -> list[PlannedBlock]:
    """Return the blocks of a plan that are attention checks."""
    return [block for block in plan.blocks if TRIAL_KINDS.load(block.kind).checks == "attention"]


def attention_checks_passed(study: Study) -> Counter[int]:
    """Count the attention checks that each participant of a frozen study passed, by the row's number."""
    blocks = {block.name: block for block in attention_blocks(study.frozen_plan)}
    rows = Trial.objects.filter(participant__study=study, block__in=blocks, response__isnull=False)
    passed: Counter[int] = Counter()
    for person, name, values in rows.values_list("participant", "block", "response__values"):
        outcome = TRIAL_KINDS.load(blocks[name].kind).outcome(blocks[name], [values])
        passed[person] += outcome.get("passed") == "yes"
    return passed


def check_verdict(participant: Participant) -> CheckVerdict | None:
    """Judge a participant's checks; None in a study without any.

    The study's length is that of its plan, which is what people were told.
    """
    plan = participant.study.frozen_plan
    blocks = [block.name for block in plan.blocks if TRIAL_KINDS.load(block.kind).checks is not None]
    if not blocks:
        return None
    rows = participant.trials.filter(block__in=blocks).order_by("index")
    answers: dict[str, list[Mapping[str, Any] | None]] = {name: [] for name in blocks}
    for block, values in rows.values_list("block", "response__values"):
        answers[block].append(values)
    return verdict_of(plan, answers, planned_minutes(plan))
