"""The end of a visit: the completion code, or leaving before it."""

from __future__ import annotations

import secrets

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from ratings.models import Participant
from ratings.services import slots
from ratings.services.recording import check_present
from ratings.services.refusals import NotNow, Reason

Status = Participant.Status


@transaction.atomic
def finish(*, participant: Participant) -> Participant:
    """Give the completion code, once every trial is counted; the same again when asked again.

    ``NotNow`` while trials are open, or when the participant has withdrawn.
    """
    # The participant's row alone is locked, and the list after it: joining holds a share of the study's row.
    current = Participant.objects.select_for_update(of=("self",)).without_texts().get(pk=participant.pk)
    if current.is_done:
        return current
    check_present(current)
    counted = current.trials.aggregate(planned=Count("pk"), done=Count("response"))
    if counted["done"] != counted["planned"]:
        remaining = counted["planned"] - counted["done"]
        raise NotNow(
            "trials",
            f"{remaining} of {counted['planned']} are not answered yet",
            "an answer to each",
            reason=Reason.UNFINISHED,
        )
    current.status = Status.FINISHED if slots.reclaim_slot(current) else Status.FINISHED_LATE
    current.finished_at = current.last_seen_at = timezone.now()
    current.completion_code = current.study.completion_code or secrets.token_hex(4).upper()
    current.save(update_fields=["status", "finished_at", "last_seen_at", "completion_code"])
    return current


def withdraw(*, participant: Participant) -> Participant:
    """Stop taking part; the slot is free for somebody else. ``NotNow`` after the end."""
    left = slots.release_slot(participant, Status.WITHDRAWN)
    if not left:
        idle = Participant.objects.filter(pk=participant.pk, status=Status.TIMED_OUT)
        left = bool(idle.update(status=Status.WITHDRAWN))
    participant.refresh_from_db()
    if not left and participant.is_done:
        raise NotNow(participant.name, "has finished", "a participant who takes part", reason=Reason.FINISHED)
    return participant
