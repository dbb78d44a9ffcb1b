"""Jobs of batches, matched sets and image sets."""

from __future__ import annotations

from typing import Any

from accounts.models import User
from generation.models import Batch, ImageSet, MatchedSet
from jobs.services import enqueue


def start_job(
    row: Batch | MatchedSet | ImageSet, kind: str, arguments: dict[str, Any], by: User | None
) -> None:
    """Enqueue the work of a row, at most once at a time, and refer to the job from the row."""
    row.job = enqueue(kind=kind, arguments=arguments, by=by, key=f"{kind}:{row.pk}")
    row.save(update_fields=["job"])
