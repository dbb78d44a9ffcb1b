"""Who is to be paid: one line for each person who came, for people with the right to see recruitment ids."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from decimal import Decimal

from django.db.models import Count

from ratings.models import EndPage, Participant, Recruitment, Submission
from ratings.recruiting import RECRUITERS
from ratings.recruiting.bonuses import Work
from ratings.recruiting.outcomes import WORDS, Outcome
from ratings.services.recruiting.ends import outcome_of, plan_of
from ratings.services.recruiting.payments import NOTHING, Pay, passed_where_paid
from studies.models import Study

Status = Submission.Status
SETTLED = {
    Status.APPROVED: "paid already",
    Status.SCREENED_OUT: "paid already",
    Status.REJECTED: "rejected",
    Status.RETURNED: "returned, nothing to pay",
    Status.TIMED_OUT: "timed out there, nothing to pay",
}
"""Where the panel has settled a visit, what stands in place of a decision."""
APPROVE, RETURN, WAIT, LOOK = "approve", "ask to return", "wait", "look there"


@dataclass(frozen=True)
class ApprovalLine:
    """One person, with the panel's ids. ``participant`` is the random name; empty: unknown here."""

    id: str
    submission: str
    outcome: str
    code: str
    panel_status: str
    decision: str
    pay: Decimal
    bonus: Decimal
    currency: str
    participant: str


def approval_lines(study: Study) -> list[ApprovalLine]:
    """List everybody who came with an id, and everybody else whom the panel named, each once.

    Who has withdrawn is not known here by an id any more: of them the panel alone knows the code.

    :raises InputError: ids were sealed under another key.
    """
    plan = plan_of(study)
    pay = Pay.of(study, plan)
    last: dict[str, Submission] = {}
    for row in Submission.objects.filter(study=study).order_by("status_at", "pk"):
        last[row.id_digest] = row
    passed = passed_where_paid(study, pay)
    lines = [
        known_line(person, pay, last.pop(person.recruitment.id_digest, None), passed[person.pk])
        for person in people_of(study)
    ]
    pages = EndPage.objects.filter(study=study).exclude(code="").values_list("code", "outcome")
    outcomes = {code: Outcome(outcome) for code, outcome in pages}
    return [*lines, *(unknown_line(row, pay, outcomes.get(row.code)) for row in last.values())]


def people_of(study: Study) -> Iterator[Participant]:
    """Yield the people of a study of whom an id is known, in the order in which they came.

    Not those of single-use links: nothing says which answers came by which link.
    """
    people = Participant.objects.filter(study=study, recruitment__isnull=False).people()
    people = people.select_related("recruitment").annotate(answers=Count("trials__response"))
    invited = [name for name, recruiter in RECRUITERS.entries().items() if recruiter.invited]
    for person in people.exclude(recruitment__source__in=invited).order_by("pk"):
        person.study = study
        yield person


def known_line(person: Participant, pay: Pay, row: Submission | None, checks: int = 0) -> ApprovalLine:
    recruitment: Recruitment = person.recruitment
    outcome = outcome_of(person)
    reward = pay.reward(outcome)
    submission = row.ids["submission"] if row else recruitment.personal.get("assignmentId", "")
    work = Work(outcome, getattr(person, "answers", 0), checks)
    replaced = row is not None and row.is_given_back
    return ApprovalLine(
        id=recruitment.external_id,
        submission=submission,
        outcome=WORDS[outcome].label if outcome else "still inside",
        code=person.completion_code or (row.code if row else ""),
        panel_status=row.get_status_display() if row else "",
        decision=decision_on(outcome, reward, row),
        pay=NOTHING if replaced else reward,
        bonus=NOTHING if replaced else pay.bonus(work),
        currency=pay.plan.currency,
        participant=person.name,
    )


def unknown_line(row: Submission, pay: Pay, outcome: Outcome | None) -> ApprovalLine:
    """Write a line of somebody whom only the panel knows: who declined, withdrew, or never arrived."""
    ids = row.ids
    reward = NOTHING if row.is_given_back else pay.reward(outcome)
    return ApprovalLine(
        id=ids["person"],
        submission=ids["submission"],
        outcome=WORDS[outcome].label if outcome else "not known here",
        code=row.code,
        panel_status=row.get_status_display(),
        decision=decision_on(outcome, reward, row) if outcome else SETTLED.get(Status(row.status), LOOK),
        pay=reward,
        bonus=NOTHING,
        currency=pay.plan.currency,
        participant="",
    )


def decision_on(outcome: Outcome | None, reward: Decimal, row: Submission | None) -> str:
    """Say what is to be done at the panel about a visit."""
    if row is not None and Status(row.status) in SETTLED:
        return SETTLED[Status(row.status)]
    if outcome is None:
        return WAIT
    return APPROVE if outcome is Outcome.FINISHED or reward > 0 else RETURN


def approval_table(study: Study) -> str:
    """Return the lines as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [column.name for column in fields(ApprovalLine)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(line) for line in approval_lines(study))
    return text.getvalue()


def bonus_text(study: Study) -> str:
    """Return ``id,amount`` of everybody with a bonus, as panels take bonuses in bulk."""
    return "".join(f"{line.id},{line.bonus}\n" for line in approval_lines(study) if line.bonus > 0)
