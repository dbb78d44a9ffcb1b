"""Every change to jobs that people and other apps make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from accounts.services import record
from almond.errors import InputError
from almond.progress import Progress
from jobs.models import FINISHED, Job, State
from jobs.registry import KINDS
from jobs.services import claims
from jobs.services.dispatch import hand_over
from jobs.services.execution import execute
from jobs.services.workers import Worker


def enqueue(
    *, kind: str, arguments: Mapping[str, Any], by: User | None, key: str | None = None, max_attempts: int = 3
) -> Job:
    """Queue a job; it reaches a worker when the surrounding transaction commits.

    :param kind: a name in ``jobs.registry.KINDS``.
    :param arguments: JSON data for the run function.
    :param key: a job of this key that waits or runs is returned instead of a second one.
    :param max_attempts: how often a job whose worker stopped is started before it fails.
    :raises InputError: an unknown kind.
    """
    KINDS.check(kind)
    with transaction.atomic():
        job, made = _get_or_make(kind, dict(arguments), by, key or "", max_attempts)
        if made:
            record(verb="enqueue", subject=job, by=by, kind=kind)
            transaction.on_commit(lambda: hand_over(job.pk))
    return job


def _get_or_make(
    kind: str, arguments: dict[str, Any], by: User | None, key: str, max_attempts: int
) -> tuple[Job, bool]:
    while True:
        if key and (waiting := Job.objects.active().filter(key=key).first()):
            return waiting, False
        try:
            with transaction.atomic():
                return Job.objects.create(
                    kind=kind, arguments=arguments, requested_by=by, key=key, max_attempts=max_attempts
                ), True
        except IntegrityError:
            # Another request was faster with the same key; anything else is a fault of ours.
            if not key or not Job.objects.filter(key=key).exists():
                raise


@transaction.atomic
def cancel(*, job: Job, by: User | None) -> Job:
    """Cancel a waiting job, or request that a running one stops at its next report.

    :raises InputError: the job is finished.
    """
    waiting = Job.objects.filter(pk=job.pk, state=State.QUEUED)
    now = timezone.now()
    if waiting.update(state=State.CANCELLED, cancel_requested=True, finished_at=now) == 0:
        asked = Job.objects.filter(pk=job.pk, state=State.RUNNING).update(cancel_requested=True)
        if asked == 0:
            job.refresh_from_db()
            raise InputError(job, f"is {job.state}", "a waiting or running job")
    record(verb="cancel", subject=job, by=by)
    job.refresh_from_db()
    return job


@transaction.atomic
def retry(*, job: Job, by: User | None) -> Job:
    """Queue a failed or cancelled job again.

    :raises InputError: the job is in another state, or a job of its key waits or runs.
    """
    if job.key and Job.objects.active().filter(key=job.key).exclude(pk=job.pk).exists():
        raise InputError(job, "the same work was queued again since", "no waiting or running job like it")
    again = Job.objects.filter(pk=job.pk, state__in=[State.FAILED, State.CANCELLED])
    changed = again.update(
        state=State.QUEUED, attempts=0, progress=0.0, message="", error="", traceback="",
        cancel_requested=False, finished_at=None, result=None,
    )  # fmt: skip
    job.refresh_from_db()
    if changed == 0:
        raise InputError(job, f"is {job.state}", f"one of {FINISHED[1]}, {FINISHED[2]}")
    record(verb="retry", subject=job, by=by)
    transaction.on_commit(lambda: hand_over(job.pk))
    return job


def run_now(job: Job, *, also: Progress | None = None) -> Job:
    """Run a waiting job in this process and return it as it ended.

    A job that a dead worker held is started again; one that a living worker holds is left to it.

    :param also: receives the job's progress too.
    """
    claims.take_back_lost()
    job.refresh_from_db()
    if job.state == State.QUEUED and (taken := claims.claim(job, Worker.this_process())):
        execute(taken, also=also)
    job.refresh_from_db()
    return job
