"""The Celery application: ``celery -A config.celery worker``."""

from __future__ import annotations

import os
from typing import Any

import django
from celery.signals import worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from jobs.services.dispatch import ring_again  # noqa: E402  (needs the apps to be loaded)
from jobs.tasks import app  # noqa: E402

__all__ = ["app"]


@worker_ready.connect
def ring_for_waiting_jobs(**signal: Any) -> None:
    """A worker that starts brings what waits, also when its message was lost with a broker."""
    ring_again()
