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
    """Run waiting jobs, and return how many ran.

    :param stopping: the loop ends when it returns True.
    :param pause: waits so many seconds while there is no job; returns early when the loop is to end.
    :param once: end as soon as no job waits.
    """
    ran = 0
    while not stopping():
        worked = step(worker, stopping)
        ran += worked
        if not worked:
            if once:
                break
            pause(POLL_SECONDS)
    return ran


def step(worker: Worker, stopping: Callable[[], bool]) -> bool:
    """Queue lost jobs again, then run one that waits; return False when there was none."""
    try:
        take_back_lost()
        taken = claim_next(worker)
        if taken is None:
            return False
        execute(taken, stopping=stopping)
    except DatabaseError:
        # The database was away or busy: a job that was running keeps its row and is started again.
        logger.exception("the database did not answer; trying again")
        close_old_connections()
        return False
    return True
