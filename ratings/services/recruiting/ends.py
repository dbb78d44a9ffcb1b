"""The end of a visit as its page shows it: words, code, and the way back to where the person came from."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.services import record
from almond.errors import InputError
from ratings.models import QUOTA_IS_FULL, EndPage, Participant, RecruitingPlan, Submission
from ratings.recruiting.base import Recruiter, fill
from ratings.recruiting.outcomes import WORDS, Outcome
from studies.models import Study
from studies.services.presentation import paragraphs

Status = Participant.Status
ENDED = {
    Status.FINISHED: Outcome.FINISHED,
    Status.FINISHED_LATE: Outcome.FINISHED,
    Status.SCREENED_OUT: Outcome.SCREENED_OUT,
    Status.WITHDRAWN: Outcome.WITHDRAWN,
}
"""Statuses that are an end whatever the study does."""


@dataclass(frozen=True)
class End:
    """What an end page shows. ``way_back`` is empty where there is none; ``to`` is whose it is."""

    outcome: Outcome
    title: str
    paragraphs: list[str]
    code_label: str
    code: str
    way_back: str
    to: str
    by_itself: bool


def plan_of(study: Study) -> RecruitingPlan:
    """Return how a study recruits and pays; as one link for everybody where nothing was chosen."""
    return RecruitingPlan.objects.filter(study=study).first() or RecruitingPlan(study=study)


def page_of(study: Study, outcome: Outcome) -> EndPage:
    """Return what the page of an outcome says beside the usual; an empty row where that is nothing."""
    page = EndPage.objects.filter(study=study, outcome=outcome).first()
    return page or EndPage(study=study, outcome=outcome)


@transaction.atomic
def make_codes(*, study: Study, by: User | None) -> int:
    """Give each outcome a code of its own where the recruiter's people hand codes in; return how many.

    Codes that are there stay.
    """
    if not plan_of(study).source().own_codes:
        return 0
    made = 0
    for outcome in Outcome:
        page, _ = EndPage.objects.get_or_create(study=study, outcome=str(outcome))
        if not page.code:
            page.code = secrets.token_hex(4).upper()
            page.save(update_fields=["code"])
            made += 1
    if made:
        record(verb="make codes", subject=study, by=by, codes=made)
    return made


def outcome_of(participant: Participant) -> Outcome | None:
    """Tell how a participant's visit ended; None while it goes on."""
    known = ENDED.get(Status(participant.status))
    if known is Outcome.SCREENED_OUT and participant.screened_for == QUOTA_IS_FULL:
        return Outcome.QUOTA_FULL
    if known is not None:
        return known
    if is_over(participant):
        return Outcome.TIMED_OUT
    return Outcome.CLOSED if participant.study.has_ended(timezone.now()) else None


def is_over(participant: Participant) -> bool:
    """Tell whether somebody who timed out may not go on: so says the study, or their panel."""
    if participant.status != Status.TIMED_OUT:
        return False
    return given_back(participant) or plan_of(participant.study).end_after_time_out


def given_back(participant: Participant) -> bool:
    """Tell whether a participant's panel offers the place to somebody else."""
    recruitment = getattr(participant, "recruitment", None)
    if recruitment is None:
        return False
    last = Submission.objects.last_of(participant.study, recruitment.id_digest)
    return last is not None and last.is_given_back


def known_values(participant: Participant) -> dict[str, str]:
    """Return what may be put into a way back of a participant, by name.

    :raises InputError: the ids were sealed under another key.
    """
    recruitment = getattr(participant, "recruitment", None)
    if recruitment is None:
        return {}
    recruiter = plan_of(participant.study).source()
    same = recruiter.kind == recruitment.source and not recruiter.invited
    own = {recruiter.id_name(): recruitment.external_id} if same else {}
    return {**recruitment.details, **recruitment.personal, **own}


def end_of(participant: Participant, outcome: Outcome, *, values: Mapping[str, str] | None = None) -> End:
    """Return the end page of a participant.

    :param values: what may be put into the way back, where the ids are not stored any more.
    """
    study = participant.study
    page = page_of(study, outcome)
    code = participant.completion_code or page.code
    end = make_end(study, page, code, known_values(participant) if values is None else values)
    # Nobody pays a robot: no panel hears of one.
    return replace(end, by_itself=False) if participant.kind == Participant.Kind.ROBOT else end


def end_of_declining(study: Study, query: Mapping[str, str]) -> End:
    """Return the end page of somebody who did not agree; what their link carried is stored nowhere."""
    page = page_of(study, Outcome.DECLINED)
    try:
        arrived = plan_of(study).source().read(query)
    except InputError:  # a link that would not have let them in has no way back either
        arrived = None
    values: dict[str, str] = {}
    if arrived is not None:
        name = plan_of(study).source().id_name()
        values = {**arrived.details, **arrived.personal, name: arrived.external_id}
    return make_end(study, page, page.code, values)


def make_end(study: Study, page: EndPage, code: str, values: Mapping[str, str]) -> End:
    outcome = Outcome(page.outcome)
    recruiter: Recruiter = plan_of(study).source()
    template = page.link or recruiter.way_back(outcome, code)
    words = WORDS[outcome]
    way_back = fill(template, {**values, "code": code, "outcome": str(outcome)})
    return End(
        outcome=outcome,
        title=str(words.title),
        paragraphs=paragraphs(page.text or str(words.text)),
        code_label=str(words.code),
        code=code,
        way_back=way_back,
        to=recruiter.title,
        by_itself=bool(way_back) and recruiter.sends_back,
    )
