"""Recording what a participant's browser posts.

First write wins: a trial has one response, the first that came, and the database keeps it so. Nothing is
refused because it is implausible; it is marked. Every post of a participant is written down as an attempt,
also a refused one, up to the study's limit; what comes after that is counted.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from almond.design.flow.branching import branches
from almond.design.trials import TRIAL_KINDS
from almond.design.trials.base import Answer, block_of
from almond.design.trials.pages.quota_lines import QuotaGroup
from almond.digest import digest_bytes
from ratings.models import QUOTA_IS_FULL, Attempt, Event, Participant, Response, Trial
from ratings.recruiting.outcomes import Outcome as VisitOutcome
from ratings.services import slots
from ratings.services.answers import check_answer, read_answer, read_events, read_trial_id
from ratings.services.joining import not_live
from ratings.services.logging import log_attempt, response_entry
from ratings.services.refusals import Malformed, NotNow, NotTheirs, Reason, Refused, Unknown
from ratings.services.visits import branching, quotas
from ratings.services.visits.screening import end_visit
from ratings.statements import Asked, find_asked, find_participant, store_seen
from studies.models import Study

Outcome = Attempt.Outcome
HTTP_STATUS = {Outcome.STORED: 200, Outcome.REPEATED: 200, Outcome.ALTERED: 200, Outcome.DUPLICATE: 409}
GONE = (Participant.Status.WITHDRAWN, Participant.Status.SCREENED_OUT)
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
    return record_post(digest=participant.token_digest, body=body)


def record_post(*, digest: str, body: Mapping[str, Any]) -> Recorded:
    """Do the same for whoever has the token of a digest; ``NotTheirs`` also when nobody has."""
    try:
        return store_first(digest, body)
    except Refused as refusal:
        note_refusal(participant=owner(digest), body=body, refusal=refusal)
        raise


def owner(digest: str) -> Participant:
    """Return who has the token of a digest; ``NotTheirs`` when nobody has."""
    participant = find_participant(digest)
    if participant is None:
        raise NotTheirs("token", "belongs to nobody who takes part", "the link given after consent")
    return participant


def store_first(digest: str, body: Mapping[str, Any]) -> Recorded:
    """Store an answer; where another post of the participant was faster, look again at what there is now.

    What is read is not locked: the database refuses what does not fit any more, the whole answer is undone,
    and each turn of the loop means that somebody else's post was stored, so it ends.
    """
    asked = find_trial(digest, read_trial_id(body))
    while True:
        try:
            return store(asked, body)
        except IntegrityError as error:
            before, asked = asked, find_trial(digest, asked.trial.name)
            if asked.is_as_before(before):
                raise used_before(body) or error from error


def used_before(body: Mapping[str, Any]) -> Malformed | None:
    """Say that a response id is that of another trial's response; None when it is not."""
    if not Response.objects.filter(response_id=body["response_id"]).exists():
        return None
    return Malformed("response_id", f"{body['response_id']} was used for another trial", "a new UUID")


def store(asked: Asked, body: Mapping[str, Any]) -> Recorded:
    """Store a first answer, or note that a trial has one."""
    if asked.response is not None:
        return note_repeat(asked, asked.response, body)
    kind = TRIAL_KINDS.load(asked.trial.kind)
    answer = read_answer(body, kind)
    check_takes_answers(asked.study)
    check_present(asked.participant)
    block = block_of(asked.study.frozen_plan, asked.trial.planned["block"])
    check_answer(answer, kind, asked.trial, block)
    if asked.earlier_open and branches(asked.study.frozen_plan):
        earlier = branching.an_earlier_trial_is_open(asked.participant, asked.trial.index)
        asked = dataclasses.replace(asked, earlier_open=earlier)
    groups = quotas.groups_of_answer(asked.participant, block, getattr(answer, "values", {}))
    if asked.participant.status != Participant.Status.TIMED_OUT and not groups:
        return write(asked, answer, body, late=False)
    with transaction.atomic():
        timed_out = asked.participant.status == Participant.Status.TIMED_OUT
        late = timed_out and not slots.reclaim_slot(asked.participant)
        recorded = write(asked, answer, body, late=late)
        count_in_quotas(asked.participant, groups)
        return recorded


def count_in_quotas(participant: Participant, groups: Sequence[QuotaGroup]) -> None:
    """Take the places of an answer that was just stored; where none is left the visit is over.

    The participant's row is locked by the answer. Somebody without a slot takes none before they have one.
    """
    if not groups:
        return
    current = Participant.objects.without_texts().get(pk=participant.pk)
    if not quotas.take_places(current, groups, counted=current.status in Participant.HOLDING):
        end_visit(current, QUOTA_IS_FULL, VisitOutcome.QUOTA_FULL)


@transaction.atomic
def note_repeat(asked: Asked, response: Response, body: Mapping[str, Any]) -> Recorded:
    """Write down a post whose trial has a response."""
    outcome = outcome_of(response, body)
    attempt = note(asked.participant, body, outcome, HTTP_STATUS[outcome], trial=asked.trial)
    if attempt is not None:
        log_attempt(asked.participant, attempt)
    return Recorded(response, outcome)


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


def marks_of(answer: Answer, asked: Asked, now: datetime) -> list[str]:
    """Return what is implausible about an answer that is about to be stored: keys of ``Response.MARKS``."""
    since_joining = (now - asked.participant.consented_at).total_seconds() * 1000
    return implausible(answer.rt_ms, since_joining, earlier_open=asked.earlier_open)


def implausible(rt_ms: float, since_joining_ms: float, *, earlier_open: bool) -> list[str]:
    """Return the keys of ``Response.MARKS`` that hold of an answer."""
    marks = {
        "too_fast": rt_ms < FASTEST_MS,
        "too_long": rt_ms > since_joining_ms + CLOCK_SLACK_MS,
        "out_of_order": earlier_open,
    }
    return [name for name, holds in marks.items() if holds]


def find_trial(digest: str, name: str) -> Asked:
    """Return the trial of this name and all that its answer depends on, if its participant has the token."""
    asked = find_asked(name)
    if asked is None:
        raise Unknown("trial_id", f"{name!r} is no trial", "a trial of this participant")
    if asked.participant.token_digest != digest:
        raise NotTheirs("trial_id", f"{name!r} is somebody else's trial", "a trial of this participant")
    return asked


def check_present(participant: Participant) -> None:
    if participant.status in GONE:
        raise has_left(participant)


def has_left(participant: Participant) -> NotNow:
    """Say that somebody has withdrawn, or was screened out."""
    if participant.status == Participant.Status.SCREENED_OUT:
        return NotNow(
            participant.name, "was screened out", "a participant who takes part", reason=Reason.SCREENED_OUT
        )
    return NotNow(
        participant.name, "has stopped taking part", "a participant who takes part", reason=Reason.WITHDRAWN
    )


def write(asked: Asked, answer: Answer, body: Mapping[str, Any], *, late: bool) -> Recorded:
    """Insert the response, the attempt that stored it and their entry in the log; of somebody who withdrew
    or was screened out meanwhile nothing is stored.

    :raises IntegrityError: the database has a response for this trial or with this id, or the log went on.
    """
    now = timezone.now()
    response = Response(
        trial=asked.trial,
        response_id=answer.response_id,
        values=dict(getattr(answer, "values", {})),
        chosen=getattr(answer, "chosen", ""),
        rt_ms=answer.rt_ms,
        digests=list(answer.images),
        late=late,
        marks=marks_of(answer, asked, now),
        received_at=now,
    )
    attempt = None
    if asked.attempts_are_kept:
        ids = ids_of(body)
        attempt = Attempt(
            participant=asked.participant, trial=asked.trial, outcome=Outcome.STORED, status=200, **ids
        )
    entry = response_entry(asked.entry, response, attempt)
    rows = [row for row in (response, attempt, entry) if row is not None]
    if not store_seen(asked, rows, now=now):
        asked.participant.refresh_from_db(fields=["status"])
        raise has_left(asked.participant)
    return Recorded(response, Outcome.STORED)


def note(
    participant: Participant,
    body: Mapping[str, Any],
    outcome: str,
    status: int,
    *,
    trial: Trial | None = None,
    detail: str = "",
) -> Attempt | None:
    """Write down an attempt that stored nothing, or count it beyond the limit; its participant was seen now.

    Changing the participant's row takes its lock: of somebody who was erased meanwhile no id is written.
    """
    here = Participant.objects.filter(pk=participant.pk)
    counter = (
        "attempts_made" if participant.attempts_made < participant.study.most_attempts else "attempts_over"
    )
    here.update(**{counter: F(counter) + 1}, last_seen_at=timezone.now())
    if counter == "attempts_over":
        return None
    erased = here.filter(erased_at__isnull=False).exists()
    ids = {} if erased else ids_of(body, detail)
    return Attempt.objects.create(participant=participant, trial=trial, outcome=outcome, status=status, **ids)


def ids_of(body: Mapping[str, Any], detail: str = "") -> dict[str, str]:
    """Return what an attempt holds of its post: nothing of them stays when the participant is erased."""
    return {
        "response_id": storable(str(body.get("response_id", "")), 60),
        "detail": storable(detail, 400),
        "body_digest": digest_bytes(json.dumps(body, sort_keys=True, default=str).encode()),
    }


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
