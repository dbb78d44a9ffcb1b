"""Joining: somebody who consented gets a slot, its list, and the trials of it."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from almond.errors import InputError
from ratings.models import Arrival, Consent, ConsentForm, Participant, Recruitment, token_digest
from ratings.people import seal
from ratings.recruiting import RECRUITERS
from ratings.services import slots
from ratings.services.logging import log_join
from ratings.services.recruiting.invitations import use_link
from ratings.services.recruiting.payments import SETTINGS, check_affordable
from ratings.services.refusals import NotNow, Reason
from studies.models import AssignmentList, Study
from studies.services.dealing import deal

Kind = Participant.Kind
SINGLE_USE = "single-use link"
"""What stands in place of the id of whoever came by one."""
NAMES = {Kind.PERSON: "p", Kind.PREVIEW: "preview", Kind.ROBOT: "sim"}
INSERT = """
INSERT INTO ratings_trial (participant_id, "index", name, block, kind, planned, digests) SELECT %s, {}"""
INSERT_TRIALS = {
    "postgresql": INSERT.format(
        """trials.* FROM jsonb_to_recordset(CAST(%s AS jsonb)) AS trials
        ("index" integer, name text, block text, kind text, planned jsonb, digests jsonb)"""
    ),
    "sqlite": INSERT.format(
        """json_extract(value, '$.index'), json_extract(value, '$.name'), json_extract(value, '$.block'),
        json_extract(value, '$.kind'), json_extract(value, '$.planned'), json_extract(value, '$.digests')
        FROM json_each(%s)"""
    ),
}
"""From a JSON array, which the database takes apart: many rows for the price of one parameter."""


@dataclass(frozen=True)
class Recruit:
    """Where somebody came from: a source such as ``prolific``, their id there, and what else it sent.

    ``details`` name nobody; ``personal`` is sealed like the id.
    """

    source: str
    external_id: str
    details: Mapping[str, str]
    personal: Mapping[str, str] = field(default_factory=dict)

    def digest(self, study: Study) -> str:
        """Return what is stored of the id in a study: a digest under a key of its own."""
        said = "\n".join((str(study.pk), self.source, self.external_id))
        return hmac.new(settings.RECRUITMENT_KEY.encode(), said.encode(), hashlib.sha256).hexdigest()


def recruited_as(external_id: str) -> list[int]:
    """Find the participants of all studies who came with an id, whatever their source.

    Nobody is found by a single-use link: whose answers came by which is nobody's to look up.
    """
    rows = Recruitment.objects.values_list("study", "source").distinct().order_by()
    sources = [(study, source) for study, source in rows if not is_invited(source)]
    studies = Study.objects.defer(*Participant.LARGE).in_bulk({study for study, _ in sources})
    digests = [Recruit(source, external_id, {}).digest(studies[study]) for study, source in sources]
    return list(Recruitment.objects.filter(id_digest__in=digests).values_list("participant", flat=True))


@dataclass(frozen=True)
class Joined:
    participant: Participant
    token: str


def new_token() -> str:
    """Make a token of 256 random bits; the only key to a participant's pages."""
    return secrets.token_urlsafe(32)


def join(
    *, study: Study, token: str | None = None, recruit: Recruit | None = None, kind: str = Kind.PERSON
) -> Joined:
    """Let somebody who consented into a live study: a slot, a list, its trials. Only people take slots.

    The same ``token`` again gives the same participant.

    :raises NotNow: the study is not live or full, or the recruitment id already takes part.
    :raises InputError: a simulated participant, and a study that is for people.
    """
    token = token or new_token()
    return joined_before(study, token) or enter(study=study, token=token, recruit=recruit, kind=kind)


def joined_before(study: Study, token: str) -> Joined | None:
    known = Participant.objects.filter(token_digest=token_digest(token), study=study).first()
    return None if known is None else Joined(known, token)


def enter(
    *,
    study: Study,
    token: str,
    recruit: Recruit | None,
    kind: str,
    arrival: Arrival | None = None,
    form: ConsentForm | None = None,
) -> Joined:
    """Join with a token that was nobody's a moment ago.

    :param arrival: is stored with the participant, or not at all.
    :param form: what they agreed to, stored with them.
    """
    if kind == Kind.PERSON:
        slots.release_idle_slots(study)
    try:
        with transaction.atomic():
            participant = admit(study, token, recruit, kind, form)
            if arrival is not None:
                arrival.save(force_insert=True)
    except (NotNow, IntegrityError):
        # The same form, posted twice at the same time: the other one has joined, perhaps as the last.
        if (meanwhile := joined_before(study, token)) is None:
            raise
        return meanwhile
    return Joined(participant, token)


def admit(
    study: Study, token: str, recruit: Recruit | None, kind: str, form: ConsentForm | None
) -> Participant:
    """Write all that joining is, in the transaction of the caller."""
    study = check_open(study, in_turn=kind == Kind.PERSON)
    if kind == Kind.ROBOT:
        check_rehearsal(study)
    refuse_second_visit(study, recruit)
    if kind == Kind.PERSON:
        check_affordable(study)
    assignment = slots.take_slot(study) if kind == Kind.PERSON else slots.list_in_turn(study, kind)
    if assignment is None:
        raise NotNow(study.title, "has all its participants", "a study with free slots", reason=Reason.FULL)
    participant = add_participant(study, assignment, token, kind, form)
    if recruit is not None:
        store_recruit(participant, recruit)
        if is_invited(recruit.source):
            use_link(study, recruit.external_id)
    return participant


def is_invited(source: str) -> bool:
    """Tell whether people of a source came by links that this site made, each for one person."""
    return source in RECRUITERS.names() and RECRUITERS.load(source).invited


def check_open(study: Study, *, in_turn: bool) -> Study:
    """Return the study as it is now; ``NotNow`` when it lets nobody in.

    :param in_turn: hold the study's row until the transaction ends, so that people join one after the other,
        and nobody does once the study is closed. Rows that refer to the study are written meanwhile as ever.
    """
    rows = Study.objects.select_related("recruiting").only(
        *("title", "state", "plan_digest", "rehearsal"), *(f"recruiting__{name}" for name in SETTINGS)
    )
    current = (rows.select_for_update(of=("self",), no_key=True) if in_turn else rows).get(pk=study.pk)
    if not current.is_live:
        raise not_live(current)
    return current


def check_rehearsal(study: Study) -> None:
    """Raise ``InputError`` where simulated participants would stand among people's answers."""
    if not study.rehearsal:
        expected = "a rehearsal: simulated participants answer a copy of it"
        raise InputError(f"study {study.title!r}", "is for people", expected)


def not_live(study: Study) -> NotNow:
    """Say that a study takes no answers in its present state."""
    reason = Reason.ENDED if study.state == Study.State.CLOSED else Reason.PAUSED
    return NotNow(
        study.title, f"is {study.state} and takes no answers now", "a study that is live", reason=reason
    )


def refuse_second_visit(study: Study, recruit: Recruit | None) -> None:
    if recruit is None:
        return
    if Recruitment.objects.filter(study=study, id_digest=recruit.digest(study)).exists():
        raise taken_part(recruit)


def taken_part(recruit: Recruit) -> NotNow:
    return NotNow(
        f"{recruit.source} id",
        "already takes part in this study",
        "one visit; to go on, use the browser in which you began",
        reason=Reason.TAKEN_PART,
    )


def store_recruit(participant: Participant, recruit: Recruit) -> None:
    """Keep where somebody came from; ``NotNow`` for an id that was faster, and the transaction is over."""
    try:
        Recruitment.objects.create(
            study=participant.study,
            participant=participant,
            source=recruit.source,
            id_digest=recruit.digest(participant.study),
            sealed_id=seal(SINGLE_USE if is_invited(recruit.source) else recruit.external_id),
            details=dict(recruit.details),
            sealed_details=seal(json.dumps(dict(recruit.personal))) if recruit.personal else "",
        )
    except IntegrityError as error:
        raise taken_part(recruit) from error


def add_participant(
    study: Study, assignment: AssignmentList, token: str, kind: str, form: ConsentForm | None
) -> Participant:
    now = timezone.now()
    participant = Participant.objects.create(
        study=study,
        name=f"{NAMES[Kind(kind)]}-{secrets.token_hex(6)}",
        token_digest=token_digest(token),
        assignment=assignment,
        kind=kind,
        consented_at=now,
        last_seen_at=now,
    )
    if form is not None:
        Consent.objects.create(participant=participant, form=form)
    trials = deal(study, assignment).of(participant.name)
    write_trials(participant, trials)
    log_join(participant, trials, form)
    return participant


def write_trials(participant: Participant, trials: str) -> None:
    """Insert a participant's trials, given as one JSON array, in one statement of one size."""
    with connection.cursor() as cursor:
        cursor.execute(INSERT_TRIALS[connection.vendor], [participant.pk, trials])
