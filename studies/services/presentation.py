"""What a participant's browser receives about a study and its trials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.templatetags.static import static

from almond.design.assignment import make_lists
from almond.design.plan import StudyPlan
from almond.design.trials import TRIAL_KINDS
from generation.models import Stimulus
from studies.models import Study, images_by_name

PREVIEWED_TRIALS = 3


def constructs_json(plan: StudyPlan) -> dict[str, dict[str, str]]:
    return {
        item.name: {"question": item.question, "low": item.low, "high": item.high} for item in plan.constructs
    }


def images_json(rows: Iterable[Stimulus]) -> dict[str, dict[str, Any]]:
    """Return digest -> address and size in pixels."""
    return {row.digest: {"url": row.url, "width": row.width, "height": row.height} for row in rows}


def blocks_json(study: Study, plan: StudyPlan) -> list[dict[str, Any]]:
    """Return the blocks in order: the script that shows their trials, and the words that come before each."""
    rows = {row.name: row for row in study.blocks.all()}
    blocks = []
    for block in plan.blocks:
        kind = TRIAL_KINDS.load(block.kind)
        usual = kind.instructions(block.trials, len(block.constructs))
        blocks.append(
            {
                "name": block.name,
                "kind": block.kind,
                "script": static(kind.script),
                "trials": block.trials,
                "instructions": paragraphs(rows[block.name].instructions or usual),
                "keys": kind.keys,
            }
        )
    return blocks


def paragraphs(text: str) -> list[str]:
    """Split a text into paragraphs at its empty lines."""
    return [part.strip() for part in text.replace("\r\n", "\n").split("\n\n") if part.strip()]


def trial_json(
    name: str, planned: Mapping[str, Any], digests: Iterable[str], *, done: bool
) -> dict[str, Any]:
    return {
        "id": name,
        "index": planned["index"],
        "block": planned["block"],
        "kind": planned["kind"],
        "constructs": planned["constructs"],
        "question": planned["question"],
        "images": list(digests),
        "done": done,
    }


def preview_state(study: Study, plan: StudyPlan) -> dict[str, Any]:
    """Return what the page of the trials needs to show the first trials of each block of the first list."""
    planned = make_lists(plan, 1)[0]
    previewed = [
        trial
        for block in plan.blocks
        for trial in [trial for trial in planned if trial.block == block.name][:PREVIEWED_TRIALS]
    ]
    digests = {name: stimulus.sha256 for name, stimulus in plan.stimulus_by_id.items()}
    return {
        "live": True,
        "constructs": constructs_json(plan),
        "images": images_json(images_by_name(digests).values()),
        "blocks": blocks_json(study, plan),
        "trials": [
            trial_json(
                f"preview-{number}", trial.to_json(), [digests[name] for name in trial.stimuli], done=False
            )
            for number, trial in enumerate(previewed)
        ],
    }
