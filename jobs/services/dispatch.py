"""How a committed job reaches a worker, as ``settings.JOBS_DISPATCHER`` says.

The row alone decides what runs; a dispatcher only notifies. Polling workers look for rows by themselves,
Celery sends the job's number through the broker, inline runs it in this process.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.conf import settings

from jobs.models import Job
from jobs.services import claims
from jobs.services.execution import execute
from jobs.services.workers import Worker

logger = logging.getLogger(__name__)


def wait_for_poll(job_id: int) -> None:
    """Do nothing: a polling worker finds the row by itself."""


def send_to_celery(job_id: int) -> None:
    from jobs.tasks import run_job  # Celery is an extra: loaded only where it is chosen

    try:
        run_job.delay(job_id)
    except run_job.OperationalError:
        # The row is committed: a polling worker, or the next start of a Celery worker, runs it.
        logger.exception("job %d: the broker did not answer", job_id)


def run_inline(job_id: int) -> None:
    job = Job.objects.get(pk=job_id)
    if taken := claims.claim(job, Worker.this_process()):
        execute(taken)


DISPATCHERS: dict[str, Callable[[int], None]] = {
    "polling": wait_for_poll,
    "celery": send_to_celery,
    "inline": run_inline,
}


def hand_over(job_id: int) -> None:
    DISPATCHERS[settings.JOBS_DISPATCHER](job_id)


def hand_over_waiting() -> None:
    """Queue again what dead workers held, and hand over every waiting job once more."""
    claims.take_back_lost()
    for job_id in list(Job.objects.queued().values_list("pk", flat=True)):
        hand_over(job_id)
