"""What the participants' pages and the monitor show: read from the tables, changing nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Count
from django.db.models.functions import TruncMinute
from django.urls import reverse
from django.utils import timezone

from almond.design.trials.base import PlannedTrial
from generation.models import Stimulus
from ratings.models import Arrival, Participant, Response
from studies.models import AssignmentList, Study, images_by_name
from studies.services.presentation import blocks_json, constructs_json, images_json, trial_json

ACTIVE_MINUTES = 5
RATE_MINUTES = 30


def addresses(token: str) -> dict[str, str]:
    """Return the addresses of one participant's pages."""
    names = ("study", "state", "responses", "events", "finish", "done", "withdraw")
    return {name: reverse(f"participant_{name}", args=[token]) for name in names}


def state_json(participant: Participant) -> dict[str, Any]:
    """Return everything that the browser needs to go on: trials, which are stored, images and words."""
    study = participant.study
    plan = study.frozen_plan
    trials = list(participant.trials.values_list("name", "planned", "digests", "response").order_by("index"))
    shown = {name for _, planned, *_ in trials for name in PlannedTrial.from_json(planned).stimuli}
    images = images_by_name(shown, Stimulus.objects.only("digest", "suffix", "width", "height")).values()
    return {
        "participant": participant.name,
        "status": participant.status,
        "live": study.takes_answers(timezone.now()),
        "constructs": constructs_json(plan),
        "images": images_json(images),
        "blocks": blocks_json(study, plan),
        "trials": [
            trial_json(name, planned, digests, done=response is not None)
            for name, planned, digests, response in trials
        ],
    }


def monitor_json(study: Study) -> dict[str, Any]:
    """Count people by status, slots per list, and responses per minute of the last half hour."""
    everybody = Participant.objects.filter(study=study)
    people = everybody.people()
    counts = dict(people.values_list("status").annotate(Count("pk")).order_by())
    now = timezone.now()
    return {
        "state": study.state,
        "planned": study.participants_planned,
        "started": sum(counts.values()),
        "active_now": people.seen_since(now - timedelta(minutes=ACTIVE_MINUTES)).count(),
        "finished": sum(counts.get(status, 0) for status in Participant.DONE),
        "withdrawn": counts.get(Participant.Status.WITHDRAWN, 0),
        "timed_out": counts.get(Participant.Status.TIMED_OUT, 0),
        "simulated": everybody.filter(kind=Participant.Kind.ROBOT).count(),
        "responses": Response.objects.filter(trial__participant__in=people).count(),
        "refused_arrivals": refused_arrivals(study),
        "lists": lists_json(study),
        "per_minute": responses_per_minute(study),
        "at": now.isoformat(timespec="seconds"),
    }


def refused_arrivals(study: Study) -> list[dict[str, Any]]:
    """Return why people were not let in, and how many of each, most often first."""
    refused = Arrival.objects.filter(study=study).exclude(refusal="")
    counted = refused.values_list("refusal").annotate(count=Count("pk")).order_by("-count")
    return [{"why": why, "count": count} for why, count in counted[:10]]


def lists_json(study: Study) -> list[dict[str, int]]:
    done = dict(
        Participant.objects.filter(study=study, status=Participant.Status.FINISHED)
        .people()
        .values_list("assignment__number")
        .annotate(Count("pk"))
        .order_by()
    )
    return [
        {
            "number": row.number,
            "taken": row.taken,
            "capacity": row.capacity,
            "finished": done.get(row.number, 0),
        }
        for row in AssignmentList.objects.filter(study=study).order_by("number")
    ]


def responses_per_minute(study: Study) -> list[int]:
    """Count the responses stored in each of the last 30 full or begun minutes, the present one last."""
    this = timezone.now().replace(second=0, microsecond=0)
    first = this - timedelta(minutes=RATE_MINUTES - 1)
    counts = dict(
        Response.objects.filter(trial__participant__study=study, received_at__gte=first)
        .annotate(minute=TruncMinute("received_at"))
        .values_list("minute")
        .annotate(Count("pk"))
        .order_by()
    )
    return [counts.get(first + timedelta(minutes=number), 0) for number in range(RATE_MINUTES)]
