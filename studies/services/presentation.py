"""What a participant's browser receives about a study and its trials."""

from __future__ import annotations

from typing import Any

from django.templatetags.static import static

from almond.design.plan import PlannedBlock, StudyPlan
from almond.design.trials import TRIAL_KINDS
from almond.design.trials.timing import course_of
from studies.models import Study


def constructs_json(plan: StudyPlan) -> dict[str, dict[str, str]]:
    return {
        item.name: {"question": item.question, "low": item.low, "high": item.high} for item in plan.constructs
    }


def blocks_json(study: Study, plan: StudyPlan) -> list[dict[str, Any]]:
    """Return the blocks in order: the script that shows their trials, and the words that come before each."""
    rows = {row.name: row for row in study.blocks.all()}
    blocks = []
    for block in plan.blocks:
        kind = TRIAL_KINDS.load(block.kind)
        usual = kind.instructions(block)
        blocks.append(
            {
                "name": block.name,
                "kind": block.kind,
                "script": static(kind.script),
                "trials": block.trials,
                "instructions": paragraphs(rows[block.name].instructions or usual),
                "keys": kind.keys,
                **({"shown": shown} if (shown := kind.shown(block)) else {}),
                **({"style": static(kind.style)} if kind.style else {}),
                **({"course": course} if (course := course_json(block)) else {}),
            }
        )
    return blocks


def course_json(block: PlannedBlock) -> dict[str, Any]:
    """Return the course in time of a block's trials with the script that keeps it; nothing without one."""
    course = course_of(block)
    return {**course, "script": static("js/timing.js")} if course else {}


def scripts(plan: StudyPlan) -> list[str]:
    """Return the addresses of the scripts that show a study's trials, each once."""
    kinds = dict.fromkeys(block.kind for block in plan.blocks)
    return [static(TRIAL_KINDS.load(kind).script) for kind in kinds]


def paragraphs(text: str) -> list[str]:
    """Split a text into paragraphs at its empty lines."""
    return [part.strip() for part in text.replace("\r\n", "\n").split("\n\n") if part.strip()]
