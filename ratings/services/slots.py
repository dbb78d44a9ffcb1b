"""Slots on a study's lists: taken by conditional updates, released when somebody leaves.

A slot is held by every participant who is active or has finished. Balance is exact: under any burst of
joins the numbers taken on two lists with room differ by one at most, and who comes after somebody has left
gets the emptiest list.

Locks are taken in one order: the study's row, by joining alone and shared with all who only refer to it; a
participant's; that of one list; and last those of quotas.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from ratings.models import Participant
from ratings.services.recruiting.ends import given_back
from ratings.services.visits import quotas
from studies.models import AssignmentList, Study

Status = Participant.Status


def take_slot(study: Study) -> AssignmentList | None:
    """Take a slot on the emptiest list; return None when every list is full.

    The caller holds the study's row, so that nobody else takes one. The update succeeds only if nobody gave
    one back, or came back to it, since the lists were read; else they are read again.
    """
    lists = AssignmentList.objects.filter(study=study)
    while (candidate := lists.open().defer("trials").first()) is not None:
        if lists.filter(pk=candidate.pk, taken=candidate.taken).update(taken=F("taken") + 1):
            return candidate
    return None


def list_in_turn(study: Study, kind: str) -> AssignmentList | None:
    """Choose the list of somebody who takes no slot: one after the other."""
    lists = list(AssignmentList.objects.filter(study=study).defer("trials").order_by("number"))
    return lists[Participant.objects.filter(study=study, kind=kind).count() % len(lists)] if lists else None


def retake_slot(participant: Participant) -> bool:
    """Take a slot on the list that the participant began with, and the places in quotas that go with it; if
    all of them are free."""
    free = AssignmentList.objects.filter(pk=participant.assignment_id, taken__lt=F("capacity"))
    with transaction.atomic():
        retaken = free.update(taken=F("taken") + 1) == 1 and quotas.retake_places(participant)
        if not retaken:
            transaction.set_rollback(True)
    return retaken


def release_slot(participant: Participant, after: str, *, idle_since: datetime | None = None) -> bool:
    """Give an active participant another status and free the slot.

    False, and nothing changed, when no longer active, or when something came after ``idle_since``.
    """
    here = Participant.objects.filter(pk=participant.pk, status=Status.ACTIVE)
    if idle_since is not None:
        here = here.filter(last_seen_at__lt=idle_since)
    with transaction.atomic():
        left = here.update(status=after)
        if left and participant.is_person:
            give_back(participant)
    return bool(left)


def give_back(participant: Participant) -> None:
    """Free a slot and the places in quotas that go with it, in the transaction of the caller."""
    AssignmentList.objects.filter(pk=participant.assignment_id).update(taken=F("taken") - 1)
    quotas.give_places_back(participant)


def release_idle_slots(study: Study) -> int:
    """Free the slots of those from whom nothing came for the study's time-out; return how many.

    Each in a transaction of its own, so that two bursts never wait for each other's lists.
    """
    moment = timezone.now() - timedelta(minutes=study.timeout_minutes)
    idle = list(Participant.objects.filter(study=study).idle_since(moment).only("kind", "assignment"))
    return sum(release_slot(participant, Status.TIMED_OUT, idle_since=moment) for participant in idle)


def reclaim_slot(participant: Participant) -> bool:
    """Give a timed-out participant a slot again, if the list has a free one; True when they hold a slot.

    Not to somebody whom the panel replaces. Locks the participant before the list, as ``release_slot`` does.
    """
    if participant.status in Participant.HOLDING or not participant.is_person:
        return True
    if given_back(participant):
        return False
    with transaction.atomic():
        current = Participant.objects.select_for_update().get(pk=participant.pk)
        if current.status == Status.TIMED_OUT and retake_slot(current):
            current.status = Status.ACTIVE
            current.save(update_fields=["status"])
    participant.status = current.status
    return current.status in Participant.HOLDING


REOPENED = {Status.ACTIVE: Status.TIMED_OUT, Status.FINISHED: Status.FINISHED_LATE}
"""What somebody becomes whose place the panel offers again."""


@transaction.atomic
def reopen_slot(participant: Participant) -> bool:
    """Free the slot of somebody whom the panel replaces; False when they hold none. What was done stays."""
    current = Participant.objects.select_for_update().get(pk=participant.pk)
    after = REOPENED.get(Status(current.status))
    if after is None:
        return False
    current.status = after
    current.save(update_fields=["status"])
    if current.is_person:
        give_back(current)
    return True


@transaction.atomic
def restore_slot(participant: Participant) -> bool:
    """Give somebody who finished a slot again, if their list has a free one, as the panel wants them back."""
    current = Participant.objects.select_for_update().get(pk=participant.pk)
    if current.status != Status.FINISHED_LATE or not current.is_person or not retake_slot(current):
        return False
    current.status = Status.FINISHED
    current.save(update_fields=["status"])
    return True
