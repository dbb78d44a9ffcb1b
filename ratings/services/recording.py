"""Recording what a participant's browser posts.

First write wins: a trial has one response, the first that came, and the database keeps it so. Nothing is
refused because it is implausible; it is marked. Every post of a participant is written down as an attempt,
also a refused one, up to the study's limit; what comes after that is counted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from almond.design.trials import TRIAL_KINDS
from almond.design.trials.base import Answer
from almond.digest import digest_bytes
from lab.compiled_read import CompiledRead
from ratings.models import Attempt, Event, Participant, Response, Trial
from ratings.services import slots
from ratings.services.answers import check_answer, read_answer, read_events, read_trial_id
from ratings.services.joining import not_live
from ratings.services.logging import log_attempt, log_response
from ratings.services.refusals import Malformed, NotNow, NotTheirs, Reason, Refused, Unknown
from studies.models import Study

Outcome = Attempt.Outcome
HTTP_STATUS = {Outcome.STORED: 200, Outcome.REPEATED: 200, Outcome.ALTERED: 200, Outcome.DUPLICATE: 409}
FASTEST_MS = 100.0
"""Below it nobody has seen a picture and moved a finger."""
CLOCK_SLACK_MS = 1000.0
"""Of the time since joining, which two clocks measure."""


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
        altered = self.outcome == Outcome.ALTERED
        return {
            "acknowledged": True,
            "duplicate": duplicate,
            "differs": altered or duplicate,
            "kept": self.response.receipt(),
        }


def record_response(*, participant: Participant, body: Mapping[str, Any]) -> Recorded:
    """Store the answer to a trial, if it is the first; return the response that is stored.

    Raises ``Malformed`` (400), ``NotTheirs`` (403), ``Unknown`` (404) or ``NotNow`` (409); the attempt is
    written down all the same.
    """
    try:
        return store_first(participant, body)
    except Refused as refusal:
        note_refusal(participant=participant, body=body, refusal=refusal)
        raise


def store_first(participant: Participant, body: Mapping[str, Any]) -> Recorded:
    """Store an answer; where another post of its trial was faster, look again: now there is a response.

    The whole transaction is tried again rather than a savepoint set in it, which every answer would pay for.
    """
    try:
        with transaction.atomic():
            return store(participant, body)
    except ResponseExists as error:
        with transaction.atomic():
            trial = find_trial(participant, read_trial_id(body))
            if stored_response(trial) is None:
                raise Malformed(
                    "response_id", f"{body['response_id']} was used for another trial", "a new UUID"
                ) from error
            return store(participant, body)


def store(participant: Participant, body: Mapping[str, Any]) -> Recorded:
    trial = find_trial(participant, read_trial_id(body))
    participant = trial.participant  # as it is now, with its study
    response = stored_response(trial)
    if response is None:
        kind = TRIAL_KINDS.load(trial.kind)
        answer = read_answer(body, kind)
        check_takes_answers(participant.study)
        check_present(participant)
        check_answer(answer, kind, trial)
        late = not slots.reclaim_slot(participant)
        response, outcome = write(trial, answer, late=late, marks=marks_of(answer, trial)), Outcome.STORED
    else:
        outcome = outcome_of(response, body)
    attempt = note(participant, body, outcome, HTTP_STATUS[outcome], trial=trial)
    if outcome == Outcome.STORED:
        log_response(participant, response, attempt)
    elif attempt is not None:
        log_attempt(participant, attempt)
    return Recorded(response, outcome)


def stored_response(trial: Trial) -> Response | None:
    return trial.response if hasattr(trial, "response") else None


def check_takes_answers(study: Study) -> None:
    """Refuse an answer while the study is paused, or after those who take part had time to finish."""
    if not study.takes_answers(timezone.now()):
        raise not_live(study)


def outcome_of(response: Response, body: Mapping[str, Any]) -> Outcome:
    """Compare a post with the response that is stored for its trial: the same again, altered, or another."""
    if str(response.response_id) != str(body.get("response_id", "")).lower():
        return Outcome.DUPLICATE
    stored = {
        "values": response.values,
        "chosen": response.chosen,
        "rt_ms": response.rt_ms,
        "images": response.digests,
    }
    posted = {name: body.get(name, {} if name == "values" else "") for name in stored}
    return Outcome.REPEATED if posted == stored else Outcome.ALTERED


def marks_of(answer: Answer, trial: Trial) -> list[str]:
    """Return what is implausible about an answer that is about to be stored: keys of ``Response.MARKS``."""
    since_joining = (timezone.now() - trial.participant.consented_at).total_seconds() * 1000
    marks = {
        "too_fast": answer.rt_ms < FASTEST_MS,
        "too_long": answer.rt_ms > since_joining + CLOCK_SLACK_MS,
        "out_of_order": trial.earlier_open,  # type: ignore[attr-defined]  # annotated by to_answer
    }
    return [name for name, holds in marks.items() if holds]


TRIAL_TO_ANSWER: CompiledRead[Trial] = CompiledRead(
    Trial.objects.to_answer,
    by="name",
    related={"participant": Participant, "participant__study": Study, "response": Response},
    leaving_out=[f"participant__study__{name}" for name in Participant.LARGE],
    annotations=("earlier_open",),
)
"""All that an answer to a trial depends on, in one statement."""


def find_trial(participant: Participant, name: str) -> Trial:
    trial = TRIAL_TO_ANSWER.first(name)
    if trial is None:
        raise Unknown("trial_id", f"{name!r} is no trial", "a trial of this participant")
    if trial.participant_id != participant.pk:
        raise NotTheirs("trial_id", f"{name!r} is somebody else's trial", "a trial of this participant")
    return trial


def check_present(participant: Participant) -> None:
    if participant.status == Participant.Status.WITHDRAWN:
        raise withdrawn(participant)


def withdrawn(participant: Participant) -> NotNow:
    return NotNow(
        participant.name, "has stopped taking part", "a participant who takes part", reason=Reason.WITHDRAWN
    )


class ResponseExists(Exception):
    """Another post of the trial was faster, or the response id is that of another trial."""


def write(trial: Trial, answer: Answer, *, late: bool, marks: list[str]) -> Response:
    """Insert the response.

    :raises ResponseExists: the database has one for this trial, or with this id; the transaction is over.
    """
    try:
        return Response.objects.create(
            trial=trial,
            response_id=answer.response_id,
            values=dict(getattr(answer, "values", {})),
            chosen=getattr(answer, "chosen", ""),
            rt_ms=answer.rt_ms,
            digests=list(answer.images),
            late=late,
            marks=marks,
            received_at=timezone.now(),
        )
    except IntegrityError as error:
        raise ResponseExists from error


def note(
    participant: Participant,
    body: Mapping[str, Any],
    outcome: str,
    status: int,
    *,
    trial: Trial | None = None,
    detail: str = "",
) -> Attempt | None:
    """Write an attempt down, or count it where the participant's limit is reached; they were seen now.

    Changing the participant's row takes its lock: of somebody who withdrew meanwhile nothing is stored, and
    of somebody who was erased no id is written.
    """
    here = Participant.objects.filter(pk=participant.pk)
    counter = (
        "attempts_made" if participant.attempts_made < participant.study.most_attempts else "attempts_over"
    )
    present = here.exclude(status=Participant.Status.WITHDRAWN) if outcome == Outcome.STORED else here
    if present.update(**{counter: F(counter) + 1}, last_seen_at=timezone.now()) == 0:
        raise withdrawn(participant)
    if counter == "attempts_over":
        return None
    ids = {
        "response_id": storable(str(body.get("response_id", "")), 60),
        "detail": storable(detail, 400),
        "body_digest": digest_bytes(json.dumps(body, sort_keys=True, default=str).encode()),
    }
    if outcome != Outcome.STORED and here.filter(erased_at__isnull=False).exists():
        ids = {}
    return Attempt.objects.create(participant=participant, trial=trial, outcome=outcome, status=status, **ids)


def storable(text: str, longest: int) -> str:
    """Return text that every database takes, whatever a browser sent."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()[:longest]


@transaction.atomic
def note_refusal(*, participant: Participant, body: Mapping[str, Any], refusal: Refused) -> None:
    participant.refresh_from_db(fields=["attempts_made"])
    attempt = note(participant, body, Outcome.REFUSED, refusal.status, detail=str(refusal))
    if attempt is not None:
        log_attempt(participant, attempt)


def record_events(*, participant: Participant, body: Mapping[str, Any]) -> int:
    """Store events, each once however often it is sent; return how many of them are stored.

    None of somebody who withdrew is. Those beyond the study's limit are counted in
    ``Participant.events_over`` and not stored.
    """
    posts = {event.event_id: event for event in read_events(body)}
    known = Event.objects.filter(participant=participant)
    with transaction.atomic():
        # One batch at a time, and none after leaving.
        current = Participant.objects.select_for_update(of=("self",)).get(pk=participant.pk)
        if current.status == Participant.Status.WITHDRAWN:
            return 0
        stored = set(known.filter(event_id__in=posts).values_list("event_id", flat=True))
        fresh = [event for name, event in posts.items() if name not in stored]
        room = max(0, participant.study.most_events - known.count())
        Event.objects.bulk_create(Event(participant=participant, **dict(event)) for event in fresh[:room])
        over = len(fresh[room:])
        Participant.objects.filter(pk=participant.pk).update(
            events_over=F("events_over") + over, last_seen_at=timezone.now()
        )
    return len(stored) + len(fresh) - over
