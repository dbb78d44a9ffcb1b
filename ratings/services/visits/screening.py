"""The end of the visit of somebody whom the study does not want, or has enough of."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from ratings.models import Participant
from ratings.recruiting.outcomes import Outcome
from ratings.services import slots
from ratings.services.logging import log_step
from ratings.services.recruiting.ends import page_of
from ratings.services.recruiting.payments import pause_at_budget

Status = Participant.Status


def end_visit(current: Participant, reason: str, outcome: Outcome) -> None:
    """Screen somebody out, whose row is locked, with the code of an outcome; their slot is free.

    :param reason: why, in words for experimenters.
    """
    if current.status in Participant.HOLDING and current.is_person:
        slots.give_back(current)
    current.status, current.screened_for = Status.SCREENED_OUT, reason.strip()[:200]
    current.completion_code = page_of(current.study, outcome).code
    current.last_seen_at = timezone.now()
    current.save(update_fields=["status", "screened_for", "completion_code", "last_seen_at"])
    log_step(current, "screening", reason=current.screened_for, completion_code=current.completion_code)
    transaction.on_commit(lambda: pause_at_budget(current.study))
