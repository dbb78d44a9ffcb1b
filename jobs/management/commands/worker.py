"""``manage.py worker``: runs waiting jobs, one after the other, until a signal ends it."""

from __future__ import annotations

import logging
import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from jobs.management.loop import work
from jobs.services.schema import check_schema
from jobs.services.workers import Worker

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Runs waiting jobs until SIGTERM or Ctrl-C; a running job then returns to the queue."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="end when no job waits")

    def handle(self, *args: Any, once: bool = False, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        check_schema()
        worker = Worker.this_process()
        logger.info("worker %s is ready", worker)
        ran = work(worker, stopping=stop.is_set, pause=stop.wait, once=once)
        logger.info("worker %s ends after %d jobs", worker, ran)
