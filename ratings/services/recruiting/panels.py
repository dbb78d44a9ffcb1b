"""What a panel says of its people: by webhooks, in any order and more than once, and when it is asked.

The later word counts, by the panel's own time. A place that the panel offers again is free here too.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from accounts.services import record
from almond.errors import InputError
from ratings.models import PanelEvent, Participant, RecruitingPlan, Recruitment, Submission
from ratings.recruiting.base import Told
from ratings.services import slots
from ratings.services.joining import Recruit
from ratings.services.recruiting.ends import plan_of
from studies.models import Study

Status = Submission.Status
Effect = PanelEvent.Effect
ORDER = [str(status) for status in Status]
"""Of two words of the same second the one further down counts: a visit is over after it began."""
KEPT = timedelta(days=90)
SLACK = timedelta(seconds=1)
"""Panels count whole seconds: what they said in the second of a question may be newer than its answer."""


@dataclass(frozen=True)
class Message:
    """A webhook: its id, when it happened, its kind, and what it says; None where that is of no use."""

    event_id: str
    at: datetime
    kind: str
    told: Told | None


def submission_digest(source: str, submission: str) -> str:
    """Return the keyed digest by which a submission is known."""
    said = f"submission\n{source}\n{submission}"
    return hmac.new(settings.RECRUITMENT_KEY.encode(), said.encode(), hashlib.sha256).hexdigest()


def receive(source: str, message: Message) -> str:
    """Take a webhook, once however often it comes; return what it effected."""
    try:
        with transaction.atomic():
            event = PanelEvent.objects.create(
                source=source,
                event_id=message.event_id,
                at=message.at,
                kind=message.kind[:60],
                effect=Effect.IGNORED,
            )
            event.effect = effect_of(source, message)
            event.save(update_fields=["effect"])
    except IntegrityError:
        known = PanelEvent.objects.filter(source=source, event_id=message.event_id).first()
        if known is None:
            raise
        return known.effect
    return event.effect


def prune_events(*, dry_run: bool = False) -> int:
    """Remove messages that came so long ago that no panel sends them again; return how many."""
    old = PanelEvent.objects.filter(received_at__lt=timezone.now() - KEPT)
    if dry_run:
        return old.count()
    return old.delete()[0]


def effect_of(source: str, message: Message) -> str:
    told = message.told
    if told is None or told.status not in ORDER:
        return Effect.IGNORED
    study = study_of(source, told)
    return Effect.UNKNOWN if study is None else apply(study, source, told, message.at)


def study_of(source: str, told: Told) -> Study | None:
    """Find the study of a message, which names only submission and person; None where none fits."""
    digest = submission_digest(source, told.submission)
    known = Submission.objects.filter(digest=digest).select_related("study").first()
    if known is not None:
        return known.study
    plans = RecruitingPlan.objects.filter(recruiter=source).select_related("study")
    studies = [plan.study for plan in plans.exclude(study__state=Study.State.DRAFT)]
    fitting = [study for study in studies if is_new_to(study, source, told.person)]
    return fitting[0] if len(fitting) == 1 else None


def is_new_to(study: Study, source: str, person: str) -> bool:
    """Tell whether somebody takes part in a study, and nothing is known yet of their submission."""
    digest = Recruit(source, person, {}).digest(study)
    takes_part = Recruitment.objects.filter(study=study, id_digest=digest).exists()
    return takes_part and not Submission.objects.filter(study=study, id_digest=digest).exists()


@transaction.atomic
def apply(study: Study, source: str, told: Told, at: datetime) -> str:
    """Write down what a panel says of a submission, unless something later is known, and act on it."""
    fresh = {
        "id_digest": Recruit(source, told.person, {}).digest(study),
        "sealed_ids": Submission.seal_ids(told.person, told.submission),
        "status": told.status,
        "status_at": at,
        "code": told.code,
    }
    digest = submission_digest(source, told.submission)
    row, made = Submission.objects.select_for_update().get_or_create(
        study=study, digest=digest, defaults=fresh
    )
    before = "" if made else row.status
    if not made:
        if told.code and told.code != row.code:
            row.code = told.code
            row.save(update_fields=["code"])
        if not is_later(row, told.status, at):
            return Effect.STALE
        row.status, row.status_at = told.status, at
        row.save(update_fields=["status", "status_at"])
    settle(row, before)
    return Effect.APPLIED


def is_later(row: Submission, status: str, at: datetime) -> bool:
    """Tell whether a word is news: another status, at a later time or further on within the same second."""
    if status == row.status:
        return False
    return (at, ORDER.index(status)) > (row.status_at, ORDER.index(row.status))


def settle(row: Submission, before: str) -> None:
    """Free the place of somebody whom the panel replaces, or give it back where the panel thought better."""
    person = Participant.objects.filter(
        study=row.study, recruitment__id_digest=row.id_digest, recruitment__study=row.study
    ).first()
    if person is None or Submission.objects.last_of(row.study, row.id_digest) != row:
        return
    if row.is_given_back and slots.reopen_slot(person):
        record(verb="reopen place", subject=person, by=None, panel=row.status)
    elif not row.is_given_back and before in Submission.GIVEN_BACK and slots.restore_slot(person):
        record(verb="restore place", subject=person, by=None, panel=row.status)


@dataclass(frozen=True)
class Reconciled:
    """How many submissions a panel listed, how many of them were news, and how often each status came."""

    listed: int
    news: int
    statuses: Mapping[str, int]


def reconcile(study: Study, *, by: User | None = None) -> Reconciled:
    """Ask the panel about everybody, and make good what webhooks did not say.

    :raises InputError: the study's recruiter cannot be asked, or the panel does not answer.
    """
    source = plan_of(study).source()
    if not source.tells:
        raise InputError(study.title, f"is recruited by {source.kind}, which cannot be asked", "Prolific")
    asked_at = timezone.now().replace(microsecond=0) - SLACK
    statuses: Counter[str] = Counter()
    news = 0
    for told in source.open_api().submissions(source.panel_study()):
        statuses[told.status] += 1
        if told.status in ORDER:
            news += apply(study, source.kind, told, asked_at) == Effect.APPLIED
    record(verb="reconcile", subject=study, by=by, listed=statuses.total(), news=news)
    return Reconciled(statuses.total(), news, dict(statuses))


def reconcilable() -> Iterator[Study]:
    """Yield the studies whose panel can be asked: those that are or were open, under an id of the panel's."""
    plans = RecruitingPlan.objects.select_related("study").exclude(
        study__state__in=[Study.State.DRAFT, Study.State.FROZEN]
    )
    for plan in plans.order_by("study"):
        source = plan.source()
        if source.tells and source.panel_study():
            yield plan.study
