"""Recording what a participant's browser posts.

First write wins: a trial has one response, the first that came, and the database keeps it so. Every post of a
participant is written down as an attempt, also a refused one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from almond.design.trials import TRIAL_KINDS
from almond.design.trials.base import Answer
from almond.digest import digest_bytes
from ratings.models import Attempt, Event, Participant, Response, Trial
from ratings.services import slots
from ratings.services.answers import check_answer, read_answer, read_events, read_trial_id
from ratings.services.joining import check_live
from ratings.services.refusals import Malformed, NotNow, NotTheirs, Refused, Unknown

Outcome = Attempt.Outcome
HTTP_STATUS = {Outcome.STORED: 200, Outcome.REPEATED: 200, Outcome.DUPLICATE: 409}


@dataclass(frozen=True)
class Recorded:
    """What became of a post: ``response`` is the response that is stored for its trial."""

    response: Response
    outcome: str

    @property
    def status(self) -> int:
        return HTTP_STATUS[Outcome(self.outcome)]

    def to_json(self) -> dict[str, Any]:
        duplicate = self.outcome == Outcome.DUPLICATE
        return {"acknowledged": True, "duplicate": duplicate, "kept": self.response.receipt()}


def record_response(*, participant: Participant, body: Mapping[str, Any]) -> Recorded:
    """Store the answer to a trial, if it is the first; return the response that is stored.

    Raises ``Malformed`` (400), ``NotTheirs`` (403), ``Unknown`` (404) or ``NotNow`` (409); the attempt is
    written down all the same.
    """
    try:
        with transaction.atomic():
            return store(participant, body)
    except Refused as refusal:
        note_refusal(participant=participant, body=body, refusal=refusal)
        raise


def store(participant: Participant, body: Mapping[str, Any]) -> Recorded:
    trial = find_trial(participant, read_trial_id(body))
    kind = TRIAL_KINDS.load(trial.kind)
    answer = read_answer(body, kind)
    response = Response.objects.filter(trial=trial).first()
    made = False
    if response is None:
        check_live(participant.study)
        check_present(participant)
        check_answer(answer, kind, trial)
        response, made = write_first(trial, answer, late=not slots.reclaim_slot(participant))
    outcome = outcome_of(response, answer, made)
    seen(participant)
    note(participant, body, outcome, HTTP_STATUS[outcome], trial=trial)
    return Recorded(response, outcome)


def outcome_of(response: Response, answer: Answer, made: bool) -> Outcome:
    if made:
        return Outcome.STORED
    return Outcome.REPEATED if response.response_id == answer.response_id else Outcome.DUPLICATE


def find_trial(participant: Participant, name: str) -> Trial:
    trial = Trial.objects.filter(name=name).first()
    if trial is None:
        raise Unknown("trial_id", f"{name!r} is no trial", "a trial of this participant")
    if trial.participant_id != participant.pk:
        raise NotTheirs("trial_id", f"{name!r} is somebody else's trial", "a trial of this participant")
    return trial


def check_present(participant: Participant) -> None:
    participant.refresh_from_db(fields=["status"])
    if participant.status == Participant.Status.WITHDRAWN:
        raise NotNow(participant.name, "has stopped taking part", "a participant who takes part")


def write_first(trial: Trial, answer: Answer, *, late: bool) -> tuple[Response, bool]:
    """Insert the response (True); return that of another post (False) where it was faster."""
    try:
        with transaction.atomic():
            made = Response.objects.create(
                trial=trial,
                response_id=answer.response_id,
                values=dict(getattr(answer, "values", {})),
                chosen=getattr(answer, "chosen", ""),
                rt_ms=answer.rt_ms,
                digests=list(answer.images),
                late=late,
                received_at=timezone.now(),
            )
    except IntegrityError as error:
        faster = Response.objects.filter(trial=trial).first()
        if faster is None:
            raise Malformed(
                "response_id", f"{answer.response_id} was used for another trial", "a new UUID"
            ) from error
        return faster, False
    return made, True


def seen(participant: Participant) -> None:
    Participant.objects.filter(pk=participant.pk).update(last_seen_at=timezone.now())


def note(
    participant: Participant,
    body: Mapping[str, Any],
    outcome: str,
    status: int,
    *,
    trial: Trial | None = None,
    detail: str = "",
) -> None:
    """Write an attempt down."""
    Attempt.objects.create(
        participant=participant,
        trial=trial,
        response_id=storable(str(body.get("response_id", "")), 60),
        outcome=outcome,
        status=status,
        detail=storable(detail, 400),
        body_digest=digest_bytes(json.dumps(body, sort_keys=True, default=str).encode()),
    )


def storable(text: str, longest: int) -> str:
    """Return text that every database takes, whatever a browser sent."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()[:longest]


def note_refusal(*, participant: Participant, body: Mapping[str, Any], refusal: Refused) -> None:
    note(participant, body, Outcome.REFUSED, refusal.status, detail=str(refusal))


@transaction.atomic
def record_events(*, participant: Participant, body: Mapping[str, Any]) -> int:
    """Store events, each once however often it is sent; return how many were sent."""
    events = [Event(participant=participant, **dict(event)) for event in read_events(body)]
    Event.objects.bulk_create(events, ignore_conflicts=True)
    seen(participant)
    return len(events)
