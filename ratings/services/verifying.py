"""Comparing a study's rows with its log: an edit, a deletion or a gap is said in words, with its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.db import transaction
from django.db.models import F

from almond.design.plan import StudyPlan
from almond.digest import digest_bytes, digest_json
from ratings.models import Attempt, ConsentForm, Participant, Permit, Response
from ratings.services import erasing, logging
from studies.amendments import Recorded
from studies.models import Study, StudyLog
from studies.services import log
from studies.services.blind import LOGGED

STATE_AFTER = {"freeze": "frozen", "open": "live", "pause": "paused", "close": "closed"}
Entries = Mapping[tuple[str, str], str]
"""(kind, about) -> digest of what was written, of one participant's chain."""


def verify_study(study: Study) -> Iterator[str]:
    """Yield whatever does not fit the log, each with its place; nothing when all is as it was written."""
    if Permit.objects.exists():
        yield "ratings_permit: holds a row, so that anybody may change what is written once"
    yield from log.broken_links(study)
    yield from _states(study)
    for kind, name in LOGGED.items():
        yield from _recorded(study, kind, name)
    yield from _consent_forms(study)
    names = dict(Participant.objects.filter(study=study).order_by("pk").values_list("name", "pk"))
    joins = StudyLog.objects.filter(study=study, kind="join").exclude(chain=F("about"))
    logged = {}
    for entry in joins.order_by("chain", "number"):
        logged[entry.about] = entry
        if entry.about not in names and not Participant.objects.filter(name=entry.about).exists():
            where = f"log of {entry.chain}, entry {entry.number}"
            yield f"participant {entry.about}: joined ({where}), is deleted"
    for name, pk in names.items():
        yield from (f"participant {name}: {problem}" for problem in _participant(pk, logged.get(name)))


def began(study: Study) -> StudyLog | None:
    return StudyLog.objects.filter(study=study).order_by("at").first()


def before_the_log(study: Study) -> int:
    """Count participants who joined before the site kept a log: of them only what came later is verified."""
    first = began(study)
    people = Participant.objects.filter(study=study)
    return people.filter(consented_at__lt=first.at).count() if first else people.count()


def _states(study: Study) -> Iterator[str]:
    moves = StudyLog.objects.filter(study=study, chain=log.STATES, kind__in=STATE_AFTER)
    last = moves.order_by("number").last()
    freeze = StudyLog.objects.filter(study=study, chain=log.STATES, kind="freeze").first()
    study = Study.objects.get(pk=study.pk)
    if last is not None and STATE_AFTER[last.kind] != study.state:
        yield f"study {study.slug}: is {study.state}, but {last.kind} was its last step (log of study)"
    if freeze is not None and freeze.content != digest_json({"plan_digest": study.plan_digest}):
        yield f"study {study.slug}: its plan_digest is not the one that was frozen (log of study)"
    if StudyPlan.from_json(study.plan).digest != study.plan_digest:
        yield f"study {study.slug}: its plan is not that of its plan_digest"


def _consent_forms(study: Study) -> Iterator[str]:
    """Compare the texts that people agreed to with the digests that the log names."""
    for form in ConsentForm.objects.filter(study=study):
        if digest_bytes(form.text.encode()) != form.digest:
            yield f"consent form {form.digest[:12]}…: its text was changed"


def _recorded(study: Study, kind: str, name: str) -> Iterator[str]:
    """Compare amendments, the unlocking or planned looks with what was logged of them."""
    entries = StudyLog.objects.filter(study=study, chain=log.STATES, kind=kind).order_by("number")
    logged = dict(entries.values_list("about", "content"))
    rows: Iterable[Recorded] = getattr(study, name).select_related("by").order_by("pk")
    for row in rows:
        content = logged.pop(str(row.pk), None)
        if content is None:
            yield f"{name}, row {row.pk}: was added past the log"
        elif content != digest_json(row.content()):
            yield f"{name}, row {row.pk}: was changed"
    yield from (f"{name}, row {pk}: is deleted" for pk in logged)


@transaction.atomic
def _participant(pk: int, join: StudyLog | None) -> list[str]:
    """List what does not fit of a participant, whose row is locked meanwhile, so that answers wait."""
    person = erasing.locked(Participant.objects.get(pk=pk))
    entries = {
        (kind, about): content
        for kind, about, content in StudyLog.objects.filter(study=person.study, chain=person.name)
        .order_by("number")
        .values_list("kind", "about", "content")
    }
    own = entries.get(("join", person.name))
    first = began(person.study)
    if own is None and join is None and (first is None or person.consented_at < first.at):
        return []
    return [*_joining(person, own, join), *_steps(person, entries), *_answers(person, entries)]


def _joining(person: Participant, own: str | None, join: StudyLog | None) -> Iterator[str]:
    if own is None or join is None:
        yield "is not in the log of those who joined" if join is None else "its log lacks the joining"
        return
    now = digest_json(logging.joined(person, person.trials.order_by("index")))
    if now != own or own != join.content:
        yield f"its row or its planned trials differ from what joining wrote (log of {join.chain})"


def _steps(person: Participant, entries: Entries) -> Iterator[str]:
    """Compare the status with the steps that were logged."""
    steps = {kind for kind, _ in entries}
    withdrew = person.status == Participant.Status.WITHDRAWN
    if withdrew != ("withdrawal" in steps):
        yield f"is {person.status}, but the log has {'no' if withdrew else 'a'} withdrawal"
    if person.is_done and "finish" not in steps:
        yield f"is {person.status}, but the log has no finish"
    if not person.is_done and not withdrew and "finish" in steps:
        yield f"is {person.status}, but the log has a finish"
    screened = person.status == Participant.Status.SCREENED_OUT
    if screened and "screening" not in steps:
        yield f"is {person.status}, but the log has no screening"
    if not screened and not withdrew and "screening" in steps:
        yield f"is {person.status}, but the log has a screening"
    if (person.erased_at is not None) != ("erasure" in steps):
        yield f"erased_at is {person.erased_at}, which the log does not say"


def _answers(person: Participant, entries: Entries) -> Iterator[str]:
    responses = Response.objects.filter(trial__participant=person).select_related("trial")
    attempts = list(person.attempts.order_by("pk"))
    stored = {row.trial_id: row for row in attempts if row.outcome == Attempt.Outcome.STORED}
    # Of a response either way of writing it down holds.
    writings = (logging.answered, logging.answered_numbered)
    rows: dict[tuple[str, str], tuple[Any, list[dict[str, Any]]]] = {
        ("response", row.trial.name): (row, [write(row, stored.get(row.trial_id)) for write in writings])
        for row in responses
    }
    rows |= {
        ("attempt", str(row.pk)): (row, [logging.attempted(row)])
        for row in attempts
        if row.outcome != Attempt.Outcome.STORED
    }
    for key, content in entries.items():
        if key[0] in ("response", "attempt") and key not in rows:
            yield f"{_named(key)} is deleted"
        elif key in rows and not person.erased_at and content not in map(digest_json, rows[key][1]):
            what = " or the attempt that stored it" if key[0] == "response" else ""
            yield f"{_named(key)}{what} was changed"
    for key, (row, _) in rows.items():
        blank = erasing.BLANK_RESPONSE if key[0] == "response" else erasing.BLANK_ATTEMPT
        if key not in entries:
            yield f"{_named(key)} was added past the log"
        elif person.erased_at and any(getattr(row, name) != value for name, value in blank.items()):
            yield f"{_named(key)} was filled in after it was erased"
    if len(attempts) != person.attempts_made:
        yield f"{person.attempts_made} attempts were counted, {len(attempts)} are there"


def _named(key: tuple[str, str]) -> str:
    kind, about = key
    return f"the response to trial {about}" if kind == "response" else f"attempt {about}"
