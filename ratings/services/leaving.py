"""The end of a visit: the completion code, or leaving before it."""

from __future__ import annotations

import secrets

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from ratings.models import Participant
from ratings.recruiting.outcomes import Outcome
from ratings.services import erasing, slots
from ratings.services.logging import log_step
from ratings.services.monitoring.precision import ask_for_precision
from ratings.services.recording import check_present
from ratings.services.recruiting.ends import page_of
from ratings.services.recruiting.payments import pause_at_budget
from ratings.services.refusals import NotNow, Reason, Unknown
from ratings.services.visits import branching
from ratings.services.visits.screening import end_visit

Status = Participant.Status


@transaction.atomic
def finish(*, participant: Participant) -> Participant:
    """Give the completion code, once every trial is counted that was not skipped; the same again when asked
    again. Whose visit an answer has ended, as the plan says, is screened out.

    ``NotNow`` while trials are open, or when the participant has withdrawn.
    """
    # The participant's row alone is locked, and the list after it: joining holds a share of the study's row.
    current = Participant.objects.select_for_update(of=("self",)).without_texts().get(pk=participant.pk)
    if current.is_done:
        return current
    check_present(current)
    counted = current.trials.aggregate(planned=Count("pk"), done=Count("response"))
    standing = branching.standing(current)
    asked = counted["planned"] - len(standing.skipped)
    if counted["done"] != asked:
        raise NotNow(
            "trials",
            f"{asked - counted['done']} of {asked} are not answered yet",
            "an answer to each",
            reason=Reason.UNFINISHED,
        )
    if standing.ended_by is not None:
        return screen_out(participant=current, reason=f"the plan ends the visit behind “{standing.ended_by}”")
    current.status = Status.FINISHED if slots.reclaim_slot(current) else Status.FINISHED_LATE
    current.finished_at = current.last_seen_at = timezone.now()
    code = page_of(current.study, Outcome.FINISHED).code
    current.completion_code = code or secrets.token_hex(4).upper()
    current.save(update_fields=["status", "finished_at", "last_seen_at", "completion_code"])
    log_step(current, "finish", completion_code=current.completion_code)
    transaction.on_commit(lambda: pause_at_budget(current.study))
    transaction.on_commit(lambda: ask_for_precision(current.study))
    return current


@transaction.atomic
def screen_out(*, participant: Participant, reason: str) -> Participant:
    """End the visit of somebody whom the study does not want, with an end page and code of its own.

    The slot is free for somebody else; what was answered stays. Of whoever was screened out before, nothing
    changes. The browser leaves for the end page at its next post.

    :param reason: why, in words for experimenters.
    :raises NotNow: the participant has finished or withdrawn.
    """
    current = erasing.locked(participant)
    if current.status == Status.SCREENED_OUT:
        return current
    if current.is_done:
        raise NotNow(current.name, "has finished", "a participant who takes part", reason=Reason.FINISHED)
    check_present(current)
    end_visit(current, reason, Outcome.SCREENED_OUT)
    participant.refresh_from_db()
    return participant


@transaction.atomic
def withdraw(*, participant: Participant, after_end: bool = False) -> Participant:
    """Stop taking part; the slot is free for somebody else, and answers go where the study erases them.

    :param after_end: also when the participant has finished; else that is ``NotNow``.
    """
    current = erasing.locked(participant)
    if current.is_done and not after_end:
        raise NotNow(current.name, "has finished", "a participant who takes part", reason=Reason.FINISHED)
    if current.status != Status.WITHDRAWN:
        erasing.leave(current)
        transaction.on_commit(lambda: pause_at_budget(current.study))
    participant.refresh_from_db()
    return participant


def withdraw_by_code(code: str) -> Participant:
    """Withdraw whoever has a code of a last page, also after the end.

    :raises Unknown: nobody has it.
    """
    return withdraw(participant=find_leaving(code), after_end=True)


def find_leaving(code: str) -> Participant:
    participant = erasing.find_by_code(code)
    if participant is None:
        raise Unknown("code", "is nobody's", "the code of the last page", reason=Reason.CODE)
    return participant
