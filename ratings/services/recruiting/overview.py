"""What the page of recruiting and paying shows of a study."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, Q

from almond.errors import InputError
from ratings.models import Arrival, EndPage, InvitationLink, PanelEvent, RecruitingPlan, Submission
from ratings.recruiting.base import Recruiter
from ratings.recruiting.outcomes import WORDS, Outcome
from ratings.services.recruiting.approvals import ApprovalLine, approval_lines
from ratings.services.recruiting.ends import plan_of
from ratings.services.recruiting.payments import cost_of
from ratings.services.refusals import Reason
from studies.models import Study

MOST_LINES = 200


@dataclass(frozen=True)
class EndRow:
    """One outcome in the table of ends: how many people it has, their code, their way back and pay.

    ``without_code`` says what stands in place of a code.
    """

    label: str
    count: int
    code: str
    without_code: str
    way_back: str
    pay: Decimal | None
    has_own_text: bool


def overview(study: Study, *, address: str, with_ids: bool) -> dict[str, Any]:
    """Gather the page's parts.

    :param address: of the study's consent page.
    :param with_ids: list the people with their ids, which the reader may see.
    """
    plan = plan_of(study)
    try:
        source = plan.source()
    except InputError as error:  # a recruiter that is not registered any more, or a setting of former times
        return {"plan": plan, "problems": [str(error)]}
    cost = cost_of(study, plan)
    pages = {Outcome(page.outcome): page for page in EndPage.objects.filter(study=study)}
    declined = Arrival.objects.filter(study=study, reason=Reason.DECLINED).count()
    counts = {**cost.counts, Outcome.DECLINED: declined}
    parts: dict[str, Any] = {
        "plan": plan,
        "source": source,
        "cost": cost,
        "panel_link": source.link(address),
        "ends": [end_row(outcome, pages.get(outcome), source, counts[outcome]) for outcome in Outcome],
        "problems": problems(plan, source, list(pages.values())),
        "panel": panel_facts(study, source) if source.tells else None,
    }
    if source.invited:
        parts["invitations"] = InvitationLink.objects.filter(study=study).aggregate(
            made=Count("pk"), used=Count("pk", filter=Q(used=True))
        )
    return parts | (people(study) if with_ids else {})


def end_row(outcome: Outcome, page: EndPage | None, source: Recruiter, count: int) -> EndRow:
    code = page.code if page else ""
    without_code = "one for each" if outcome is Outcome.FINISHED else "none"
    given = code or ("" if without_code == "none" else "{code}")
    way_back = (page.link if page else "") or source.way_back(outcome, given)
    return EndRow(
        label=WORDS[outcome].label,
        count=count,
        code=code,
        without_code=without_code,
        way_back=way_back.replace("{code}", code) if code else way_back,
        pay=page.pay if page else None,
        has_own_text=bool(page and page.text),
    )


def problems(plan: RecruitingPlan, source: Recruiter, pages: list[EndPage]) -> list[str]:
    """Say what stands in the way of recruiting and paying as it is planned."""
    said = []
    for page in pages:
        if unknown := sorted(page.unknown_places(source)):
            names = ", ".join(f"{{{name}}}" for name in unknown)
            known = ", ".join(f"{{{name}}}" for name in sorted(source.places()))
            said.append(f"The link back of “{page}” has {names}, which nothing fills in; there is {known}.")
    if source.tells and not source.panel_study():
        said.append(f"{source.title}'s id of the study is missing: links of any study there are let in.")
    if source.tells and not settings.PROLIFIC_TOKEN:
        said.append("ALMOND_PROLIFIC_TOKEN is not set: the panel cannot be asked.")
    if source.tells and not settings.PROLIFIC_SECRET:
        said.append("ALMOND_PROLIFIC_SECRET is not set: the panel's webhooks are refused.")
    if plan.budget is not None and not any(page.pay for page in pages):
        said.append("There is a budget, but no outcome is paid: nothing counts towards it.")
    return said


def panel_facts(study: Study, source: Recruiter) -> dict[str, Any]:
    """Count what the panel said: how many submissions of each status, and when the last message came."""
    rows = Submission.objects.filter(study=study).order_by()
    counts = dict(rows.values_list("status").annotate(Count("pk")))
    last = PanelEvent.objects.filter(source=source.kind).aggregate(at=Max("received_at"))
    labels = dict(Submission.Status.choices)
    return {
        "statuses": [(label, counts[status]) for status, label in labels.items() if status in counts],
        "last_message": last["at"],
    }


def people(study: Study) -> dict[str, Any]:
    """List the first people with their ids, or say why they cannot be opened."""
    try:
        lines: list[ApprovalLine] = approval_lines(study)
    except InputError as error:
        return {"lines_problem": str(error)}
    return {"lines": lines[:MOST_LINES], "more_lines": max(0, len(lines) - MOST_LINES)}
