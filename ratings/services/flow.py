"""How many arrived, began, left and finished: the numbers of a flow diagram, per list, of people only."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Exists, OuterRef, Q

from ratings.models import Arrival, Participant, Response
from studies.models import Study
from studies.services.log import heads_digest

Status = Participant.Status


def flow(study: Study, *, started: Q | None = None) -> dict[str, Any]:
    """Count people by what became of them, withdrawn and erased ones too.

    ``arrived`` are those who consented and those who were refused, of whom at most the first thousand are
    written down with the reason.

    :param started: who began, where that is known by other means than by looking for responses.
    """
    refused = Arrival.objects.filter(study=study).exclude(refusal="")
    reasons = dict(refused.values_list("refusal").annotate(Count("pk")).order_by("refusal"))
    everybody = Participant.objects.filter(study=study)
    lists = list(_by_list(everybody, started))
    total = {name: sum(row[name] for row in lists) for name in COUNTS}
    return {
        "arrived": sum(reasons.values()) + total["consented"],
        "refused": reasons,
        **total,
        "lists": lists,
        "kinds": dict(everybody.values_list("kind").annotate(Count("pk")).order_by("kind")),
    }


COUNTS = {
    "consented": Q(),
    "started": Q(started=True),
    "withdrew": Q(status=Status.WITHDRAWN),
    "screened_out": Q(status=Status.SCREENED_OUT),
    "timed_out": Q(status=Status.TIMED_OUT),
    "active": Q(status=Status.ACTIVE),
    "finished": Q(status=Status.FINISHED),
    "finished_late": Q(status=Status.FINISHED_LATE),
    "erased": Q(erased_at__isnull=False),
}


def _by_list(everybody: Any, started: Q | None) -> list[dict[str, int]]:
    answered = Response.objects.filter(trial__participant=OuterRef("pk"))
    people = everybody.people()
    if started is None:
        people = people.annotate(started=Exists(answered))
    conditions = COUNTS if started is None else {**COUNTS, "started": started}
    counts = {f"n_{name}": Count("pk", filter=condition or None) for name, condition in conditions.items()}
    rows = people.values("assignment__number").annotate(**counts).order_by("assignment__number")
    return [
        {"list": row["assignment__number"], **{name: row[f"n_{name}"] for name in COUNTS}} for row in rows
    ]


def log_facts(study: Study) -> dict[str, Any]:
    """Return the digest of a study's log, to be compared later with ``manage.py verify_study --expect``."""
    return {"entries": study.log.count(), "digest": heads_digest(study)}
