"""The polling worker's loop."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import DatabaseError, close_old_connections

from jobs.services.claims import claim_next, take_back_lost
from jobs.services.execution import execute
from jobs.services.workers import Worker

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0


def work(
    worker: Worker, *, stopping: Callable[[], bool], pause: Callable[[float], object], once: bool = False
) -> int:
    """Run waiting jobs until ``stopping()`` or, with ``once``, until none waits; returns how many ran.

    ``pause(seconds)`` waits when there is nothing to do, and should return early when the loop is to stop.
    """
    ran = 0
    while not stopping():
        found = step(worker, stopping)
        ran += found
        if not found:
            if once:
                break
            pause(POLL_SECONDS)
    return ran


def step(worker: Worker, stopping: Callable[[], bool]) -> bool:
    """Take back lost jobs, then run one that waits; False when there was none."""
    try:
        take_back_lost()
        taken = claim_next(worker)
        if taken is None:
            return False
        execute(taken, stopping=stopping)
    except DatabaseError:
        # The database was away or busy: a job that was running keeps its row and is taken up again.
        logger.exception("the database did not answer; trying again")
        close_old_connections()
        return False
    return True
