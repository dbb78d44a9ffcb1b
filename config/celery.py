"""The Celery application: ``celery -A config.celery worker``."""

from __future__ import annotations

import os
from typing import Any

import django
from celery.signals import worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from jobs.services.dispatch import hand_over_waiting  # noqa: E402  (needs the apps to be loaded)
from jobs.tasks import app  # noqa: E402

__all__ = ["app"]


@worker_ready.connect
def ring_for_waiting_jobs(**signal: Any) -> None:
    """Enqueue again what waits when a worker starts: its message may have been lost with a broker."""
    hand_over_waiting()
