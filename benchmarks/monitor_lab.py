"""What the benchmark of the monitor does inside a lab: ``python -m benchmarks.monitor_lab VERB``.

Each verb runs in a process of its own, in the environment of the lab that is measured (``DATABASE_URL``,
``ALMOND_HOME``), reads one JSON object from the standard input and prints one.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import django
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

INSIDE, STOPPED_SHARE, LISTS = 40, 0.1, 8
IS_INSIDE = {"status": "active", "finished_at": None, "completion_code": "", "attempts_made": 40}
DAYS = 3
SECONDS_PER_TRIAL = 7
DIALECT = {
    "sqlite": {
        "uuid": "lower(hex(randomblob(16)))",
        "json": "",
        "later": "strftime('%Y-%m-%d %H:%M:%f', p.consented_at, (t.\"index\" * {seconds}) || ' seconds')",
    },
    "postgresql": {
        "uuid": "gen_random_uuid()",
        "json": "::jsonb",
        "later": "p.consented_at + t.\"index\" * interval '{seconds} seconds'",
    },
}
TRIALS = """
INSERT INTO ratings_trial (participant_id, "index", name, block, kind, planned, digests)
WITH RECURSIVE numbers(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM numbers WHERE i < {last})
SELECT p.id, i, p.name || '-t' || i, 'ratings', 'rating', '{{}}', '[]'
FROM ratings_participant p CROSS JOIN numbers WHERE p.study_id = {study} ORDER BY p.id, i
"""
ANSWERED = """
FROM ratings_trial t JOIN ratings_participant p ON p.id = t.participant_id
WHERE p.study_id = {study} AND t."index" < p.attempts_made ORDER BY p.id, t."index"
"""
RESPONSES = """
INSERT INTO ratings_response
    (trial_id, response_id, "values", chosen, rt_ms, digests, late, marks, received_at)
SELECT t.id, {uuid}, '{{"threat": 50}}', '', 2000 + (t.id * 7919) % 6000, '[]', FALSE, '[]', {later}
"""
ATTEMPTS = """
INSERT INTO ratings_attempt (participant_id, trial_id, response_id, outcome, status, detail, body_digest, at)
SELECT p.id, t.id, '', CASE WHEN t.id % 500 = 0 THEN 'refused' ELSE 'stored' END,
    CASE WHEN t.id % 500 = 0 THEN 409 ELSE 200 END, '', '', {later}
"""
EVENTS = """
INSERT INTO ratings_event (participant_id, event_id, kind, trial_index, page_ms, detail, received_at)
SELECT p.id, {uuid}, 'frames', t."index", 1000,
    (CASE WHEN t.id % 9 = 0 THEN '{{"slow": 2}}' ELSE '{{"slow": 0}}' END){json}, {later}
"""


def fill(wanted: dict[str, Any]) -> dict[str, Any]:
    """Make a study of about ``responses`` responses by ``trials`` each, with their events and attempts."""
    from benchmarks.ratings_lab import make
    from ratings.models import Participant, Response
    from studies.models import AssignmentList, Study

    trials = wanted["trials"]
    # Whoever stopped answered about half, whoever is inside 40.
    people = round(wanted["responses"] / trials / (1 - 0.52 * STOPPED_SHARE)) + INSIDE
    study = Study.objects.get(
        pk=make(
            {
                "slug": "monitor",
                "stimuli": trials,
                "trials": trials,
                "places": people,
                "lists": LISTS,
                "people": 0,
            }
        )["study"]
    )
    lists = list(AssignmentList.objects.filter(study=study).order_by("number").values_list("pk", flat=True))
    Participant.objects.bulk_create(
        (person(study, lists[number % LISTS], number / people, number, trials) for number in range(people)),
        batch_size=2000,
    )
    Participant.objects.filter(pk__in=last_people(study)).update(**IS_INSIDE, last_seen_at=timezone.now())
    for row in AssignmentList.objects.filter(study=study):
        row.taken = row.participants.holding_a_slot().count()
        row.save(update_fields=["taken"])
    own = DIALECT[connection.vendor]
    words = {
        **own,
        "later": own["later"].format(seconds=SECONDS_PER_TRIAL),
        "study": study.pk,
        "last": trials - 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(TRIALS.format(**words))
        for statement in (RESPONSES, ATTEMPTS, EVENTS):
            cursor.execute((statement + ANSWERED).format(**words))
        cursor.execute("ANALYZE")
    return {"study": study.pk, "rows": Response.objects.count(), "people": people}


def person(study: Any, assignment: int, share: float, number: int, trials: int) -> Any:
    """Somebody who came when a share of all had come; some stopped on the way, all others finished."""
    from ratings.models import Participant, token_digest

    stopped = number % round(1 / STOPPED_SHARE) == 0
    done = (number * 31) % trials if stopped else trials
    begin = timezone.now() - timedelta(days=DAYS) * (1 - share)
    end = begin + timedelta(seconds=SECONDS_PER_TRIAL * done)
    return Participant(
        study=study,
        name=f"p-{number:012d}",
        token_digest=token_digest(str(number)),
        assignment_id=assignment,
        status="timed_out" if stopped else "finished",
        consented_at=begin,
        last_seen_at=end,
        finished_at=None if stopped else end,
        completion_code="" if stopped else "DONE",
        attempts_made=done,
    )


def last_people(study: Any) -> list[int]:
    from ratings.models import Participant

    return list(Participant.objects.filter(study=study).order_by("-pk").values_list("pk", flat=True)[:INSIDE])


def measure(wanted: dict[str, Any]) -> dict[str, Any]:
    """Look at the study from nothing, and then again and again while everybody inside answers.

    Every look is a request for the monitor's numbers as its page makes them; in turns with them, all
    responses of the database are counted by the plainest statement.
    """
    from accounts.models import User
    from ratings.models import Progress
    from ratings.services import monitoring
    from studies.models import Study

    study = Study.objects.get(pk=wanted["study"])
    begin = time.perf_counter()
    while monitoring.catch_up(study):
        pass
    rebuild = time.perf_counter() - begin
    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(User.objects.create_superuser("benchmark"))
    address = reverse("admin:ratings_monitor_live", args=[study.pk])
    looks, idle, counts, processor = [], [], [], []
    for turn in range(wanted["looks"] + 1):
        answer_once(study, turn)
        begin = time.process_time()
        looks.append(seconds_of(lambda: look(client, address)))
        processor.append(time.process_time() - begin)
        idle.append(seconds_of(lambda: look(client, address)))
        counts.append(seconds_of(count_plainly))
    with CaptureQueriesContext(connection) as queries:
        look(client, address)
    measured = {"monitor": looks, "idle": idle, "count": counts, "processor": processor}
    # The first look is that of a process that has just begun.
    ms = {name: 1000 * statistics.median(values[1:]) for name, values in measured.items()}
    return {
        "monitor_ms": ms["monitor"],
        "idle_ms": ms["idle"],
        "processor_ms": ms["processor"],
        "count_ms": ms["count"],
        "ratio": ms["monitor"] / ms["count"],
        "rebuild_s": rebuild,
        "statements": len(queries),
        "summaries": Progress.objects.count(),
    }


def answer_once(study: Any, turn: int) -> None:
    """Store what an answer of everybody inside stores: response, attempt, and that they were seen."""
    from django.db.models import F

    from ratings.models import Attempt, Participant, Response, Trial

    now = timezone.now()
    people = last_people(study)
    trials = [Trial.objects.filter(participant=pk, response=None).order_by("index").first() for pk in people]
    for pk, trial in zip(people, trials, strict=True):
        if trial is not None:
            Response.objects.create(
                trial=trial,
                response_id=uuid.uuid4(),
                values={},
                rt_ms=900 + turn,
                digests=[],
                received_at=now,
            )
            Attempt.objects.create(participant_id=pk, trial=trial, outcome="stored", status=200)
        Participant.objects.filter(pk=pk).update(
            attempts_made=F("attempts_made") + 1, last_seen_at=timezone.now()
        )


def look(client: Client, address: str) -> None:
    reply = client.get(address)
    if reply.status_code != 200:
        raise RuntimeError(f"{address}: {reply.status_code}")


def count_plainly() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ratings_response")
        cursor.fetchone()


def seconds_of(work: Callable[[], None]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


VERBS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"fill": fill, "measure": measure}


def main(words: list[str]) -> int:
    django.setup()
    print(json.dumps(VERBS[words[0]](json.load(sys.stdin))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
