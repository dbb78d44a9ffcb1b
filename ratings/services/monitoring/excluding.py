"""Leaving somebody out of the analysis by hand, and taking them back in: entries that nobody changes."""

from __future__ import annotations

from django.db import transaction

from accounts.models import User
from almond.errors import InputError
from almond.exchange.hand_exclusions import ExclusionEntry
from ratings.models import HandExclusion, Participant
from studies.amendments import is_blind
from studies.models import Study
from studies.services.blind import keep, locked, said


def is_excluded(participant: Participant) -> bool:
    """Tell whether the last entry leaves somebody out."""
    last = participant.hand_exclusions.order_by("pk").last()
    return last is not None and last.out


@transaction.atomic
def exclude_by_hand(*, participant: Participant, why: str, by: User) -> HandExclusion:
    """Leave somebody out of every later analysis; their rows stay in every export, with the reason.

    :raises InputError: no reason is given, or they are left out already, or nothing of them is left.
    """
    return enter(participant, out=True, why=why, by=by)


@transaction.atomic
def take_back_in(*, participant: Participant, why: str, by: User) -> HandExclusion:
    """Undo the last exclusion by hand, as a further entry.

    :raises InputError: no reason is given, or they are not left out.
    """
    return enter(participant, out=False, why=why, by=by)


def enter(participant: Participant, *, out: bool, why: str, by: User) -> HandExclusion:
    """Write an entry; the study is locked, so that two people do not decide at once."""
    study = locked(participant.study)
    current = Participant.objects.without_texts().get(pk=participant.pk)
    where = f"participant {current.name}"
    if current.erased_at is not None:
        raise InputError(where, "is erased: no answer of theirs is left", "somebody whose answers are stored")
    if is_excluded(current) == out:
        raise InputError(where, f"is {'excluded already' if out else 'not excluded'}")
    entry = HandExclusion(
        study=study, participant=current, out=out, why=said("why", why), blind=is_blind(study), by=by
    )
    return keep("exclude by hand", study, entry, by)


def entries_of(study: Study) -> list[ExclusionEntry]:
    """List the entries about people whose answers may leave the study, in order, as exports hold them."""
    people = Participant.objects.exported(study)
    rows = HandExclusion.objects.filter(study=study, participant__in=people).select_related(
        "by", "participant"
    )
    return [
        ExclusionEntry(
            participant_id=row.participant.name,
            excluded=row.out,
            why=row.why,
            author=row.author,
            at=row.at.isoformat(),
            blind=row.blind,
        )
        for row in rows.order_by("pk")
    ]
