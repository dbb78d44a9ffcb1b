"""What a participant's attention and comprehension checks came to, by the panels' rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from almond.design.flow.verdict import CheckVerdict, planned_minutes, verdict_of
from almond.design.trials import TRIAL_KINDS
from ratings.models import Participant


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
