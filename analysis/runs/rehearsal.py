"""What would come out of a study: the report on a rehearsal's answers, and how often its tests would err."""

from __future__ import annotations

import time
from typing import Any

from almond.errors import InputError
from almond.progress import Part
from almond.world.rater_model import RaterModel, RatingModel
from analysis.models import AnalysisRun, Export, PowerRun
from analysis.services import request_analysis, request_export
from analysis.services.power import request_power
from jobs.models import FINISHED, Job, State
from jobs.services import run_now
from jobs.services.execution import RunningJob
from ratings.services.rehearsals.starting import settings_of
from studies.models import Rehearsal
from studies.services.rehearsing import keep_report

LOOK_EVERY = 0.5
"""Seconds between two looks at a job that another worker has."""


def report_rehearsal(job: RunningJob) -> dict[str, Any]:
    """Arguments: rehearsal. Export the robots' answers, analyse the export, simulate studies of the design.

    Each is an export, an analysis and a power analysis like any other, made once: an attempt that takes over
    goes on with those that are there. What cannot be made is said in the rehearsal's report.
    """
    row = Rehearsal.objects.select_related("study", "copy").get(pk=job.arguments["rehearsal"])
    parts = (("report", analysed, 0.0, 0.6), ("power", simulated, 0.6, 1.0))
    for name, make, low, high in parts:
        try:
            told = make(row, job, Part(job, low, high))
        except InputError as error:
            told = {"problem": str(error)}
        row = keep_report(rehearsal=row, **{name: told})
    return {name: row.report[name] for name, *_ in parts}


def analysed(row: Rehearsal, job: RunningJob, progress: Part) -> dict[str, Any]:
    """Export and analyse a rehearsal's answers; return where the report is, and what it says first."""
    by = job.job.requested_by
    export = Export.objects.filter(study=row.copy).first() or request_export(study=row.copy, by=by)
    finished(export.job, Part(progress, 0.0, 0.3))
    export.refresh_from_db()
    run = AnalysisRun.objects.filter(export=export).first() or request_analysis(export=export, by=by)
    finished(run.job, Part(progress, 0.3, 1.0))
    run.refresh_from_db()
    return {"address": run.get_absolute_url(), "headline": list(run.result.get("headline", ()))}


def simulated(row: Rehearsal, job: RunningJob, progress: Part) -> dict[str, Any]:
    """Simulate studies with the declared effect and without; return what was found and where it stands."""
    settings = settings_of(row)
    if not settings.studies:
        return {"problem": "no studies were to be simulated"}
    known = PowerRun.objects.filter(pk=row.report.get("power_run")).first()
    run = known or ask_for_power(row, job)
    finished(run.job, progress)
    run.refresh_from_db()
    told = {"headline": run.headline, "effect": settings.effect, "studies": settings.studies}
    return {"address": run.get_absolute_url(), **told}


def ask_for_power(row: Rehearsal, job: RunningJob) -> PowerRun:
    """Ask for the planned design with the declared people, and keep which analysis that is."""
    settings = settings_of(row)
    people = settings.psychology
    run = request_power(
        study=row.study,
        people=(),
        themes=(),
        effects=(settings.effect,),
        studies=settings.studies,
        seed=settings.seed,
        raters=RaterModel(
            ratings=RatingModel(points=people.noise), careless=people.careless, drop_out=people.drop_out
        ),
        by=job.job.requested_by,
    )
    keep_report(rehearsal=row, power_run=run.pk)
    return run


def finished(job: Job | None, progress: Part) -> None:
    """Run a job here, or wait for the worker that has it.

    :raises InputError: it was cancelled, or has failed.
    """
    if job is None:
        raise InputError("job", "is not there any more", "the job that was asked for")
    job = run_now(job, also=progress)
    while job.state not in FINISHED:
        progress.report(0.0, f"waiting for {job}")
        time.sleep(LOOK_EVERY)
        job = run_now(job, also=progress)
    if job.state != State.DONE:
        raise InputError(str(job), f"has {job.state}: {job.error}" if job.error else f"is {job.state}")
