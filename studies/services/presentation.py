"""What a participant's browser receives about a study and its trials."""

from __future__ import annotations

from typing import Any

from django.templatetags.static import static

from almond.design.flow.branching import waits
from almond.design.plan import StudyPlan
from almond.design.trials import TRIAL_KINDS
from almond.design.trials.timing import course_of
from studies.models import Study


def constructs_json(plan: StudyPlan) -> dict[str, dict[str, str]]:
    return {
        item.name: {"question": item.question, "low": item.low, "high": item.high} for item in plan.constructs
    }


def blocks_json(study: Study, plan: StudyPlan) -> list[dict[str, Any]]:
    """Return the blocks in order: the script that shows their trials, the words that come before each, and
    when a browser has to ask what comes (``waits``; absent where it never has to)."""
    rows = {row.name: row for row in study.blocks.all()}
    blocks = []
    for block, wait in zip(plan.blocks, waits(plan), strict=True):
        kind = TRIAL_KINDS.load(block.kind)
        usual = kind.instructions(block)
        player, played = kind.played_as(block)
        blocks.append(
            {
                "name": block.name,
                "kind": played.kind,
                "script": static(player.script),
                "trials": block.trials,
                "instructions": paragraphs(rows[block.name].instructions or usual),
                "keys": player.keys,
                **({"shown": shown} if (shown := kind.shown(block)) else {}),
                **({"waits": wait} if wait else {}),
                **({"course": course} if (course := course_of(played)) else {}),
            }
        )
    return blocks


def scripts(plan: StudyPlan) -> list[str]:
    """Return the addresses of the scripts that show a study's trials, each once."""
    players = (TRIAL_KINDS.load(block.kind).played_as(block)[0] for block in plan.blocks)
    return [static(script) for script in dict.fromkeys(player.script for player in players)]


def paragraphs(text: str) -> list[str]:
    """Split a text into paragraphs at its empty lines."""
    return [part.strip() for part in text.replace("\r\n", "\n").split("\n\n") if part.strip()]
