"""Erasing what somebody answered: the one service that may change or delete rows that are written once.

Values, texts, times of reaction, events, ids of attempts and recruitment go; the rows stay, so that counts
remain true and the log can still be verified.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from accounts.services import record
from almond.errors import InputError
from ratings.models import (
    Attempt,
    Event,
    InvitationLink,
    Participant,
    Permit,
    Progress,
    QuotaPlace,
    Recruitment,
    Response,
    Submission,
)
from ratings.services import logging, slots
from studies.models import Study

Status = Participant.Status
BLANK_RESPONSE = {"values": {}, "chosen": "", "rt_ms": 0.0, "digests": [], "marks": []}
BLANK_ATTEMPT = {"response_id": "", "detail": "", "body_digest": ""}


@contextmanager
def permitted() -> Iterator[None]:
    """Allow changes of rows that are written once, to this transaction alone and until the block ends."""
    with transaction.atomic():
        permit = Permit.objects.create()
        yield
        permit.delete()


def erase_answers(participant: Participant) -> int:
    """Erase what a participant left; return how many responses. The caller holds the participant's lock."""
    responses = Response.objects.filter(trial__participant=participant)
    with permitted():
        count = responses.update(**BLANK_RESPONSE)
        Attempt.objects.filter(participant=participant).update(**BLANK_ATTEMPT)
        Event.objects.filter(participant=participant).delete()
        Progress.objects.filter(participant=participant).delete()
        QuotaPlace.objects.filter(participant=participant).delete()
        forget_recruitment(participant)
        participant.erased_at = timezone.now()
        participant.save(update_fields=["erased_at"])
        logging.log_step(participant, "erasure", responses=count)
    return count


def forget_recruitment(participant: Participant) -> None:
    Recruitment.objects.filter(participant=participant).delete()


def leave(participant: Participant) -> None:
    """Make a participant one who has withdrawn, and do with their answers as the study says.

    The caller holds the participant's lock; the list is locked after it.
    """
    if participant.status in Participant.HOLDING and participant.is_person:
        slots.give_back(participant)
    participant.status = Status.WITHDRAWN
    participant.save(update_fields=["status"])
    logging.log_step(participant, "withdrawal")
    if participant.study.on_withdrawal == Study.OnWithdrawal.ERASE:
        erase_answers(participant)
    else:
        forget_recruitment(participant)


def locked(participant: Participant) -> Participant:
    """Read a participant as they are now, locked until the transaction ends."""
    return Participant.objects.select_for_update(of=("self",)).without_texts().get(pk=participant.pk)


def read_code(code: str) -> str:
    """Return a code as it is stored, however it was typed."""
    return re.sub(r"[\s-]", "", code).upper()


def find_by_code(code: str) -> Participant | None:
    return Participant.objects.without_texts().filter(withdrawal_code=read_code(code)).first()


@transaction.atomic
def erase_participant(*, code: str, by: User | None = None) -> tuple[Participant, int]:
    """Erase a participant, known by withdrawal code or name, whatever their study keeps; count the responses.

    :raises InputError: nobody has it.
    """
    participant = find_by_code(code) or Participant.objects.filter(name=code.strip()).first()
    if participant is None:
        raise InputError("code", f"{code!r} is nobody's", "a withdrawal code, or the name of a participant")
    current = locked(participant)
    if current.status != Status.WITHDRAWN:
        leave(current)
    count = 0 if current.erased_at else erase_answers(current)
    record(verb="erase", subject=current, by=by)
    return current, count or Response.objects.filter(trial__participant=current).count()


def due(study: Study) -> list[Participant]:
    """List whose answers have to go now: the study's days are over, or they withdrew and were not erased."""
    people = Participant.objects.filter(study=study, erased_at__isnull=True).order_by("pk")
    if is_past_its_days(study):
        return list(people)
    if study.on_withdrawal == Study.OnWithdrawal.ERASE:
        return list(people.filter(status=Status.WITHDRAWN))
    return []


def is_past_its_days(study: Study) -> bool:
    """Tell whether nothing of a study's people is kept any longer."""
    days = timedelta(days=study.retention_days or 0)
    return bool(study.closed_at and days and timezone.now() >= study.closed_at + days)


def prune(study: Study) -> int:
    """Erase whose answers have to go, each in a transaction of their own; return how many they were.

    With the last of them goes what a panel said of its people, and the links that were made for them.
    """
    erased = 0
    if is_past_its_days(study):
        Submission.objects.filter(study=study).delete()
        InvitationLink.objects.filter(study=study).delete()
    for participant in due(study):
        with transaction.atomic():
            current = locked(participant)
            if current.erased_at is None:
                erase_answers(current)
                erased += 1
    return erased


def prunable() -> list[Study]:
    """List the studies from which something may have to go."""
    keeps_until = Q(closed_at__isnull=False, retention_days__isnull=False)
    return list(Study.objects.filter(keeps_until | Q(on_withdrawal="erase")).exclude(state="draft"))
