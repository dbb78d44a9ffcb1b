"""What is written to a study's log of its participants, and how it is read again from their rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Model

from ratings.models import Attempt, Consent, ConsentForm, Participant, Response, Trial
from studies.models import StudyLog
from studies.services import log
from studies.services.dealing import digest_with_trials

RESPONSE = ("response_id", "values", "chosen", "rt_ms", "digests", "late", "marks", "received_at")
ATTEMPT = ("response_id", "outcome", "status", "detail", "body_digest")
JOINED = ("name", "kind", "assignment_id", "consented_at")
TRIAL = ("index", "name", "block", "kind", "planned", "digests")


def fields_of(row: Model, names: Iterable[str]) -> dict[str, Any]:
    """Return fields as the log takes them: numbers and texts, and all else as text."""
    return {name: as_stored(getattr(row, name)) for name in names}


def as_stored(value: Any) -> Any:
    """Return a value as it is read again from every database: PostgreSQL's JSON knows no negative zero."""
    if isinstance(value, dict):
        return {name: as_stored(part) for name, part in value.items()}
    if isinstance(value, list):
        return [as_stored(part) for part in value]
    if isinstance(value, float):
        return value + 0.0  # -0.0 + 0.0 is 0.0, and no other number changes
    return value if isinstance(value, str | int | None) else str(value)


def joined(participant: Participant, trials: Iterable[Trial]) -> dict[str, Any]:
    """Return what joining fixed: who, of which list, when, what they agreed to, and every planned trial."""
    consent = Consent.objects.filter(participant=participant).select_related("form").first()
    fields = fields_of_join(participant, consent.form if consent else None)
    return {**fields, "trials": [fields_of(trial, TRIAL) for trial in trials]}


def fields_of_join(participant: Participant, form: ConsentForm | None) -> dict[str, Any]:
    """Return what joining fixed but for the trials; of whom no form is stored there is none in the log."""
    agreed = {"consent": form.digest} if form is not None else {}
    return {**fields_of(participant, JOINED), **agreed}


def answered(response: Response, attempt: Attempt | None) -> dict[str, Any]:
    """Return a response and the attempt that stored it; none beyond the limit of attempts.

    The attempt has no number in it: the rows of an answer are stored at once, before numbers are known.
    """
    of_attempt = {**fields_of(attempt, ATTEMPT), "trial": attempt.trial_id} if attempt else None
    return {**fields_of(response, RESPONSE), "attempt": of_attempt}


def answered_numbered(response: Response, attempt: Attempt | None) -> dict[str, Any]:
    """Return the same as it was written before the rows of an answer were stored at once."""
    return {**fields_of(response, RESPONSE), "attempt": attempted(attempt) if attempt else None}


def attempted(attempt: Attempt) -> dict[str, Any]:
    return {**fields_of(attempt, ATTEMPT), "id": attempt.pk, "trial": attempt.trial_id}


def list_chain(participant: Participant) -> str:
    """Name the chain in which a join stands. People join one after the other; others do not wait."""
    return f"list {participant.assignment.number}" if participant.is_person else f"{participant.kind}s"


def log_join(participant: Participant, trials: str, form: ConsentForm | None) -> None:
    """Write a join to the chain of its list, and as the first entry of the participant's own.

    :param trials: what was planned, as canonical JSON: ``joined`` reads the same from the rows.
    """
    content = digest_with_trials(fields_of_join(participant, form), trials)
    study, name, chain = participant.study, participant.name, list_chain(participant)
    log.append_and_begin(study, chain, "join", name, content, owned=participant.is_person)


def response_entry(last: StudyLog | None, response: Response, attempt: Attempt | None) -> StudyLog:
    """Make the entry of a response, to be stored with it, after the last one of its participant."""
    participant = response.trial.participant
    return log.entry_after(
        last,
        participant.study,
        participant.name,
        kind="response",
        about=response.trial.name,
        content=answered(response, attempt),
    )


def log_attempt(participant: Participant, attempt: Attempt) -> None:
    log.append(participant.study, participant.name, "attempt", str(attempt.pk), attempted(attempt))


def log_step(participant: Participant, kind: str, **content: Any) -> StudyLog:
    """Write that a participant finished, withdrew or was erased; their row is locked."""
    return log.append(participant.study, participant.name, kind, participant.name, content)
