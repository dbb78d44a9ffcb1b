"""A row per participant: how far, how long, how carefully, on what; page by page, sorted in the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import DurationField, ExpressionWrapper, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from ratings.models import HandExclusion, Participant, Submission
from ratings.recruiting.bonuses import Work
from ratings.services.monitoring.progress import catch_up
from ratings.services.monitoring.strips import Cell, block_medians, strip_of
from ratings.services.recruiting.ends import plan_of
from ratings.services.recruiting.payments import Pay, ended_as
from ratings.services.visits.branching import standings
from studies.models import AssignmentList, Study

PER_PAGE = 50
ORDERS = {
    "name": ("participant", "name"),
    "status": ("status", "status"),
    "answered": ("answered", "progress__done"),
    "duration": ("time", "seconds"),
    "median": ("per trial", "progress__median_ms"),
    "checks": ("failed checks", "progress__failed"),
    "run": ("same in a row", "progress__longest_run"),
    "spread": ("SD of ratings", "progress__spread"),
    "reloads": ("reloads", "progress__loads"),
    "device": ("window", "progress__device"),
    "joined": ("joined", "pk"),
}
"""Name in an address -> heading of the column, and what the database sorts by."""
FILTERS = {
    "all": Q(),
    **{str(status): Q(status=status) for status in Participant.Status},
    "excluded": Q(is_out=True),
    "failed": Q(progress__failed__gt=0),
}
"""Name in an address -> who is listed."""
LABELS = {"all": "everybody", **{str(status): str(status.label) for status in Participant.Status}} | {
    "excluded": "excluded by hand",
    "failed": "with a failed check",
}
FIELDS = (
    "erased_at",
    "pk",
    "name",
    "status",
    "assignment_id",
    "assignment__number",
    "completion_code",
    "consented_at",
)
PROGRESS = (
    "done",
    "times",
    "median_ms",
    "failed",
    "failed_at",
    "longest_run",
    "spread",
    "loads",
    "device",
    "marked",
)


@dataclass(frozen=True)
class PersonRow:
    """One participant as the table shows them.

    ``cost`` is None where nothing is paid, or they are inside; ``cells`` of whom all answers are erased.
    """

    pk: int
    name: str
    status: str
    status_label: str
    list: int
    joined: datetime
    done: int
    planned: int
    time: timedelta
    median_ms: float | None
    failed: int
    longest_run: int
    spread: float | None
    reloads: int
    device: str
    marked: int
    is_out: bool
    cost: Decimal | None
    cells: Sequence[Cell] | None


@dataclass(frozen=True)
class PeopleTable:
    """A page of the table, and by what it is sorted and filtered."""

    rows: Sequence[PersonRow]
    page: Page[Any]
    order: str
    descending: bool
    shown: str
    currency: str


def people_of(study: Study) -> QuerySet[Participant]:
    """Return a study's people with ``seconds``, the length of the visit so far, and ``is_out``: by hand."""
    spent = Coalesce(F("finished_at"), F("last_seen_at")) - F("consented_at")
    entries = HandExclusion.objects.filter(participant=OuterRef("pk")).order_by("-pk")
    kinds = [Participant.Kind.PERSON, *([Participant.Kind.ROBOT] if study.rehearsal else [])]
    return Participant.objects.filter(study=study, kind__in=kinds).annotate(
        seconds=ExpressionWrapper(spent, output_field=DurationField()),
        is_out=Subquery(entries.values("out")[:1]),
    )


def people_table(study: Study, *, order: str = "joined", shown: str = "all", page: int = 1) -> PeopleTable:
    """Read one page of the table.

    :param order: of ``ORDERS``, with a minus before it for the highest first. What is not known stands last.
    :param shown: of ``FILTERS``. Any other order or filter is the first one.
    """
    catch_up(study)
    name = order.removeprefix("-")
    name = name if name in ORDERS else "joined"
    shown = shown if shown in FILTERS else "all"
    descending = order.startswith("-")
    key = F(ORDERS[name][1])
    by = key.desc(nulls_last=True) if descending else key.asc(nulls_last=True)
    people = people_of(study).filter(FILTERS[shown]).order_by(by, "pk")
    # Sorted by keys alone: the times of everybody would be sorted along.
    sheet = Paginator(people.values_list("pk", flat=True), PER_PAGE).get_page(page)
    rows = read_rows(study, list(sheet.object_list))
    currency = plan_of(study).currency
    return PeopleTable(person_rows(study, rows), sheet, name, descending, shown, currency)


def read_rows(study: Study, pks: Sequence[int]) -> list[dict[str, Any]]:
    """Read what the table shows of some people, in the order of their keys."""
    columns = (*FIELDS, "seconds", "is_out", *(f"progress__{field}" for field in PROGRESS))
    rows = {row["pk"]: row for row in people_of(study).filter(pk__in=pks).order_by().values(*columns)}
    return [dict(rows[pk]) for pk in pks if pk in rows]


def person_rows(study: Study, rows: Sequence[Mapping[str, Any]]) -> list[PersonRow]:
    """Make the rows of some people from what was read of them."""
    blocks = blocks_of_lists(row["assignment_id"] for row in rows)
    people = [(row["progress__times"] or [], blocks[row["assignment_id"]]) for row in rows]
    medians = block_medians(people)
    costs = costs_of(study, rows)
    skipped = {
        pk: now.skipped for pk, now in standings(study.frozen_plan, [row["pk"] for row in rows]).items()
    }
    return [
        PersonRow(
            pk=row["pk"],
            name=row["name"],
            status=row["status"],
            status_label=str(Participant.Status(row["status"]).label),
            list=row["assignment__number"],
            joined=row["consented_at"],
            done=row["progress__done"] or 0,
            planned=len(own),
            time=row["seconds"],
            median_ms=row["progress__median_ms"],
            failed=row["progress__failed"] or 0,
            longest_run=row["progress__longest_run"] or 0,
            spread=row["progress__spread"],
            reloads=max(0, (row["progress__loads"] or 0) - 1),
            device=row["progress__device"] or "",
            marked=row["progress__marked"] or 0,
            is_out=bool(row["is_out"]),
            cost=costs.get(row["pk"]),
            cells=None
            if row["erased_at"]
            else strip_of(
                times, own, medians, failed=row["progress__failed_at"] or (), skipped=skipped[row["pk"]]
            ),
        )
        for row, (times, own) in zip(rows, people, strict=True)
    ]


def blocks_of_lists(lists: Iterable[int]) -> dict[int, list[str]]:
    """Return the blocks of every trial of some lists, by primary key."""
    rows = AssignmentList.objects.filter(pk__in=set(lists)).values_list("pk", "trials")
    return {pk: [str(trial["block"]) for trial in trials] for pk, trials in rows}


def costs_of(study: Study, rows: Sequence[Mapping[str, Any]]) -> dict[int, Decimal]:
    """Return what some people cost with the panel's fee; nobody where nothing is paid."""
    plan = plan_of(study)
    pay = Pay.of(study, plan)
    if not pay.rewards and not plan.bonus_rule:
        return {}
    is_over = study.has_ended(timezone.now())
    own = Submission.objects.filter(study=study, id_digest=OuterRef("recruitment__id_digest"))
    last = Subquery(own.order_by("-status_at", "-pk").values("status")[:1])
    people = Participant.objects.filter(pk__in=[row["pk"] for row in rows]).annotate(panel=last).order_by()
    panel = dict(people.values_list("pk", "panel"))
    costs = {}
    for row in rows:
        replaced = panel[row["pk"]] in Submission.GIVEN_BACK
        outcome = ended_as({**row, "replaced": replaced}, plan, is_over=is_over)
        if outcome is not None and not replaced:
            work = Work(outcome, row["progress__done"] or 0)
            costs[row["pk"]] = pay.with_fee(pay.reward(outcome) + pay.bonus(work))
    return costs
