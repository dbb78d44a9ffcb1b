"""Joining: somebody who consented gets a slot, its list, and the trials of it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from almond.design.trials.base import PlannedTrial
from ratings.models import Participant, Recruitment, Trial, token_digest
from ratings.people import cipher
from ratings.services import slots
from ratings.services.logging import log_join
from ratings.services.refusals import NotNow, Reason
from studies.models import AssignmentList, Study

Kind = Participant.Kind
NAMES = {Kind.PERSON: "p", Kind.PREVIEW: "preview", Kind.ROBOT: "sim"}


@dataclass(frozen=True)
class Recruit:
    """Where somebody came from: a source such as ``prolific``, their id there, and what else it sent."""

    source: str
    external_id: str
    details: Mapping[str, str]

    def digest(self, study: Study) -> str:
        """Return what is stored of the id in a study: a digest under a key of its own."""
        said = "\n".join((str(study.pk), self.source, self.external_id))
        return hmac.new(settings.RECRUITMENT_KEY.encode(), said.encode(), hashlib.sha256).hexdigest()


def recruited_as(external_id: str) -> list[int]:
    """Find the participants of all studies who came with an id, whatever their source."""
    sources = Recruitment.objects.values_list("study", "source").distinct().order_by()
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

    The same ``token`` again gives the same participant. ``NotNow`` when the study is not live or full, or the
    recruitment id already takes part.
    """
    token = token or new_token()
    known = Participant.objects.filter(token_digest=token_digest(token), study=study).first()
    if known is not None:
        return Joined(known, token)
    if kind == Kind.PERSON:
        slots.release_idle_slots(study)
    with transaction.atomic():
        study = check_open(study)
        refuse_second_visit(study, recruit)
        assignment = slots.take_slot(study) if kind == Kind.PERSON else slots.list_in_turn(study, kind)
        if assignment is None:
            raise NotNow(
                study.title, "has all its participants", "a study with free slots", reason=Reason.FULL
            )
        participant = add_participant(study, assignment, token, kind)
        if recruit is not None:
            store_recruit(participant, recruit)
    return Joined(participant, token)


def check_open(study: Study) -> Study:
    """Return the study as it is now; ``NotNow`` when it lets nobody in."""
    current = Study.objects.defer(*Participant.LARGE).get(pk=study.pk)
    if not current.is_live:
        raise not_live(current)
    return current


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
    try:
        with transaction.atomic():
            Recruitment.objects.create(
                study=participant.study,
                participant=participant,
                source=recruit.source,
                id_digest=recruit.digest(participant.study),
                sealed_id=cipher().encrypt(recruit.external_id.encode()).decode(),
                details=dict(recruit.details),
            )
    except IntegrityError as error:
        raise taken_part(recruit) from error


def add_participant(study: Study, assignment: AssignmentList, token: str, kind: str) -> Participant:
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
    stimuli = study.frozen_plan.stimulus_by_id
    planned = [PlannedTrial.from_json(value) for value in assignment.trials]
    trials = [
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
    ]
    Trial.objects.bulk_create(trials)
    log_join(participant, trials)
    return participant
