"""Who may see a study's answers, and when: nobody before the end, but at planned looks or once unlocked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from accounts.models import User
from accounts.services import record
from almond.errors import InputError
from almond.exchange.amendments import KINDS
from studies.amendments import Amendment, Look, Recorded, Unlocking, is_blind
from studies.models import Study
from studies.services import log

Row = TypeVar("Row", bound=Recorded)

LOGGED = {
    "amend": "amendments",
    "unlock": "unlockings",
    "look": "looks",
    "exclude by hand": "hand_exclusions",
    "precision": "precision_checks",
}
"""Kinds of entries in the chain of a study's states that are about a row of their own -> where these are."""
EXPECTED = "a closed study, a planned look, or an early unlocking"


@dataclass(frozen=True)
class Standing:
    """Whether answers may be seen now, and what of the plan's looks is left.

    ``due`` is the planned look that an export made now would use, ``coming`` the next one for which too few
    have finished.
    """

    blind: bool
    finished: int
    planned: int
    due: int | None
    coming: int | None
    used: tuple[Look, ...]
    unlocking: Unlocking | None

    @property
    def may_export(self) -> bool:
        return not self.blind or self.due is not None

    @property
    def reason(self) -> str:
        """Why nothing can be exported or analysed now; empty where it can."""
        if self.may_export:
            return ""
        have = f"is blind until it is closed: {self.finished} of {self.planned} participants have finished, "
        if self.coming is not None:
            return f"{have}and the plan allows the next look with {self.coming}"
        more = "no further look" if self.used else "no look"
        return f"{have}and the plan allows {more} before the end"


def standing(study: Study) -> Standing:
    """Say what may be seen of a frozen study now."""
    looks: tuple[int, ...] = ()
    if not study.is_draft and study.frozen_plan.preregistration is not None:
        looks = study.frozen_plan.preregistration.stopping.looks
    used = tuple(study.looks.select_related("by").order_by("number"))
    left = [number for number in looks if number > max((look.number for look in used), default=0)]
    finished = finished_people(study)
    hidden = is_blind(study)
    return Standing(
        blind=hidden,
        finished=finished,
        planned=study.participants_planned,
        # One look passes over earlier ones for which enough had finished before.
        due=max((number for number in left if number <= finished), default=None) if hidden else None,
        coming=min((number for number in left if number > finished), default=None) if hidden else None,
        used=used,
        unlocking=study.unlockings.select_related("by").first(),
    )


def finished_people(study: Study) -> int:
    """Count people who answered every trial, also those who withdrew afterwards.

    Participants are rows of an app that stands on this one; a study knows them as ``participants``.
    """
    return int(study.participants.filter(kind="person", finished_at__isnull=False).count())


def responses_of_people(study: Study) -> int:
    """Count people's answers that are stored."""
    people = study.participants.filter(kind="person").order_by()
    return int(people.aggregate(stored=Count("trials__response"))["stored"])


def locked(study: Study) -> Study:
    """Return the study's row, held until the transaction ends; ``InputError`` for a draft."""
    current = Study.objects.select_for_update().get(pk=study.pk)
    if current.is_draft:
        raise InputError(f"study {current.title!r}", "is a draft: it may still change", "a frozen study")
    return current


@transaction.atomic
def look_for_export(*, study: Study, by: User | None) -> Look | None:
    """Let answers be exported: return the planned look that this uses, None where none is needed.

    :raises InputError: the study is a draft, or blind and no planned look is due.
    """
    current = locked(study)
    now = standing(current)
    if not now.blind:
        return None
    if now.due is None:
        raise InputError(f"study {current.title!r}", now.reason, EXPECTED)
    return keep("look", current, Look(study=current, number=now.due, finished=now.finished, by=by), by)


@transaction.atomic
def unlock(*, study: Study, why: str, by: User) -> Unlocking:
    """Make answers visible before the end, for good; whatever is analysed from then on is exploratory.

    :raises InputError: no reason is given, or nothing is locked.
    """
    current = locked(study)
    if not is_blind(current):
        state = "a rehearsal" if current.rehearsal else current.state
        problem = "is unlocked already" if current.unlockings.exists() else f"is {state}: nothing is locked"
        raise InputError(f"study {current.title!r}", problem, "a study for people before its end")
    finished = finished_people(current)
    return keep(
        "unlock", current, Unlocking(study=current, why=said("why", why), finished=finished, by=by), by
    )


@transaction.atomic
def amend(*, study: Study, kind: str, text: str, why: str, by: User) -> Amendment:
    """Record what changes about a frozen study, and why; the plan stays as it is.

    :raises InputError: the study is a draft, the kind is not known, or words are missing.
    """
    current = locked(study)
    if kind not in KINDS:
        raise InputError("kind", f"is {kind!r}", " or ".join(KINDS))
    row = Amendment(
        study=current,
        kind=kind,
        text=said("what changes", text),
        why=said("why", why),
        responses_before=responses_of_people(current),
        by=by,
    )
    return keep("amend", current, row, by)


def said(name: str, text: str) -> str:
    """Return a text without blanks around it; ``InputError`` when nothing is left."""
    if not text.strip():
        raise InputError(name, "is empty", "the reason in words" if name == "why" else "a text")
    return text.strip()


def keep(kind: str, study: Study, row: Row, by: User | None) -> Row:
    """Store a row, and write it to the audit log and to the study's log; the study is locked."""
    row.at = timezone.now()
    row.save(force_insert=True)
    record(verb=kind, subject=study, by=by, **{name: getattr(row, name) for name in row.LOGGED})
    log.append(study, log.STATES, kind, str(row.pk), row.content())
    return row
