"""Keeping each participant's summary up to date, so that a look at a study never reads all its responses.

Whoever posts an answer or an event, is let in again, or is erased changes their row in
``ratings_participant`` in the same transaction. A summary that names another state of that row is made anew
from all rows of that participant. It is read before these rows: what is committed in between is counted now,
and once more next time. Ids of rows would not do as a mark of what was counted, for PostgreSQL commits them
out of order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from statistics import median
from typing import Any

from django.db import transaction
from django.db.models import F

from ratings.models import Attempt, Event, Participant, Progress, Response
from ratings.services.monitoring.quality import DEVICES, Given, Measures, device_of
from ratings.services.monitoring.refused import code_of_post
from studies.models import Study

AT_ONCE = 100
"""Participants whose rows are read at once."""
SECONDS = 1.0
"""After so long a look goes on with what is counted, and leaves the rest for the next."""
EVENTS = ("offline", "frames", "images", "load")
MOST_RETRIES = 10_000
"""What a browser says of its own is not believed beyond this."""
SUMMARISED = (
    "seen_at",
    "posts",
    "erased",
    "done",
    "times",
    "marked",
    "refused",
    "refused_at",
    "offline",
    "framed",
    "slow",
    "retries",
    "loads",
    "device",
    "median_ms",
    "failed",
    "failed_at",
    "longest_run",
    "spread",
    "bins",
)
State = Mapping[str, Any]


def catch_up(study: Study, *, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic) -> int:
    """Count anew whoever changed since they were counted; return how many are left after ``seconds``."""
    until = clock() + seconds
    measures: Measures | None = None
    changed = Participant.objects.filter(study=study).since_counted()
    while states := list(
        changed.order_by("pk")
        .annotate(posts=F("attempts_made") + F("attempts_over"))
        .values("pk", "name", "last_seen_at", "erased_at", "posts")[:AT_ONCE]
    ):
        measures = measures or Measures(study.frozen_plan)
        keep(summarise(states, measures))
        if clock() >= until:
            return changed.count()
    return 0


def summarise(states: Sequence[State], measures: Measures) -> list[Progress]:
    """Read the rows of some participants, each with ``pk``, ``name`` and what tells their state."""
    summaries = {
        state["pk"]: Progress(
            participant_id=state["pk"],
            seen_at=state["last_seen_at"],
            posts=state["posts"],
            erased=state["erased_at"] is not None,
        )
        for state in states
    }
    count_responses(summaries, measures)
    count_events(summaries)
    count_attempts(summaries, {state["pk"]: state["name"] for state in states})
    return list(summaries.values())


def count_responses(summaries: Mapping[int, Progress], measures: Measures) -> None:
    rows = Response.objects.filter(trial__participant__in=summaries).order_by(
        "trial__participant", "trial__index"
    )
    fields = ("trial__participant", "trial__index", "trial__block", "values", "chosen", "rt_ms", "marks")
    for pk, own in groupby(rows.values_list(*fields), key=itemgetter(0)):
        summary, given = summaries[pk], []
        for _, index, block, values, chosen, rt_ms, marks in own:
            summary.done += 1
            if not summary.erased:
                summary.times += [None] * (index + 1 - len(summary.times))
                summary.times[index] = round(rt_ms)
                summary.marked += bool(marks)
                given.append(Given(index, block, values, chosen))
        known = [time for time in summary.times if time is not None]
        summary.median_ms = median(known) if known else None
        for name, value in measures.of(given).items():
            setattr(summary, name, value)


def count_events(summaries: Mapping[int, Progress]) -> None:
    rows = Event.objects.filter(participant__in=summaries, kind__in=EVENTS).order_by()
    for pk, kind, detail in rows.values_list("participant", "kind", "detail"):
        summary = summaries[pk]
        if kind == "offline":
            summary.offline += 1
        elif kind == "load":
            summary.loads += 1
            summary.device = narrower(summary.device, device_of(detail.get("width")))
        elif kind == "images":
            summary.retries += min(whole(detail.get("retries")), MOST_RETRIES)
        elif detail.get("slow") is not None:  # null where the length of a frame is not known
            summary.framed += 1
            summary.slow += whole(detail["slow"]) > 0


def narrower(one: str, other: str) -> str:
    """Return the class of the narrower of two windows; of whose width nothing is known, the other."""
    known = [device for device in (one, other) if device]
    return min(known, key=DEVICES.index, default="")


def whole(value: Any) -> int:
    """Return a count that a browser sent; 0 for whatever is none."""
    return max(int(value), 0) if isinstance(value, int | float) else 0


def count_attempts(summaries: Mapping[int, Progress], names: Mapping[int, str]) -> None:
    stored_nothing = Attempt.objects.filter(participant__in=summaries).exclude(
        outcome__in=[Attempt.Outcome.STORED, Attempt.Outcome.REPEATED]
    )
    for pk, outcome, status, detail, at in stored_nothing.order_by("id").values_list(
        "participant", "outcome", "status", "detail", "at"
    ):
        summary = summaries[pk]
        code = code_of_post(outcome, status, detail, names[pk])
        summary.refused[code] = summary.refused.get(code, 0) + 1
        summary.refused_at = at


@transaction.atomic
def keep(summaries: Sequence[Progress]) -> None:
    """Store summaries, but none of what somebody was erased of since it was read.

    A summary and the erasing of its participant wait for each other: on the participant's row for a new
    summary, on the summary's for another. Erasing deletes what was stored before; what it could not see is
    deleted here.
    """
    Progress.objects.bulk_create(
        summaries,
        update_conflicts=True,
        unique_fields=["participant"],
        update_fields=SUMMARISED,
    )
    pks = [summary.pk for summary in summaries]
    Progress.objects.filter(pk__in=pks, erased=False, participant__erased_at__isnull=False).delete()
