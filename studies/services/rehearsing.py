"""Copies of studies for simulated participants, who never stand among people's answers."""

from __future__ import annotations

from django.db import transaction

from accounts.models import User
from almond.errors import InputError
from studies.models import Study
from studies.services import freeze, open_study
from studies.services.copying import LONGEST_TITLE, copy_draft, counted_slugs


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
        name
        for name in counted_slugs(study.slug, "-rehearsal")
        if not Study.objects.filter(slug=name, state="closed").exists()
    )
    copy = Study.objects.filter(slug=slug).first() or _copy(study, slug, by)
    return copy if copy.is_live else open_study(study=copy, by=by)


def _copy(study: Study, slug: str, by: User | None) -> Study:
    """Make a frozen copy of a study with its blocks, and with the same lists."""
    ending = " (rehearsal)"
    title = study.title[: LONGEST_TITLE - len(ending)] + ending
    return freeze(study=copy_draft(study, title=title, slug=slug, by=by, rehearsal=True), by=by)
