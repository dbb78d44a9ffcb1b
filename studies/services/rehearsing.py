"""Copies of studies for simulated participants, who never stand among people's answers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from django.db import transaction

from accounts.models import User
from almond.errors import InputError
from studies.models import Preregistration, Study
from studies.services import BlockSpec, create_study, freeze, open_study

OWN = {"id", "title", "slug", "rehearsal"}
"""Fields that a copy does not take over."""


@transaction.atomic
def rehearse(*, study: Study, by: User | None) -> Study:
    """Return an open rehearsal of a frozen study: itself, a copy that is there, or a new one.

    :raises InputError: the study is a draft.
    """
    if study.is_draft:
        raise InputError(
            f"study {study.title!r}", "is a draft", "a frozen study, or a draft that is a rehearsal"
        )
    if study.rehearsal:
        return study
    slug = next(
        name for name in _slugs(study) if not Study.objects.filter(slug=name, state="closed").exists()
    )
    copy = Study.objects.filter(slug=slug).first() or _copy(study, slug, by)
    return copy if copy.is_live else open_study(study=copy, by=by)


def _slugs(study: Study) -> Iterator[str]:
    """Count through the slugs of a study's rehearsals, each within the length of the field."""
    longest = Study._meta.get_field("slug").max_length or 0
    endings = ("-rehearsal" if number == 1 else f"-rehearsal-{number}" for number in count(1))
    return (study.slug[: longest - len(ending)] + ending for ending in endings)


def _copy(study: Study, slug: str, by: User | None) -> Study:
    """Make a frozen copy of a study with its blocks, and with the same lists."""
    fields = {
        field.name: getattr(study, field.name)
        for field in Study._meta.concrete_fields
        if field.editable and field.name not in OWN
    }
    ending = " (rehearsal)"
    title = study.title[: (Study._meta.get_field("title").max_length or 0) - len(ending)] + ending
    blocks = [
        BlockSpec(
            kind=block.kind,
            name=block.name,
            constructs=list(block.constructs.all()),
            trials=block.trials,
            repeats=block.repeats,
            instructions=block.instructions,
        )
        for block in study.blocks.order_by("order")
    ]
    draft = create_study(title=title, slug=slug, blocks=blocks, by=by, rehearsal=True, **fields)
    rows: list[Any] = [
        *study.hypotheses.all(),
        *study.exclusions.all(),
        *Preregistration.objects.filter(study=study),
    ]
    for row in rows:
        row.pk, row.study = None, draft
        row.save(force_insert=True)
    return freeze(study=draft, by=by)
