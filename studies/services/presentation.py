"""What a participant's browser is told about a study and its trials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from almond.design.plan import StudyPlan
from generation.models import Stimulus
from studies import texts
from studies.models import Block, Study


def constructs_json(plan: StudyPlan) -> dict[str, dict[str, str]]:
    return {
        item.name: {"question": item.question, "low": item.low, "high": item.high} for item in plan.constructs
    }


def images_json(rows: Iterable[Stimulus]) -> dict[str, dict[str, Any]]:
    """Digest -> address and size in pixels."""
    return {row.digest: {"url": row.url, "width": row.width, "height": row.height} for row in rows}


def blocks_json(study: Study, plan: StudyPlan) -> list[dict[str, Any]]:
    """The blocks in order, with the words that come before each."""
    own = {row.name: row for row in study.blocks.all()}
    return [
        {
            "name": block.name,
            "kind": block.kind,
            "trials": block.trials,
            "instructions": instructions(own[block.name], block.trials, len(block.constructs)),
            "keys": texts.KEYS[block.kind],
        }
        for block in plan.blocks
    ]


def instructions(block: Block, trials: int, constructs: int) -> list[str]:
    """The paragraphs shown before a block."""
    usual = (
        texts.rating_instructions(trials, constructs)
        if block.kind == Block.Kind.RATING
        else texts.choice_instructions(trials)
    )
    return split(block.instructions or usual)


def split(text: str) -> list[str]:
    """Paragraphs: what empty lines part."""
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
