"""Running one claimed job: progress, heartbeat, and an outcome that is always stored."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from django.db import DatabaseError, connections, transaction
from django.utils import timezone

from almond.errors import AlmondError, Cancelled
from almond.progress import Progress, Silent
from jobs.models import Job
from jobs.registry import KINDS
from jobs.services.claims import BEAT, MESSAGE_LENGTH, Claim

logger = logging.getLogger(__name__)

# Seconds between two writes of progress; what is reported between them is kept in memory.
WRITE_EVERY = 0.5


class Released(Cancelled):
    """The worker is stopping: the job goes back to the queue."""


class HoldLost(Cancelled):
    """Another worker has claimed the job, because this one wrote no heartbeat for too long."""


def never() -> bool:
    return False


class RunningJob:
    """What a run function receives; also an :class:`almond.progress.Progress`."""

    def __init__(
        self, job: Job, claim: Claim, *, stopping: Callable[[], bool] = never, also: Progress | None = None
    ) -> None:
        self.job, self.claim, self.stopping = job, claim, stopping
        self.also = also or Silent()
        self.fraction, self.message = 0.0, ""
        self.lines: list[str] = []
        self.written = -math.inf

    @property
    def arguments(self) -> dict[str, Any]:
        arguments: dict[str, Any] = self.job.arguments
        return arguments

    def report(self, fraction: float, message: str = "") -> None:
        """Report progress, and stop here when that was requested.

        :param fraction: of the work that is done, in [0, 1].
        :raises Cancelled: someone cancelled the job, or the worker is stopping.
        """
        self.fraction = min(1.0, max(0.0, float(fraction)))
        self.message = message or self.message
        self.also.report(self.fraction, message)
        if self.stopping():
            raise Released(f"{self.job}: the worker is stopping")
        if time.monotonic() - self.written >= WRITE_EVERY:
            self.flush()
            if self.claim.cancel_requested():
                raise Cancelled(f"{self.job}: cancelled")

    def log(self, text: str) -> None:
        """Add a line to the job's log, with the time."""
        self.lines.append(f"{timezone.now():%Y-%m-%d %H:%M:%S} {text}\n")
        if time.monotonic() - self.written >= WRITE_EVERY:
            self.flush()

    def flush(self) -> None:
        """Write progress and log; raise ``HoldLost`` when another worker has claimed the job."""
        self.written = time.monotonic()
        ours = self.claim.write(
            progress=self.fraction, message=self.message[:MESSAGE_LENGTH], heartbeat=timezone.now()
        )
        if ours and self.lines:
            ours = self.claim.add_to_log("".join(self.lines))
            self.lines = []
        if not ours:
            raise HoldLost(f"{self.job}: another worker has it")

    def end(self, write_end: Callable[[], bool]) -> None:
        """Write what is left of progress and log, then the outcome; nothing if another worker has the job."""
        with contextlib.suppress(HoldLost):
            self.flush()
            write_end()


@contextlib.contextmanager
def beating(claim: Claim) -> Iterator[None]:
    """Renew the heartbeat from a thread of its own, so that a worker in one long step does not count as dead.

    Inside an open transaction no other process sees the claim, so no heartbeat is needed.
    """
    if transaction.get_connection().in_atomic_block:
        yield
        return
    ended = threading.Event()
    beats = threading.Thread(target=keep_beating, args=(claim, ended), name="heartbeat", daemon=True)
    beats.start()
    try:
        yield
    finally:
        ended.set()
        beats.join()


def keep_beating(claim: Claim, ended: threading.Event) -> None:
    while not ended.wait(BEAT):
        try:
            claim.beat()
        except DatabaseError:
            # The next beat may succeed; if none does, the lease expires and the job is queued again.
            logger.exception("job %d: heartbeat not written", claim.job_id)
        finally:
            connections.close_all()


def execute(claim: Claim, *, stopping: Callable[[], bool] = never, also: Progress | None = None) -> None:
    """Run a claimed job to its end. Whatever the run function raises is stored with the job, not raised."""
    job = Job.objects.get(pk=claim.job_id)
    running = RunningJob(job, claim, stopping=stopping, also=also)
    logger.info("%s: attempt %d begins", job, claim.attempt)
    try:
        with beating(claim):
            result = KINDS.load(job.kind)(running)
        running.flush()
        with transaction.atomic():
            claim.done(result)
    except HoldLost:
        logger.warning("%s: claimed by another worker; this one stops", job)
    except Released:
        running.end(claim.released)
    except Cancelled:
        running.end(claim.cancelled)
    except AlmondError as error:
        running.end(partial(claim.failed, str(error), traceback.format_exc()))
    except Exception as error:
        logger.exception("%s: failed", job)
        running.end(partial(claim.failed, unexpected(error), traceback.format_exc()))
    except (KeyboardInterrupt, SystemExit):
        running.end(claim.released)
        raise
    logger.info("%s: attempt %d ended", job, claim.attempt)


def unexpected(error: Exception) -> str:
    message = str(error)[:200] or "no message"
    return (
        f"Something went wrong inside Almond ({type(error).__name__}: {message})."
        " The traceback is stored with the job."
    )
