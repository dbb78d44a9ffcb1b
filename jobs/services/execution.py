"""Running one claimed job: progress, heartbeat, and an end that is always written down."""

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

# Progress is written at most this often; what is reported between two writes is only remembered.
WRITE_EVERY = 0.5


class Released(Cancelled):
    """The worker is stopping: the job goes back to the queue."""


class HoldLost(Cancelled):
    """Another worker has taken the job, because this one was silent for too long."""


def never() -> bool:
    return False


class RunningJob:
    """What a run function is given; also an :class:`almond.progress.Progress`."""

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
        """``fraction`` in [0, 1] is done. Raises ``Cancelled`` when asked to stop."""
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
        """Write progress and log; raises ``HoldLost`` when the job is no longer ours."""
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
        """Write what is left of progress and log, then how it ended; nothing if the job is no longer ours."""
        with contextlib.suppress(HoldLost):
            self.flush()
            write_end()


@contextlib.contextmanager
def beating(claim: Claim) -> Iterator[None]:
    """Renew the heartbeat from a thread of its own, so that one long step does not look like a death.

    Inside an open transaction nobody else sees that the job was taken, so nobody listens for a heart.
    """
    if transaction.get_connection().in_atomic_block:
        yield
        return
    ended = threading.Event()
    heart = threading.Thread(target=keep_beating, args=(claim, ended), name="heartbeat", daemon=True)
    heart.start()
    try:
        yield
    finally:
        ended.set()
        heart.join()


def keep_beating(claim: Claim, ended: threading.Event) -> None:
    while not ended.wait(BEAT):
        try:
            claim.beat()
        except DatabaseError:
            # The next beat may succeed; if none does, the lease runs out and the job is taken up again.
            logger.exception("job %d: heartbeat not written", claim.job_id)
        finally:
            connections.close_all()


def execute(claim: Claim, *, stopping: Callable[[], bool] = never, also: Progress | None = None) -> None:
    """Run a claimed job to its end. Whatever the run function raises is written down, not raised."""
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
        logger.warning("%s: taken by another worker; this one lets go", job)
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
    said = str(error)[:200] or "no message"
    return (
        f"Something went wrong inside Almond ({type(error).__name__}: {said})."
        " The traceback is kept with the job."
    )
