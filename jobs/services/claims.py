"""Claiming, releasing and ending jobs: each a conditional UPDATE that holds only if one row changed."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Value
from django.db.models.functions import Concat
from django.utils import timezone

from jobs.models import Job, State
from jobs.services.workers import Worker

logger = logging.getLogger(__name__)

# A worker without a heartbeat for this long counts as dead. A heartbeat is written every BEAT seconds.
LEASE = timedelta(seconds=60)
BEAT = 5.0
MESSAGE_LENGTH = 300


@dataclass(frozen=True)
class Claim:
    """One worker's hold on one attempt at one job."""

    job_id: int
    worker: str
    attempt: int

    def write(self, **fields: Any) -> bool:
        """Change the job if this claim still holds; return False when another worker has claimed it."""
        return Job.objects.held(self.job_id, self.worker, self.attempt).update(**fields) == 1

    def beat(self) -> bool:
        return self.write(heartbeat=timezone.now())

    def add_to_log(self, text: str) -> bool:
        return self.write(log=Concat("log", Value(text)))

    def cancel_requested(self) -> bool:
        return Job.objects.filter(pk=self.job_id, cancel_requested=True).exists()

    def done(self, result: Any) -> bool:
        return self.write(
            state=State.DONE, worker="", progress=1.0, result=result, error="", traceback="",
            finished_at=timezone.now(),
        )  # fmt: skip

    def failed(self, error: str, traceback: str) -> bool:
        return self.write(
            state=State.FAILED, worker="", error=error, traceback=traceback, finished_at=timezone.now()
        )

    def cancelled(self) -> bool:
        return self.write(state=State.CANCELLED, worker="", finished_at=timezone.now())

    def released(self) -> bool:
        """Return the job to the queue because this worker stops: the attempt does not count."""
        return self.write(state=State.QUEUED, worker="", attempts=self.attempt - 1, message="")


def claim(job: Job, worker: Worker) -> Claim | None:
    """Claim a queued job; return None when another worker was faster or it is no longer queued."""
    now = timezone.now()
    attempt = job.attempts + 1
    changed = Job.objects.filter(pk=job.pk, state=State.QUEUED, attempts=job.attempts).update(
        state=State.RUNNING, worker=str(worker), attempts=attempt, heartbeat=now, started_at=now
    )
    return Claim(job.pk, str(worker), attempt) if changed == 1 else None


def claim_next(worker: Worker) -> Claim | None:
    """Claim the oldest queued job that no other worker claims first."""
    for job in Job.objects.queued().only("pk", "attempts")[:20]:
        if taken := claim(job, worker):
            return taken
    return None


def take_back_lost() -> int:
    """Return jobs of dead workers to the queue, or fail them after their last attempt; return how many."""
    lost = [job for job in Job.objects.running().defer("log", "result", "traceback") if is_lost(job)]
    return sum(take_back(job) for job in lost)


def is_lost(job: Job) -> bool:
    if job.heartbeat is None or job.heartbeat < timezone.now() - LEASE:
        return True
    return Worker.parse(job.worker).is_dead()


def take_back(job: Job) -> bool:
    """End the claim of a dead worker; return False when it had ended already."""
    held = Claim(job.pk, job.worker, job.attempts)
    logger.warning("%s: its worker %s is gone (attempt %d)", job, job.worker, job.attempts)
    if job.cancel_requested:
        return held.cancelled()
    if job.attempts < job.max_attempts:
        return held.write(state=State.QUEUED, worker="", message="queued again after its worker stopped")
    times = "once" if job.attempts == 1 else f"{job.attempts} times"
    return held.failed(
        f"The worker stopped {times} while it ran this job, so the job failed. Memory may have run out;"
        " see the worker's own log.",
        "",
    )
