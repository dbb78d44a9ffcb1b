"""Long work as rows: kind and arguments, worker, progress, outcome."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone


class State(models.TextChoices):
    QUEUED = "queued", "queued"
    RUNNING = "running", "running"
    DONE = "done", "done"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "cancelled"


ACTIVE = (State.QUEUED, State.RUNNING)
FINISHED = (State.DONE, State.FAILED, State.CANCELLED)


class JobQuerySet(models.QuerySet["Job"]):
    def queued(self) -> JobQuerySet:
        """Filter waiting jobs, the oldest first."""
        return self.filter(state=State.QUEUED).order_by("pk")

    def running(self) -> JobQuerySet:
        return self.filter(state=State.RUNNING)

    def active(self) -> JobQuerySet:
        return self.filter(state__in=ACTIVE)

    def held(self, job_id: int, worker: str, attempt: int) -> JobQuerySet:
        """Filter the job if that worker holds it for that attempt; every write of a worker uses this."""
        return self.running().filter(pk=job_id, worker=worker, attempts=attempt)


class Job(models.Model):
    """One piece of long work.

    A worker holds a job by having written its name into ``worker`` while the job was queued; it keeps the job
    by renewing ``heartbeat``. ``attempts`` counts the claims and tells an old holder from a new one.
    """

    kind = models.CharField(max_length=80)
    arguments = models.JSONField(default=dict, blank=True)
    key = models.CharField(
        max_length=200, blank=True, default="", help_text="at most one waiting or running job per key"
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    progress = models.FloatField(default=0.0, help_text="share of the work that is done, 0 to 1")
    message = models.CharField(max_length=300, blank=True, default="")
    log = models.TextField(blank=True, default="")
    error = models.TextField(blank=True, default="", help_text="what went wrong, in plain words")
    traceback = models.TextField(blank=True, default="", help_text="where it went wrong, for developers")
    result = models.JSONField(null=True, blank=True)
    worker = models.CharField(max_length=200, blank=True, default="")
    heartbeat = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    max_attempts = models.PositiveIntegerField(default=3)
    cancel_requested = models.BooleanField(default=False)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="jobs"
    )
    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["state", "id"], name="job_state")]
        constraints = [
            models.CheckConstraint(name="job_state_known", condition=Q(state__in=State.values)),
            models.CheckConstraint(name="job_progress_share", condition=Q(progress__gte=0, progress__lte=1)),
            models.CheckConstraint(
                name="job_attempts_bounded",
                condition=Q(max_attempts__gte=1, attempts__gte=0, attempts__lte=F("max_attempts")),
            ),
            models.CheckConstraint(
                name="job_running_is_held",
                condition=(
                    Q(state=State.RUNNING, heartbeat__isnull=False, started_at__isnull=False, attempts__gte=1)
                    & ~Q(worker="")
                )
                | (~Q(state=State.RUNNING) & Q(worker="")),
            ),
            models.CheckConstraint(
                name="job_finished_has_time",
                condition=Q(state__in=FINISHED, finished_at__isnull=False)
                | Q(state__in=ACTIVE, finished_at__isnull=True),
            ),
            models.CheckConstraint(
                name="job_failed_says_why", condition=~Q(state=State.FAILED) | ~Q(error="")
            ),
            models.UniqueConstraint(
                name="job_key_active_once",
                fields=["key"],
                condition=Q(state__in=ACTIVE) & ~Q(key=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} #{self.pk}"

    @property
    def active(self) -> bool:
        return self.state in ACTIVE

    @property
    def percent(self) -> int:
        return int(100 * self.progress)

    def duration(self, now: datetime | None = None) -> timedelta | None:
        """Return the time from start to end, or to ``now`` while it runs; None before the start."""
        if self.started_at is None:
            return None
        return (self.finished_at or now or timezone.now()) - self.started_at

    def state_json(self) -> dict[str, Any]:
        """Return what a page that watches the job shows."""
        return {
            "state": self.state,
            "active": self.active,
            "percent": self.percent,
            "message": self.message,
            "log": self.log,
        }
