"""The Celery application: ``celery -A config.celery worker``."""

from __future__ import annotations

import os
import sys
from typing import Any

import django
from celery.signals import worker_ready

from almond.cli.output.frame import framed
from config.frame import explain

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
if status := framed(django.setup, "celery", explain):
    sys.exit(status)

from jobs.services.dispatch import hand_over_waiting
from jobs.tasks import app

__all__ = ["app"]


@worker_ready.connect
def ring_for_waiting_jobs(**signal: Any) -> None:
    """Enqueue again what waits when a worker starts: its message may have been lost with a broker."""
    hand_over_waiting()
