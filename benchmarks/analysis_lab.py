"""What the benchmark of exports does inside a lab: ``python -m benchmarks.analysis_lab VERB``.

Each verb runs in a process of its own, in the environment of the lab that is measured (``DATABASE_URL``,
``ALMOND_HOME``), reads one JSON object from the standard input and prints one.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django
import psutil
from django.db import connection

from benchmarks.monitor_lab import DIALECT, SECONDS_PER_TRIAL, person

LISTS = 8
MB = 1e6
TRIALS = """
INSERT INTO ratings_trial (participant_id, "index", name, block, kind, planned, digests)
SELECT p.id, l.place, p.name || '-t' || l.place, l.block, 'rating', {planned}, {digests}
FROM ratings_participant p JOIN planned_here l ON l.assignment = p.assignment_id
WHERE p.study_id = {study} ORDER BY p.id, l.place
"""
RESPONSES = """
INSERT INTO ratings_response
    (trial_id, response_id, "values", chosen, rt_ms, digests, late, marks, received_at)
SELECT t.id, {uuid}, {values}, '', 2000.5 + (t.id * 7919) % 6000, t.digests, FALSE, '[]', {later}
FROM ratings_trial t JOIN ratings_participant p ON p.id = t.participant_id
WHERE p.study_id = {study} ORDER BY p.id, t."index"
"""
JSON_TEXT = {
    "sqlite": {
        "planned": "l.planned",
        "digests": "l.digests",
        "values": "'{\"threat\": ' || (((t.id * 37) % 1000) / 10.0) || '}'",
    },
    "postgresql": {
        "planned": "l.planned::jsonb",
        "digests": "l.digests::jsonb",
        "values": "jsonb_build_object('threat', ((t.id * 37) % 1000) / 10.0)",
    },
}


def fill(wanted: dict[str, Any]) -> dict[str, Any]:
    """Make a study of ``responses`` responses of people who answered ``trials`` trials each."""
    from benchmarks.ratings_lab import make
    from ratings.models import Participant, Response
    from studies.models import AssignmentList, Study

    trials = wanted["trials"]
    people = wanted["responses"] // trials
    facts = {"slug": "export", "stimuli": trials, "trials": trials, "places": people, "lists": LISTS}
    study = Study.objects.get(pk=make({**facts, "people": 0})["study"])
    lists = list(AssignmentList.objects.filter(study=study).order_by("number"))
    Participant.objects.bulk_create(
        (somebody(study, lists[number % LISTS].pk, number, people, trials) for number in range(people)),
        batch_size=2000,
    )
    digests = {stimulus.id: stimulus.sha256 for stimulus in study.frozen_plan.stimuli}
    rows = [
        (row.pk, place, trial["block"], json.dumps(trial), json.dumps([digests[trial["stimulus"]]]))
        for row in lists
        for place, trial in enumerate(row.trials)
    ]
    own = {**DIALECT[connection.vendor], **JSON_TEXT[connection.vendor]}
    words = {**own, "later": own["later"].format(seconds=SECONDS_PER_TRIAL), "study": study.pk}
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE planned_here"
            " (assignment bigint, place integer, block text, planned text, digests text)"
        )
        cursor.executemany("INSERT INTO planned_here VALUES (%s, %s, %s, %s, %s)", rows)
        cursor.execute(TRIALS.format(**words))
        cursor.execute(RESPONSES.format(**words))
        cursor.execute("ANALYZE")
    return {"study": study.pk, "responses": Response.objects.count(), "people": people}


def somebody(study: Any, assignment: int, number: int, people: int, trials: int) -> Any:
    """A participant who finished."""
    row = person(study, assignment, number / people, 1, trials)
    row.name, row.token_digest = f"p-{number:012d}", f"{number:064d}"
    return row


def copy(wanted: dict[str, Any]) -> dict[str, Any]:
    """Let PostgreSQL send what an export reads, joined and sorted by one statement, as fast as it can."""
    from django.db.models import Exists, OuterRef

    from ratings.models import Attempt, Participant, Response
    from ratings.services.exports.answers import LONG, PLAIN
    from studies.models import Study

    people = Participant.objects.exported(Study.objects.get(pk=wanted["study"]))
    altered = Attempt.objects.filter(trial=OuterRef("trial"), outcome=Attempt.Outcome.ALTERED)
    rows = (
        Response.objects.filter(trial__participant__in=people, trial__kind="rating")
        .annotate(altered=Exists(altered))
        .order_by("trial__participant__name", "trial__index")
        .values_list("trial__participant__name", *PLAIN, *LONG, "altered")
    )
    statement, values = rows.query.sql_with_params()
    sent = 0
    begin = time.perf_counter()
    with connection.cursor() as cursor, cursor.copy(f"COPY ({statement}) TO STDOUT", values) as answer:
        for data in answer:
            sent += len(data)
    return {"copy_seconds": time.perf_counter() - begin, "copy_mb": sent / MB}


def export(wanted: dict[str, Any]) -> dict[str, Any]:
    """Write an export as a worker does, then walk its chain; the memory of each over that before it."""
    from almond.evidence.verify import first_broken, verify
    from analysis import runs
    from analysis.models import Export
    from studies.models import Study

    row = Export.objects.create(study=Study.objects.get(pk=wanted["study"]))
    folder = Path(wanted["folder"])
    job: Any = Quiet()
    with measured() as writing:
        runs.write(row, folder, job)
    with measured() as walking:
        broken = first_broken(verify(folder))
    if broken is not None:
        raise RuntimeError(f"{broken.link}: {broken.problems[0]}")
    sizes = {path.name: path.stat().st_size / MB for path in folder.rglob("*ratings*")}
    return {
        "write_seconds": writing["seconds"],
        "write_peak_mb": writing["peak_mb"],
        "verify_seconds": walking["seconds"],
        "verify_peak_mb": walking["peak_mb"],
        "file_mb": sizes,
    }


class Quiet:
    """A job that nobody watches."""

    def report(self, share: float, message: str = "") -> None:
        """Nothing is shown."""


@contextmanager
def measured() -> Any:
    """Measure seconds, and the largest resident set over the one at the beginning (MB), of a block."""
    Path("/proc/self/clear_refs").write_text("5")  # the kernel forgets the largest so far
    before = psutil.Process().memory_info().rss
    taken: dict[str, float] = {}
    begin = time.perf_counter()
    yield taken
    taken["seconds"] = time.perf_counter() - begin
    taken["peak_mb"] = (largest() - before) / MB


def largest() -> float:
    """Read the largest resident set of this process, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024.0 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


VERBS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"fill": fill, "copy": copy, "export": export}


def main(words: list[str]) -> int:
    django.setup()
    print(json.dumps(VERBS[words[0]](json.load(sys.stdin))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
