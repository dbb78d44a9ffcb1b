"""A study's participants, responses and events as rows of an export. Recruitment is never read here."""

from __future__ import annotations

import json
from collections import Counter
from functools import lru_cache
from typing import Any

from almond.design.trials import TRIAL_KINDS
from almond.design.trials.base import PlannedTrial
from almond.design.trials.base import Response as StoredResponse
from almond.exchange.schema import table_schemas
from ratings.models import Event, Participant, Response
from studies.models import Study

Row = dict[str, Any]


def export_tables(study: Study) -> dict[str, list[Row]]:
    """Return the rows of ``participants``, ``events`` and every trial kind's table, as the codebook has them.

    None are of people who withdrew, unless the study keeps them, nor of people who were erased. Natural
    images have an empty ``intended_target``. ``InputError`` for a study that was never frozen.
    """
    plan = study.frozen_plan
    schema = table_schemas(plan.kinds)
    gaps = lru_cache(maxsize=1)(gaps_of)  # responses come by participant
    rows = {
        kind.table.name: [
            row
            for response in Response.objects.exported(study, name).iterator(chunk_size=2000)
            for row in kind.rows(plan, stored(response, gaps(response.trial.participant)[response.trial_id]))
        ]
        for name, kind in TRIAL_KINDS.entries().items()
        if kind.table.name in schema
    }
    # Counted from the rows above, so that the tables agree also while answers still come in.
    answered = {(row["participant_id"], row["trial_id"]) for table in rows.values() for row in table}
    done = Counter(name for name, _ in answered)
    return {"participants": participant_rows(study, done), **rows, "events": event_rows(study)}


def participant_rows(study: Study, done: Counter[str]) -> list[Row]:
    people = Participant.objects.exported(study).select_related("assignment")
    return [
        {
            "participant_id": person.name,
            "kind": person.kind,
            "list": person.assignment.number,
            "status": person.status,
            "started_at": iso(person.consented_at),
            "finished_at": iso(person.finished_at) if person.finished_at else "",
            "trials_planned": len(person.assignment.trials),
            "trials_done": done[person.name],
        }
        for person in people.order_by("name")
    ]


def event_rows(study: Study) -> list[Row]:
    events = Event.objects.filter(participant__in=Participant.objects.exported(study))
    return [
        {
            "participant_id": event.participant.name,
            "event_id": str(event.event_id),
            "trial_index": "" if event.trial_index is None else event.trial_index,
            "kind": event.kind,
            "page_ms": event.page_ms,
            "detail": json.dumps(event.detail, sort_keys=True) if event.detail else "",
            "received_at": iso(event.received_at),
        }
        for event in events.select_related("participant").iterator(chunk_size=2000)
    ]


def iso(moment: Any) -> str:
    return str(moment.isoformat(timespec="milliseconds"))


def gaps_of(participant: Participant) -> dict[int, float]:
    """Return trial -> milliseconds in which nothing came: from the answer stored before, or from joining, to
    this one, less the time of answering it; 0 at least."""
    gaps, before = {}, participant.consented_at
    answers = Response.objects.filter(trial__participant=participant).order_by("received_at", "pk")
    for trial, received_at, rt_ms in answers.values_list("trial", "received_at", "rt_ms"):
        waited = (received_at - before).total_seconds() * 1000
        gaps[trial], before = max(0.0, round(waited - rt_ms, 1)), received_at
    return gaps


def stored(response: Any, gap_ms: float) -> StoredResponse:
    """Return a response as trial kinds make rows from it."""
    trial = response.trial
    return StoredResponse(
        trial=PlannedTrial.from_json(trial.planned),
        images=response.digests,
        values=response.values,
        chosen=response.chosen,
        shared={
            "response_id": str(response.response_id),
            "trial_id": trial.name,
            "participant_id": trial.participant.name,
            "trial_index": trial.index,
            "block": trial.block,
            "rt_ms": response.rt_ms,
            "late": int(response.late),
            "marks": " ".join([*response.marks, *(["altered"] if response.altered else [])]),
            "received_at": iso(response.received_at),
            "gap_ms": gap_ms,
        },
    )
