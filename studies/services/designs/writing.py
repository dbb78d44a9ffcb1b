"""A study's design as JSON."""

from __future__ import annotations

import json
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from studies.models import Block, Construct, Study
from studies.services.designs.parts import OWN, editable_fields, part_models, part_rows
from studies.services.designs.shape import FORMAT

WORDS = ("language", "question", "low", "high", "choice")
"""Fields of a construct and of its translations that are words."""


def design_json(study: Study) -> dict[str, Any]:
    """Return the design of a study in any state; ``read_design`` reads it back."""
    blocks = list(study.blocks.prefetch_related("constructs").order_by("order"))
    constructs = {row.name: row for block in blocks for row in block.constructs.all()}
    parts: dict[str, list[dict[str, Any]]] = {key: [] for key in part_models()}
    for key, row in part_rows(study):
        parts[key].append(values_of(row))
    return {
        "format": FORMAT,
        "title": study.title,
        "matched_set": study.matched_set.name if study.matched_set else None,
        "image_set": study.image_set.name if study.image_set else None,
        "fields": {name: value for name, value in values_of(study).items() if name not in OWN},
        "constructs": [construct_json(row) for _, row in sorted(constructs.items())],
        "blocks": [block_json(block) for block in blocks],
        "parts": {key: rows for key, rows in parts.items() if rows},
    }


def construct_json(row: Construct) -> dict[str, Any]:
    texts = [{name: getattr(text, name) for name in WORDS} for text in row.texts.all()]
    own = {name: getattr(row, name) for name in (*WORDS, "name", "target")}
    return {**own, "translations": texts}


def block_json(block: Block) -> dict[str, Any]:
    return {
        "kind": block.kind,
        "name": block.name,
        "trials": block.trials,
        "repeats": block.repeats,
        "instructions": block.instructions,
        "arms": block.arms,
        "most_of_scene": block.most_of_scene,
        "asked_of": block.asked_of,
        "photographs": block.image_set.name if block.image_set else None,
        "constructs": sorted(row.name for row in block.constructs.all()),
        "settings": block.settings,
    }


def values_of(row: models.Model) -> dict[str, Any]:
    """Return the values of a row's own fields as JSON values."""
    values = {field.name: field.value_from_object(row) for field in editable_fields(type(row))}
    plain: dict[str, Any] = json.loads(json.dumps(values, cls=DjangoJSONEncoder))
    return plain


def design_bytes(study: Study) -> bytes:
    """Return the file of a study's design."""
    return json.dumps(design_json(study), ensure_ascii=False, indent=1).encode() + b"\n"
