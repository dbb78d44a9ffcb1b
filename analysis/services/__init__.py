"""Every change to exports and analyses: who asked is written down, the work is handed to jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.services import record
from almond.errors import InputError
from analysis.models import AnalysisRun, Export
from jobs.services import enqueue
from studies.amendments import is_blind
from studies.models import Study
from studies.services.blind import EXPECTED, locked, look_for_export, standing


@transaction.atomic
def request_export(
    *, study: Study, by: User | None, licence: str = "", authors: str = "", citation: str = ""
) -> Export:
    """Ask for an export of a study as it stands when the job runs; before the end, use a planned look.

    :param licence: of the data, an identifier of SPDX. :param authors: who is to be cited, one per line.
    :raises InputError: a draft, a study that is blind while the plan allows no look, a licence that is no
        identifier, an author who stands twice.
    """
    if study.is_draft:
        raise InputError(study, "is a draft without a frozen plan", "a frozen study")
    export = Export(study=study, requested_by=by, licence=licence, authors=authors, citation=citation)
    _ = export.publication  # refused here, not by the job
    export.look = look_for_export(study=study, by=by)
    export.save()
    export.job = enqueue(kind="analysis.export", arguments={"export": export.pk}, by=by)
    export.save(update_fields=["job"])
    record(verb="request", subject=export, by=by, study=study.pk)
    return export


@transaction.atomic
def finish_export(
    *, export: Export, folder: str, digest: str, counts: Mapping[str, int], by: User | None
) -> Export:
    """Keep what the job wrote: the folder's name, the digest of its manifest, the rows of its tables."""
    export.folder, export.digest, export.counts = folder, digest, dict(counts)
    export.finished_at = timezone.now()
    export.save(update_fields=["folder", "digest", "counts", "finished_at"])
    record(verb="export", subject=export, by=by, digest=digest)
    return export


@transaction.atomic
def request_analysis(*, export: Export, by: User | None, permutations: int | None = None) -> AnalysisRun:
    """Ask for an analysis of an export; ``permutations`` other than the plan's makes it exploratory.

    ``InputError`` for an export that is not ready, or that is not to be analysed (again) before the end.
    """
    if not export.is_ready:
        raise InputError(export, f"is {export.standing}", "an export that is ready")
    if permutations is not None and permutations < 1:
        raise InputError("permutations", f"is {permutations}", "1 or more")
    if permutations == planned_permutations(export.study):
        permutations = None
    if export.look is not None:
        locked(export.study)  # nobody else asks for its analysis meanwhile
    check_shown(export)
    check_look(export, permutations)
    run = AnalysisRun.objects.create(export=export, permutations=permutations, requested_by=by)
    run.job = enqueue(kind="analysis.analyse", arguments={"run": run.pk}, by=by)
    run.save(update_fields=["job"])
    record(verb="request", subject=run, by=by, export=export.digest, permutations=permutations)
    return run


def check_shown(export: Export) -> None:
    """Raise ``InputError`` while nobody may see the answers of an export."""
    if not export.is_shown:
        now = standing(export.study)
        reason = now.reason or "is blind until it is closed, and this export was no planned look"
        raise InputError(f"study {export.study.title!r}", reason, EXPECTED)


def blocked(export: Export) -> str:
    """Say why an export cannot be analysed as planned now; empty where it can."""
    try:
        check_shown(export)
        check_look(export, None)
    except InputError as error:
        return str(error)
    return ""


def check_look(export: Export, permutations: int | None) -> None:
    """Raise ``InputError`` for anything but the one planned analysis of a look before the end."""
    if export.look is None or not is_blind(export.study):
        return
    if permutations is not None:
        raise InputError("permutations", f"is {permutations} at a planned look", "the number of the plan")
    if (run := export.runs.first()) is not None:
        raise InputError(export, f"has its analysis already: {run.pk}", "one analysis at each planned look")


def planned_permutations(study: Study) -> int:
    return study.frozen_plan.analysis.permutations


@transaction.atomic
def finish_analysis(
    *, run: AnalysisRun, folder: str, mode: str, result: Mapping[str, Any], by: User | None
) -> AnalysisRun:
    """Keep an analysis and where its report lies."""
    run.folder, run.mode, run.result = folder, mode, dict(result)
    run.finished_at = timezone.now()
    run.save(update_fields=["folder", "mode", "result", "finished_at"])
    record(verb="analyse", subject=run, by=by, export=run.export.digest, mode=mode)
    return run
