"""Kinds of jobs that exist only in tests, and processes that know them.

``python -m tests.site.job_kinds worker [--once]`` is ``manage.py worker``, and ``celery ...`` is Celery's own
command line, each with these kinds registered.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from almond.errors import InputError
from jobs.registry import KINDS

if TYPE_CHECKING:  # the models behind it can be loaded only once Django is set up
    from jobs.services.execution import RunningJob

TEST_KINDS = ("note", "wait", "mistake", "poison", "unpresentable", "count")


@contextlib.contextmanager
def registered() -> Iterator[None]:
    """Offer the kinds of this module as ``test.<function>``."""
    with contextlib.ExitStack() as stack:
        for name in TEST_KINDS:
            stack.enter_context(KINDS.registered(f"test.{name}", f"tests.site.job_kinds:{name}"))
        yield


def note(job: RunningJob) -> dict[str, object]:
    """Append one line to a file: how often a job ran can be counted."""
    with Path(job.arguments["file"]).open("a") as stream:
        stream.write(f"{job.job.pk} {os.getpid()}\n")
    job.log("noted")
    return {"noted": True}


def wait(job: RunningJob) -> dict[str, object]:
    """Say that it began, then go on reporting until a file appears."""
    Path(job.arguments["began"]).touch()
    pause = threading.Event()
    while not Path(job.arguments["until"]).exists():
        job.report(0.5, "half way")
        pause.wait(0.02)
    return note(job)


def mistake(job: RunningJob) -> None:
    job.log("looking at the mask")
    raise InputError("mask.nii.gz", "is empty", "at least one voxel")


def poison(job: RunningJob) -> None:
    raise ZeroDivisionError("division by zero")


def unpresentable(job: RunningJob) -> object:
    return {"set": {1, 2}}


def count(job: RunningJob) -> dict[str, int]:
    for step in range(1000):
        job.report(step / 1000, f"step {step}")
    return {"steps": 1000}


if __name__ == "__main__":
    with registered():
        if sys.argv[1] == "celery":
            from celery.bin.celery import main

            sys.argv = sys.argv[1:]
            main()
        else:
            from django.core.management import execute_from_command_line

            execute_from_command_line(sys.argv)
