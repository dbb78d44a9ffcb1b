"""Celery: the one task of the product.

Acknowledged late and claimed by conditional update, so that a message may come twice, or late, or after a
polling worker was faster: the job still runs once.
"""

from __future__ import annotations

from celery import Celery
from django.conf import settings

from jobs.models import Job, State
from jobs.services.claims import claim, take_back_lost
from jobs.services.execution import execute
from jobs.services.workers import Worker

app = Celery("almond", broker=settings.CELERY_BROKER_URL)
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    # How long a caller waits for a broker that does not answer, before leaving the job to a polling worker.
    broker_transport_options={"socket_connect_timeout": 5, "max_retries": 2},
    # Redis gives a message that was never acknowledged to another worker after this many seconds.
    visibility_timeout=3600,
)


@app.task(name="jobs.tasks.run_job")  # type: ignore[untyped-decorator]  # Celery has no types
def run_job(job_id: int) -> None:
    """Run one job if it still waits; jobs of dead workers are queued again first."""
    take_back_lost()
    job = Job.objects.filter(pk=job_id, state=State.QUEUED).first()
    if job and (taken := claim(job, Worker.this_process())):
        execute(taken)
