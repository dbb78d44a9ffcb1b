"""Writing down who did what."""

from __future__ import annotations

from typing import Any

from django.db import models

from accounts.models import AuditEvent, User


def record(*, verb: str, subject: models.Model, by: User | None, **detail: Any) -> AuditEvent:
    """Keep one audit event; call it inside the transaction of the change. ``by=None`` means the system."""
    return AuditEvent.objects.create(
        actor=by, verb=verb, subject_type=subject._meta.label_lower, subject_id=str(subject.pk), detail=detail
    )
