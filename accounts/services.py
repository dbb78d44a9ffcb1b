"""Writing the audit log, and reading what it says of a row."""

from __future__ import annotations

from typing import Any

from django.db import models

from accounts.models import AuditEvent, User


def record(*, verb: str, subject: models.Model, by: User | None, **detail: Any) -> AuditEvent:
    """Write one audit event; call it inside the transaction of the action. ``by=None`` means the system."""
    return AuditEvent.objects.create(
        actor=by, verb=verb, subject_type=subject._meta.label_lower, subject_id=str(subject.pk), detail=detail
    )


def events_about(subject: models.Model, verb: str) -> models.QuerySet[AuditEvent]:
    """Return what was written down of one thing that happened to a row, the latest first."""
    same = {"subject_type": subject._meta.label_lower, "subject_id": str(subject.pk)}
    return AuditEvent.objects.filter(verb=verb, **same).select_related("actor")
