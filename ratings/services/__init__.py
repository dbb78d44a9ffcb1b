"""Every change to participants and their answers.

First write wins: a trial has one response, the first that came, and the database keeps it so. Every post of a
participant is written down as an attempt, also a refused one.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count
from django.utils import timezone

from accounts.models import User
from accounts.services import record
from almond.design.assignment import PlannedTrial
from almond.digest import digest_bytes
from almond.errors import InputError
from jobs.models import Job
from jobs.services import enqueue
from ratings.models import Attempt, Event, Participant, Recruitment, Response, Trial, token_digest
from ratings.services import slots as places
from ratings.services.answers import Answer, check_answer, read_answer, read_events
from ratings.services.exporting import export_tables
from ratings.services.refusals import Malformed, NotNow, NotTheirs, Refused, Unknown
from studies.models import AssignmentList, Study

__all__ = [
    "Joined",
    "Recorded",
    "Recruit",
    "export_tables",
    "finish",
    "join",
    "new_token",
    "record_events",
    "record_response",
    "start_simulation",
    "withdraw",
]

Status = Participant.Status
Outcome = Attempt.Outcome
HTTP_STATUS = {Outcome.STORED: 200, Outcome.REPEATED: 200, Outcome.DUPLICATE: 409}


@dataclass(frozen=True)
class Recruit:
    """Where somebody came from: a source such as ``prolific``, their id there, and what else it sent."""

    source: str
    external_id: str
    details: Mapping[str, str]


@dataclass(frozen=True)
class Joined:
    participant: Participant
    token: str


@dataclass(frozen=True)
class Recorded:
    """What became of a post: ``response`` is the one that is kept for its trial."""

    response: Response
    outcome: str

    @property
    def status(self) -> int:
        return HTTP_STATUS[Outcome(self.outcome)]

    def to_json(self) -> dict[str, Any]:
        duplicate = self.outcome == Outcome.DUPLICATE
        return {"acknowledged": True, "duplicate": duplicate, "kept": self.response.receipt()}


def new_token() -> str:
    """256 bits that nobody can guess; the only key to a participant's pages."""
    return secrets.token_urlsafe(32)


def join(
    *, study: Study, token: str | None = None, recruit: Recruit | None = None, simulated: bool = False
) -> Joined:
    """Let somebody who consented into a live study: a place, a list, its trials.

    The same ``token`` again gives the same participant. ``NotNow`` when the study is not live or full, or the
    recruitment id already takes part.
    """
    token = token or new_token()
    known = Participant.objects.filter(token_digest=token_digest(token), study=study).first()
    if known is not None:
        return Joined(known, token)
    if not simulated:
        places.release_idle(study)
    with transaction.atomic():
        study = check_live(study)
        refuse_twice(study, recruit)
        assignment = places.take_place(study)
        if assignment is None:
            raise NotNow(study.title, "has all its participants", "a study with free places")
        participant = add_participant(study, assignment, token, simulated)
        if recruit is not None:
            keep_recruit(participant, recruit)
    return Joined(participant, token)


def check_live(study: Study) -> Study:
    """The study as it is now; ``NotNow`` when it is not live."""
    current = Study.objects.get(pk=study.pk)
    if not current.is_live:
        raise NotNow(current.title, f"is {current.state} and takes no answers now", "a study that is live")
    return current


def refuse_twice(study: Study, recruit: Recruit | None) -> None:
    if recruit is None:
        return
    same = Recruitment.objects.filter(study=study, source=recruit.source, external_id=recruit.external_id)
    if same.exists():
        raise taken_part(recruit)


def taken_part(recruit: Recruit) -> NotNow:
    return NotNow(
        f"{recruit.source} id",
        "already takes part in this study",
        "one visit; to go on, use the browser in which you began",
    )


def keep_recruit(participant: Participant, recruit: Recruit) -> None:
    try:
        with transaction.atomic():
            Recruitment.objects.create(
                study=participant.study,
                participant=participant,
                source=recruit.source,
                external_id=recruit.external_id,
                details=dict(recruit.details),
            )
    except IntegrityError as error:
        raise taken_part(recruit) from error


def add_participant(study: Study, assignment: AssignmentList, token: str, simulated: bool) -> Participant:
    now = timezone.now()
    participant = Participant.objects.create(
        study=study,
        name=f"{'sim' if simulated else 'p'}-{secrets.token_hex(6)}",
        token_digest=token_digest(token),
        assignment=assignment,
        simulated=simulated,
        consented_at=now,
        last_seen_at=now,
    )
    stimuli = study.frozen_plan.stimulus_by_id
    planned = [PlannedTrial.from_json(value) for value in assignment.trials]
    Trial.objects.bulk_create(
        Trial(
            participant=participant,
            index=trial.index,
            name=f"{participant.name}-t{trial.index:03d}",
            block=trial.block,
            kind=trial.kind,
            planned=trial.to_json(),
            digests=[stimuli[name].sha256 for name in trial.stimuli],
        )
        for trial in planned
    )
    return participant


def record_response(*, participant: Participant, body: Mapping[str, Any]) -> Recorded:
    """Keep the answer to one trial, if it is the first; say which one is kept.

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
    answer = read_answer(body)
    trial = find_trial(participant, answer.trial_id)
    kept = Response.objects.filter(trial=trial).first()
    made = False
    if kept is None:
        check_live(participant.study)
        check_present(participant)
        check_answer(answer, trial)
        kept, made = write_first(trial, answer, late=not places.come_back(participant))
    outcome = outcome_of(kept, answer, made)
    seen(participant)
    note(participant, body, outcome, HTTP_STATUS[outcome], trial=trial)
    return Recorded(kept, outcome)


def outcome_of(kept: Response, answer: Answer, made: bool) -> Outcome:
    if made:
        return Outcome.STORED
    return Outcome.REPEATED if kept.response_id == answer.response_id else Outcome.DUPLICATE


def find_trial(participant: Participant, name: str) -> Trial:
    trial = Trial.objects.filter(name=name).first()
    if trial is None:
        raise Unknown("trial_id", f"{name!r} is no trial", "a trial of this participant")
    if trial.participant_id != participant.pk:
        raise NotTheirs("trial_id", f"{name!r} is somebody else's trial", "a trial of this participant")
    return trial


def check_present(participant: Participant) -> None:
    participant.refresh_from_db(fields=["status"])
    if participant.status == Status.WITHDRAWN:
        raise NotNow(participant.name, "has stopped taking part", "a participant who takes part")


def write_first(trial: Trial, answer: Answer, *, late: bool) -> tuple[Response, bool]:
    """Insert the response (True); when another post was faster, that one (False)."""
    try:
        with transaction.atomic():
            made = Response.objects.create(
                trial=trial,
                response_id=answer.response_id,
                values={name: float(value) for name, value in (answer.values or {}).items()},
                chosen=answer.chosen or "",
                rt_ms=answer.rt_ms,
                digests=list(answer.digests),
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
    """Text that every database takes, whatever a browser sent."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()[:longest]


def note_refusal(*, participant: Participant, body: Mapping[str, Any], refusal: Refused) -> None:
    note(participant, body, Outcome.REFUSED, refusal.status, detail=str(refusal))


@transaction.atomic
def record_events(*, participant: Participant, body: Mapping[str, Any]) -> int:
    """Keep a batch of events, each once however often it is sent; how many the batch had."""
    events = read_events(body)
    for event in events:
        event.participant = participant
    Event.objects.bulk_create(events, ignore_conflicts=True)
    seen(participant)
    return len(events)


@transaction.atomic
def finish(*, participant: Participant) -> Participant:
    """Give the completion code, once every trial is counted; the same again when asked again.

    ``NotNow`` while trials are open, or when the participant has withdrawn.
    """
    current = Participant.objects.select_for_update().select_related("study").get(pk=participant.pk)
    if current.is_done:
        return current
    check_present(current)
    counted = current.trials.aggregate(planned=Count("pk"), done=Count("response"))
    if counted["done"] != counted["planned"]:
        still = counted["planned"] - counted["done"]
        raise NotNow("trials", f"{still} of {counted['planned']} are not answered yet", "an answer to each")
    current.status = Status.FINISHED if places.come_back(current) else Status.FINISHED_LATE
    current.finished_at = current.last_seen_at = timezone.now()
    current.completion_code = current.study.completion_code or secrets.token_hex(4).upper()
    current.save(update_fields=["status", "finished_at", "last_seen_at", "completion_code"])
    return current


def withdraw(*, participant: Participant) -> Participant:
    """Stop taking part; the place is open for somebody else. ``NotNow`` after the end."""
    left = places.give_back(participant, Status.WITHDRAWN)
    if not left:
        idle = Participant.objects.filter(pk=participant.pk, status=Status.TIMED_OUT)
        left = bool(idle.update(status=Status.WITHDRAWN))
    participant.refresh_from_db()
    if not left and participant.is_done:
        raise NotNow(participant.name, "has finished", "a participant who takes part")
    return participant


@transaction.atomic
def start_simulation(
    *, study: Study, participants: int, seed: int, by: User | None, null: bool = False
) -> Job:
    """Let simulated participants take part, in a job; ``InputError`` when the study is not live."""
    if not study.is_live:
        raise InputError(f"study {study.title!r}", f"is {study.state}", "a live study")
    if participants < 1:
        raise InputError("participants", f"{participants}", "1 or more")
    job = enqueue(
        kind="ratings.simulate",
        arguments={"study": study.pk, "participants": participants, "seed": seed, "null": null},
        by=by,
    )
    record(verb="simulate", subject=study, by=by, participants=participants, seed=seed, null=null)
    return job
