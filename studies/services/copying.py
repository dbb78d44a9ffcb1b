"""Copies of studies: a new version that names the one before it, a duplicate, a rehearsal."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from django.db import transaction

from accounts.models import User
from almond.analysis.registration.plan_changes import PlanChange, plan_changes, text_of
from almond.design.plan import StudyPlan
from almond.errors import InputError
from studies.models import Information, Study
from studies.services import BlockSpec, create_study
from studies.services.designs.parts import OWN, part_rows
from studies.services.information import information_of

LONGEST_TITLE = Study._meta.get_field("title").max_length or 0
LONGEST_SLUG = Study._meta.get_field("slug").max_length or 0
COMPARED = (
    *("participants_planned", "n_lists", "timeout_minutes", "grace_minutes"),
    *("on_withdrawal", "retention_days", "consent", "debriefing"),
)
"""Fields of a study beside its plan that a difference between versions shows."""


@transaction.atomic
def new_version(*, study: Study, by: User | None) -> Study:
    """Copy a study that can no longer be edited to a draft that names it.

    :raises InputError: the study is a draft, which can be edited itself, or a rehearsal.
    """
    if study.is_draft:
        raise InputError(f"study {study.title!r}", "is a draft: edit it", "a frozen or closed study")
    if study.rehearsal:
        raise InputError(
            f"study {study.title!r}", "is a rehearsal", "the study that it rehearses, or a duplicate"
        )
    first = study
    while first.previous is not None:
        first = first.previous
    return copy_draft(
        study, title=study.title, slug=free_slug(first.slug, "-v", start=2), by=by, previous=study
    )


@transaction.atomic
def duplicate(*, study: Study, by: User | None) -> Study:
    """Copy any study to a draft of its own."""
    ending = " (copy)"
    title = study.title[: LONGEST_TITLE - len(ending)] + ending
    return copy_draft(study, title=title, slug=free_slug(study.slug, "-copy"), by=by)


def free_slug(slug: str, ending: str, *, start: int = 1) -> str:
    """Return the first of ``slug-copy``, ``slug-copy-2`` and so on that no study has.

    :param start: the first number; 1 is not written.
    """
    return next(name for name in counted_slugs(slug, ending, start=start) if not _is_taken(name))


def _is_taken(slug: str) -> bool:
    return Study.objects.filter(slug=slug).exists()


def counted_slugs(slug: str, ending: str, *, start: int = 1) -> Iterator[str]:
    """Count through the slugs of a study's copies, each within the length of the field."""
    for number in count(start):
        if start == 1:
            words = ending if number == 1 else f"{ending}-{number}"
        else:
            words = f"{ending}{number}"
        yield slug[: LONGEST_SLUG - len(words)] + words


def copy_draft(study: Study, *, title: str, slug: str, by: User | None, **more: Any) -> Study:
    """Make a draft with the fields, blocks, rules, hypotheses and texts of a study."""
    fields = {
        field.name: getattr(study, field.name)
        for field in Study._meta.concrete_fields
        if field.editable and field.name not in OWN
    }
    parts = [row for _, row in part_rows(study)]
    blocks = [
        BlockSpec(
            kind=block.kind,
            name=block.name,
            constructs=list(block.constructs.all()),
            trials=block.trials,
            repeats=block.repeats,
            instructions=block.instructions,
            arms=block.arms,
            most_of_scene=block.most_of_scene,
            asked_of=block.asked_of,
            image_set=block.image_set,
            settings=block.settings,
        )
        for block in study.blocks.order_by("order")
    ]
    draft = create_study(title=title, slug=slug, blocks=blocks, by=by, **{**fields, **more})
    for row in [*parts, *(row for model in copied_with_study() for row in model.rows_to_copy(study))]:
        row.pk, row.study = None, draft
        row.save(force_insert=True)
    return draft


def copied_with_study() -> list[Any]:
    """List the models of other apps whose rows of a study go into its copies: those with ``rows_to_copy``."""
    related = (relation.related_model for relation in Study._meta.related_objects)
    return [model for model in related if hasattr(model, "rows_to_copy")]


def differences(study: Study, plan: StudyPlan | None) -> list[PlanChange]:
    """List what a version changes of the one before it: of the plan, and of texts and numbers beside it.

    :param plan: of this version; None while it cannot be made, and only the rest is compared.
    """
    before = study.previous
    if before is None:
        return []
    changes = [] if plan is None else plan_changes(before.frozen_plan, plan)
    told = {change.what for change in changes}
    for name in COMPARED:
        old, new = getattr(before, name), getattr(study, name)
        words = str(getattr(Study._meta.get_field(name), "verbose_name", name))
        if old != new and words not in told:
            changes.append(PlanChange(words, text_of(old), text_of(new)))
    return [*changes, *told_otherwise(before, study)]


def told_otherwise(before: Study, study: Study) -> Iterator[PlanChange]:
    """Yield what the information for participants says otherwise than that of another version."""
    were, are = information_of(before), information_of(study)
    for field in Information._meta.concrete_fields:
        old, new = getattr(were, field.name), getattr(are, field.name)
        if field.name not in ("id", "study") and old != new:
            yield PlanChange(f"information: {field.verbose_name}", text_of(old), text_of(new))
