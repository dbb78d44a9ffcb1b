"""What a participant's browser receives about a study and its trials."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from django.conf import settings
from django.templatetags.static import static

from almond.design.assignment import arm_names, blocks_of
from almond.design.flow.branching import waits
from almond.design.plan import PlannedBlock, StudyPlan
from almond.design.trials import TRIAL_KINDS
from almond.design.trials.timing import course_of
from almond.design.words import ENGLISH
from almond.design.words.shown import words_before
from studies.models import Study


def constructs_json(plan: StudyPlan) -> dict[str, dict[str, str]]:
    return {
        item.name: {"question": item.question, "low": item.low, "high": item.high} for item in plan.constructs
    }


def blocks_json(study: Study, plan: StudyPlan) -> list[dict[str, Any]]:
    """Return the blocks in order: the script that shows their trials, the words that come before each, and
    when a browser has to ask what comes (``waits``; absent where it never has to).

    Plans that were frozen before they recorded these words have them from the rows of the study.
    """
    words = {one.block: one for one in plan.words}
    written = {} if words else dict(study.blocks.values_list("name", "instructions"))
    blocks = []
    for block, wait in zip(plan.blocks, waits(plan), strict=True):
        kind = TRIAL_KINDS.load(block.kind)
        player, played = kind.played_as(block)
        said = words.get(block.name) or words_before(block, plan.language, written[block.name])
        blocks.append(
            {
                "name": block.name,
                "kind": played.kind,
                "script": static(player.script),
                "trials": block.trials,
                "instructions": paragraphs(said.instructions),
                "keys": said.keys,
                **({"shown": shown} if (shown := kind.shown(block)) else {}),
                **({"waits": wait} if wait else {}),
                **({"style": static(player.style)} if player.style else {}),
                **({"course": course} if (course := course_json(played)) else {}),
            }
        )
    return blocks


def course_json(block: PlannedBlock) -> dict[str, Any]:
    """Return the course in time of a block's trials with the script that keeps it; nothing without one."""
    course = course_of(block)
    return {**course, "script": static("js/timing.js")} if course else {}


def estimated_minutes(plan: StudyPlan) -> int:
    """Estimate how long a visit takes, at least one minute; with arms, that of the arm that takes longest."""
    return max(minutes_of(blocks_of(plan, arm)) for arm in arm_names(plan))


def minutes_of(blocks: Sequence[PlannedBlock]) -> int:
    """Estimate how long blocks take together, at least one minute."""
    seconds = sum(block.trials * TRIAL_KINDS.load(block.kind).seconds(block) for block in blocks)
    return max(1, round(seconds / 60))


@cache
def script_words(language: str) -> dict[str, Any]:
    """Return the catalogue of what the pages' scripts say: English text -> translation, or its plural forms.

    Empty for English, in which the scripts are written.
    """
    if language == ENGLISH:
        return {}
    path = settings.BASE_DIR / "locale" / language / "scripts.json"
    words: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return words


def scripts(plan: StudyPlan) -> list[str]:
    """Return the addresses of the scripts that show a study's trials, each once."""
    players = (TRIAL_KINDS.load(block.kind).played_as(block)[0] for block in plan.blocks)
    return [static(script) for script in dict.fromkeys(player.script for player in players)]


def paragraphs(text: str) -> list[str]:
    """Split a text into paragraphs at its empty lines."""
    return [part.strip() for part in text.replace("\r\n", "\n").split("\n\n") if part.strip()]
