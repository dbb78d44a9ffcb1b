"""Rehearsals: copies of studies for simulated people, who never stand among people's answers, and what came
of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.services import record
from almond.errors import InputError
from jobs.services import enqueue
from studies.models import Rehearsal, Study
from studies.services import close, freeze, open_study
from studies.services.copying import LONGEST_TITLE, copy_draft, free_slug

ENDING = " (rehearsal)"
REPORTING = "analysis.report_rehearsal"
"""The kind of job that analyses what simulated people answered, when all of them have."""


@transaction.atomic
def rehearse(*, study: Study, by: User | None) -> Study:
    """Copy a frozen study, with the same lists, for simulated people; return the open copy.

    :raises InputError: the study is a draft.
    """
    if study.is_draft:
        raise InputError(f"study {study.title!r}", "is a draft", "a frozen study")
    title = study.title.removesuffix(ENDING)[: LONGEST_TITLE - len(ENDING)] + ENDING
    slug = free_slug(study.slug.removesuffix("-rehearsal"), "-rehearsal")
    draft = copy_draft(study, title=title, slug=slug, by=by, rehearsal=True)
    return open_study(study=freeze(study=draft, by=by), by=by)


@transaction.atomic
def make_rehearsal(*, study: Study, asked: Mapping[str, Any], by: User | None) -> Rehearsal:
    """Let simulated people take part in a copy of a frozen study, in a job.

    :param asked: a rehearsal's settings, which ``ratings`` has checked.
    :raises InputError: the study is a draft.
    """
    copy = rehearse(study=study, by=by)
    row = Rehearsal.objects.create(study=study, copy=copy, asked=dict(asked), requested_by=by)
    row.job = enqueue(kind="ratings.rehearse", arguments={"rehearsal": row.pk}, by=by)
    row.save(update_fields=["job"])
    record(verb="rehearse", subject=study, by=by, rehearsal=row.pk, copy=copy.slug, asked=dict(asked))
    return row


@transaction.atomic
def finish_rehearsal(*, rehearsal: Rehearsal, result: Mapping[str, Any], by: User | None) -> Rehearsal:
    """Keep what came of a rehearsal, close its copy, and let the answers be analysed.

    It has passed where there are no ``findings``.
    """
    rehearsal.result, rehearsal.passed = dict(result), not result["findings"]
    rehearsal.finished_at = timezone.now()
    rehearsal.save(update_fields=["result", "passed", "finished_at"])
    copy = Study.objects.get(pk=rehearsal.copy_id)
    if copy.state != Study.State.CLOSED:
        close(study=copy, by=by)
    passed, findings = rehearsal.passed, len(result["findings"])
    record(verb="finish rehearsal", subject=rehearsal.study, by=by, passed=passed, findings=findings)
    enqueue(kind=REPORTING, arguments={"rehearsal": rehearsal.pk}, by=by, key=f"{REPORTING} {rehearsal.pk}")
    return rehearsal


@transaction.atomic
def keep_report(*, rehearsal: Rehearsal, **parts: Any) -> Rehearsal:
    """Keep parts of what was made of a rehearsal's answers, beside those that are there."""
    current = Rehearsal.objects.select_for_update().get(pk=rehearsal.pk)
    current.report = {**current.report, **parts}
    current.save(update_fields=["report"])
    return current
