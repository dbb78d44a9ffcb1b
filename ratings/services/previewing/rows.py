"""The rows that an export would have of a visit that is tried out, made by what makes those of an export."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from almond.design.flow.branching import branches
from almond.design.flow.quotas import groups_answered, quota_groups
from almond.design.trials import TRIAL_KINDS
from almond.design.trials.base import block_of
from almond.design.trials.columns import TableSchema
from almond.design.trials.responses import Response, Responses, columns_of_rows, listed_cells
from almond.digest import digest_bytes
from almond.exchange.schema import EVENTS, PARTICIPANTS, table_columns
from ratings.recruiting.outcomes import Outcome
from ratings.services.answers import EventPost
from ratings.services.consenting import form_text
from ratings.services.exporting import event_row, iso
from ratings.services.previewing.visits import KeptAnswer, PreviewedVisit
from ratings.services.recording import implausible

Table = dict[str, Any]


def response_tables(visit: PreviewedVisit, kept: Sequence[KeptAnswer], began: datetime) -> list[Table]:
    """Return the tables of responses with all rows of a visit, those of the last answers first."""
    facts = dict(zip((one.trial.index for one in kept), shared_columns(visit, kept, began), strict=True))
    tables: dict[str, tuple[TableSchema, list[dict[str, Any]]]] = {}
    for name in visit.plan.kinds:
        kind = TRIAL_KINDS.load(name)
        own = [one for one in kept if one.trial.kind == name]
        if not own:
            continue
        planned = {trial.index: trial for trial in visit.planned}
        responses = Responses.of(
            [
                Response(
                    planned[one.trial.index], one.answer.images, one.values, one.side, facts[one.trial.index]
                )
                for one in own
            ]
        )
        columns = kind.columns(visit.plan, responses)
        cells = zip(*map(listed_cells, columns.values()), strict=True)
        rows = [dict(zip(columns, row, strict=True)) for row in cells]
        tables.setdefault(kind.table.name, (kind.table, []))[1].extend(rows)
    return [told(schema, sorted(rows, key=place, reverse=True)) for schema, rows in tables.values()]


def place(row: Mapping[str, Any]) -> int:
    return int(row["trial_index"])


def shared_columns(
    visit: PreviewedVisit, kept: Sequence[KeptAnswer], began: datetime
) -> Iterator[dict[str, Any]]:
    """Yield the columns that all kinds have, of each answer in the order in which they were given."""
    skipped, answered = visit.standing(kept).skipped, set[int]()
    moments = [began, *(one.received_at for one in kept)]
    for (before, now), one in zip(pairwise(moments), kept, strict=True):
        since = (now - began).total_seconds() * 1000
        earlier = set(range(one.trial.index)) - answered - skipped
        marks = implausible(one.answer.rt_ms, since, earlier_open=bool(earlier))
        answered.add(one.trial.index)
        yield {
            "response_id": str(one.answer.response_id),
            "trial_id": one.trial.name,
            "participant_id": visit.participant.name,
            "trial_index": one.trial.index,
            "block": one.trial.block,
            "rt_ms": one.answer.rt_ms,
            "late": 0,
            "marks": " ".join(marks),
            "received_at": iso(one.received_at),
            "gap_ms": round(max(0.0, (now - before).total_seconds() * 1000 - one.answer.rt_ms), 1),
        }


NAMES = ("participant_id", "trial_id", "response_id", "event_id")
STATUS = {None: "active", Outcome.FINISHED: "finished", Outcome.SCREENED_OUT: "screened_out"}


def participant_table(visit: PreviewedVisit, kept: Sequence[KeptAnswer], began: datetime) -> Table:
    """Return the row of the participant."""
    outcome = visit.outcome(kept)
    done = outcome is Outcome.FINISHED and bool(kept)
    row = {
        "participant_id": visit.participant.name,
        "list": visit.number,
        "status": STATUS[outcome],
        "started_at": iso(began),
        "finished_at": iso(kept[-1].received_at) if done else "",
        "trials_planned": len(visit.planned),
        "trials_done": len(kept),
        "kind": visit.participant.kind,
        "consent_sha256": digest_bytes(form_text(visit.study, visit.plan).encode()),
    }
    if branches(visit.plan):
        standing = visit.standing(kept)
        row |= {"trials_skipped": len(standing.skipped), "ended_by": standing.ended_by or ""}
    if quota_groups(visit.plan):
        answered = [(block_of(visit.plan, one.trial.block), one.values) for one in kept]
        groups = [group.words for block, values in answered for group in groups_answered(block, values)]
        row |= {"quota_groups": "; ".join(groups), "quota_full": 0}
    return told(PARTICIPANTS, [row])


def event_table(visit: PreviewedVisit, posts: Iterable[EventPost], now: datetime) -> Table:
    """Return the rows of some events."""
    name = visit.participant.name
    rows = [
        event_row(name, post.event_id, post.trial_index, post.kind, post.page_ms, post.detail, now)
        for post in posts
    ]
    return told(EVENTS, rows)


def told(schema: TableSchema, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return a table as JSON: its name, each column with what it means, and the cells as texts.

    Names of participant, trial and response come last: what was answered is to be seen first.
    """
    columns = sorted(table_columns(schema, columns_of_rows(rows)), key=lambda column: column.name in NAMES)
    return {
        "name": schema.name,
        "columns": [[column.name, column.description] for column in columns],
        "rows": [[text_of_cell(row.get(column.name, "")) for column in columns] for row in rows],
    }


def text_of_cell(cell: Any) -> str:
    """Write a cell: numbers with no more digits than they have."""
    return f"{cell:.12g}" if isinstance(cell, float) else str(cell)
