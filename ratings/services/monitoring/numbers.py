"""The numbers of the monitor, as JSON: of people alone where nothing else is said, and never by condition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

from django.core.cache import cache
from django.db.models import Count, F, Q, Sum, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from ratings.models import Participant, Response
from ratings.services.flow import flow
from ratings.services.monitoring.precision import precision_numbers
from ratings.services.monitoring.progress import catch_up
from ratings.services.monitoring.refused import refused_arrivals, refused_posts
from ratings.services.monitoring.times import times
from studies.models import AssignmentList, Study

Status = Participant.Status
Kind = Participant.Kind
SILENT_MINUTES = 5
RATE_MINUTES = 30
SETTLED = timedelta(minutes=1)
"""After so long no transaction is open that gave a response its time: a minute is counted for good."""
MOST_INSIDE = 50
"""So many of those inside are listed, the longest silent first."""
SLOW_SHARE = 0.1
"""A browser is slow where frames were left out in more than this share of its trials."""
MINUTE = timedelta(minutes=1)


def monitor(study: Study) -> dict[str, Any]:
    """Count everything that the monitor shows; ``behind`` participants are not in it yet."""
    now = timezone.now()
    behind = catch_up(study)
    steps = flow(study, started=Q(progress__done__gt=0))
    groups = census(study)
    kinds = {str(kind): by_kind(groups, kind) for kind in Kind}
    people = [group for group in groups if group["kind"] == Kind.PERSON]
    silent = now - timedelta(minutes=SILENT_MINUTES)
    return {
        "state": study.state,
        "behind": behind,
        "planned": study.participants_planned,
        "started": kinds[Kind.PERSON]["joined"],
        "active_now": Participant.objects.filter(study=study).seen_since(silent).count(),
        "finished": kinds[Kind.PERSON]["finished"],
        "withdrawn": steps["withdrew"],
        "timed_out": steps["timed_out"],
        "simulated": kinds[Kind.ROBOT]["joined"],
        "responses": kinds[Kind.PERSON]["responses"],
        "kinds": kinds,
        "flow": {name: value for name, value in steps.items() if name not in ("lists", "kinds", "refused")},
        "lists": lists(study, steps["lists"]),
        "dropout": dropout(people, study.frozen_plan.trials),
        "times": times(study),
        "clients": clients(people),
        "inside": inside(study, now),
        "refused_arrivals": refused_arrivals(study),
        "refused_posts": refused_posts(study),
        "precision": precision_numbers(study),
        "per_minute": responses_per_minute(study, now),
        "at": now,
    }


def census(study: Study) -> list[dict[str, Any]]:
    """Count participants by kind, status and trials answered, and what their browsers did.

    One statement over the participants, from which all else is added up.
    """
    counts = {
        "offline": Count("pk", filter=Q(progress__offline__gt=0)),
        "slow": Count("pk", filter=Q(progress__slow__gt=SLOW_SHARE * F("progress__framed"))),
        "retried": Count("pk", filter=Q(progress__retries__gt=0)),
        "marked": Sum("progress__marked", default=0),
    }
    everybody = Participant.objects.filter(study=study).order_by()
    groups = everybody.values("kind", "status", done=Coalesce("progress__done", Value(0)))
    return [dict(group) for group in groups.annotate(count=Count("pk"), **counts)]


def by_kind(groups: Iterable[dict[str, Any]], kind: str) -> dict[str, int]:
    """Count who joined, is inside and finished, and answers stored, of one kind of participants."""
    rows = [group for group in groups if group["kind"] == kind]
    return {
        "joined": sum(row["count"] for row in rows),
        "inside": sum(row["count"] for row in rows if row["status"] == Status.ACTIVE),
        "finished": sum(row["count"] for row in rows if row["status"] in Participant.DONE),
        "responses": sum(row["count"] * row["done"] for row in rows),
    }


def clients(people: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Count people whose browser was offline, was slow, or asked for images again; and marked answers."""
    names = {
        "people": "count",
        "offline": "offline",
        "slow": "slow",
        "retried": "retried",
        "marked": "marked",
    }
    return {name: sum(group[field] for group in people) for name, field in names.items()}


def dropout(people: Sequence[dict[str, Any]], planned: int) -> dict[str, Any]:
    """Count, of those who answered at least one trial, how many came how far.

    ``reached[k - 1]`` answered at least k trials; ``may_reach[k - 1]`` have not, but are still inside;
    ``left[k]`` withdrew or timed out after k answers, ``left[0]`` before the first.
    """
    trials = max([planned, *(group["done"] for group in people)])
    left = answered(people, Status.WITHDRAWN, Status.TIMED_OUT)
    reached = at_least(answered(people, *Status), trials)
    inside = at_least(answered(people, Status.ACTIVE), trials)
    return {
        "trials": trials,
        "began": reached[0] if trials else 0,
        "reached": reached,
        "may_reach": [inside[0] - count for count in inside],
        "left": [left[done] for done in range(trials + 1)],
    }


def answered(people: Iterable[dict[str, Any]], *statuses: str) -> Counter[int]:
    """Count those of some statuses by how many trials they answered."""
    counts: Counter[int] = Counter()
    for group in people:
        if group["status"] in statuses:
            counts[group["done"]] += group["count"]
    return counts


def at_least(counts: Counter[int], most: int) -> list[int]:
    """Return how many have 1, 2, … ``most`` or more."""
    return list(accumulate(counts[number] for number in range(most, 0, -1)))[::-1]


def lists(study: Study, steps: Sequence[dict[str, int]]) -> list[dict[str, int]]:
    """Return the flow of every list, with its slots: how many there are, and how many are taken."""
    known = {row["list"]: row for row in steps}
    nobody = dict.fromkeys(("consented", "started", "active", "finished", "finished_late"), 0)
    nobody |= dict.fromkeys(("withdrew", "screened_out", "timed_out", "erased"), 0)
    slots = AssignmentList.objects.filter(study=study).order_by("number")
    return [
        {**known.get(number, nobody), "number": number, "taken": taken, "capacity": capacity}
        for number, taken, capacity in slots.values_list("number", "taken", "capacity")
    ]


def inside(study: Study, now: datetime) -> list[dict[str, Any]]:
    """List who is inside, the longest silent first, and what is known of their browsers."""
    active = Participant.objects.filter(study=study, status=Status.ACTIVE).people()
    names = ("done", "offline", "framed", "slow", "retries")
    rows = active.order_by("last_seen_at", "pk").values(
        "pk", "name", "last_seen_at", "assignment__number", *(f"progress__{name}" for name in names)
    )
    return [
        {
            "participant": row["pk"],
            "name": row["name"],
            "list": row["assignment__number"],
            "seen_at": row["last_seen_at"],
            "silent_s": max(0, round((now - row["last_seen_at"]).total_seconds())),
            **{name: row[f"progress__{name}"] or 0 for name in names},
        }
        for row in rows[:MOST_INSIDE]
    ]


def responses_per_minute(study: Study, now: datetime) -> list[int]:
    """Count people's responses in each of the last 30 full or begun minutes, the present one last.

    Minutes that are over are counted once in a process and remembered.
    """
    this = now.replace(second=0, microsecond=0)
    minutes = [this - number * MINUTE for number in reversed(range(RATE_MINUTES))]
    name = f"monitor-{study.pk}-{study.created_at.timestamp()}"
    keys = {minute: f"{name}-{minute.timestamp():.0f}" for minute in minutes}
    remembered = cache.get_many(keys.values())
    first = next((minute for minute in minutes if keys[minute] not in remembered), this)
    counts = {minute: remembered[keys[minute]] for minute in minutes if minute < first}
    fresh = Counter(moment.replace(second=0, microsecond=0) for moment in received_since(study, first))
    counts |= {minute: fresh[minute] for minute in minutes if minute >= first}
    over = {keys[minute]: counts[minute] for minute in minutes if first <= minute < this - SETTLED}
    cache.set_many(over, timeout=(RATE_MINUTES + 2) * 60)
    return [counts[minute] for minute in minutes]


def received_since(study: Study, first: datetime) -> Iterable[datetime]:
    """Return when people's responses since a moment were received: those of whoever was seen since then.

    Asked in one statement, databases begin with the study and go through all of its trials.
    """
    seen = Participant.objects.filter(study=study, last_seen_at__gte=first - SETTLED).people()
    pks = list(seen.order_by().values_list("pk", flat=True))
    recent = Response.objects.filter(trial__participant__in=pks, received_at__gte=first)
    return recent.order_by().values_list("received_at", flat=True)
