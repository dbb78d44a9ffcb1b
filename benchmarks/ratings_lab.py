"""What the benchmark of answers does inside a lab: ``python -m benchmarks.ratings_lab VERB``.

Each verb runs in a process of its own, in the environment of the lab that is measured (``DATABASE_URL``,
``ALMOND_HOME``), reads one JSON object from the standard input and prints one. ``serve-bare`` is the least
that an answer could cost: the same server, middleware and database, and a view that inserts one row.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.test.utils import CaptureQueriesContext
from django.urls import path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

CONSTRUCT = "threat"


def migrate(wanted: dict[str, Any]) -> dict[str, Any]:
    call_command("migrate", interactive=False, verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    return {}


def make_images(count: int, pixels: int) -> Any:
    """An image set of so many square pictures of noise."""
    import numpy as np

    from almond.digest import digest_bytes
    from almond.files.writing import write_atomically
    from almond.rng import generator
    from almond.stimuli.images import png_bytes
    from generation.models import ImageSet, Stimulus, stimulus_path

    image_set = ImageSet.objects.create(
        name=f"{count} {uuid.uuid4()}", folder="benchmark", imported_at=timezone.now()
    )
    rows = []
    for number in range(count):
        noise = generator(number, "picture").integers(0, 256, (pixels, pixels, 3), dtype=np.uint8)
        data = png_bytes(noise)
        digest = digest_bytes(data)
        if not stimulus_path(digest, "png").exists():
            write_atomically(stimulus_path(digest, "png"), data)
        rows.append(
            Stimulus(
                digest=digest,
                suffix="png",
                name=str(number),
                width=pixels,
                height=pixels,
                base_scene=f"s{number}",
                image_set=image_set,
            )
        )
    Stimulus.objects.bulk_create(rows)
    return image_set


def make(wanted: dict[str, Any]) -> dict[str, Any]:
    """Make a live study. ``wanted``: slug, stimuli, trials, places, lists; ``rehearsal``, where simulated
    people shall take part; ``people`` who join it at once,
    each of whom has answered the first ``answered`` trials. Returns its slug and each person's posts."""
    from ratings import services
    from studies import services as studies
    from studies.models import Construct

    construct = Construct.objects.filter(name=CONSTRUCT).first() or studies.create_construct(
        name=CONSTRUCT, question="How threatening?", low="not at all", high="extremely", by=None
    )
    study = studies.create_study(
        title=wanted["slug"],
        slug=wanted["slug"],
        image_set=make_images(wanted["stimuli"], wanted.get("pixels", 8)),
        blocks=[studies.BlockSpec("rating", "ratings", [construct], wanted["trials"])],
        participants_planned=wanted["places"],
        n_lists=wanted["lists"],
        joins_per_minute=1_000_000,
        rehearsal=wanted.get("rehearsal", False),
        by=None,
    )
    study = studies.open_study(
        study=studies.freeze(study=study, by=None), by=None, reason="A study of a measurement."
    )
    people = [services.join(study=study) for _ in range(wanted["people"])]
    return {
        "study": study.pk,
        "slug": study.slug,
        "people": [person(joined, wanted.get("answered", 0)) for joined in people],
    }


def person(joined: Any, answered: int) -> dict[str, Any]:
    """A person's token and the bodies of the posts to come; those before are stored."""
    from ratings.models import Participant

    trials = list(joined.participant.trials.order_by("index"))
    store_answers(trials[:answered])
    Participant.objects.filter(pk=joined.participant.pk).update(answered_below=answered)
    return {"token": joined.token, "posts": [body(trial) for trial in trials[answered:]]}


def store_answers(trials: list[Any]) -> None:
    """Store an answer to each, past the services: what comes later is measured."""
    from ratings.models import Response

    bodies = [body(trial) for trial in trials]
    Response.objects.bulk_create(
        Response(
            trial=trial,
            response_id=post["response_id"],
            values=post["values"],
            rt_ms=post["rt_ms"],
            digests=post["images"],
            received_at=timezone.now(),
        )
        for trial, post in zip(trials, bodies, strict=True)
    )


def body(trial: Any) -> dict[str, Any]:
    return {
        "response_id": str(uuid.uuid4()),
        "trial_id": trial.name,
        "rt_ms": 812.5,
        "images": trial.digests,
        "values": {CONSTRUCT: trial.index % 101},
    }


def count_statements(wanted: dict[str, Any]) -> dict[str, Any]:
    """SQL statements of the last of some posts, by their first word; ``wanted``: path and bodies."""
    from django.test import Client

    client = Client(headers={"host": "127.0.0.1"})
    for posted in wanted["bodies"]:
        with CaptureQueriesContext(connection) as queries:
            reply = client.post(wanted["path"], json.dumps(posted), content_type="application/json")
        if reply.status_code != 200:
            raise RuntimeError(f"{wanted['path']}: {reply.status_code} {reply.content!r}")
    return dict(Counter(query["sql"].split()[0] for query in queries))


def places(wanted: dict[str, Any]) -> dict[str, Any]:
    """Slots taken and visits finished, per list of a study."""
    from ratings.models import Participant
    from studies.models import AssignmentList

    lists = list(AssignmentList.objects.filter(study=wanted["study"]).order_by("number"))
    people = Participant.objects.filter(study=wanted["study"])
    finished = Counter(people.filter(status="finished").values_list("assignment", flat=True))
    return {"taken": [row.taken for row in lists], "finished": [finished[row.pk] for row in lists]}


def drop_out(wanted: dict[str, Any]) -> dict[str, Any]:
    """Withdraw a share of a study's people by chance, as many join instead, and all who are left finish."""
    from almond.rng import generator
    from ratings import services
    from ratings.models import Participant
    from studies.models import Study

    study = Study.objects.get(pk=wanted["study"])
    people = list(Participant.objects.filter(study=study).order_by("pk"))
    rng = generator(1, "drop-out")
    leaving = rng.permutation(len(people))[: round(wanted["share"] * len(people))]
    for number in leaving:
        services.withdraw(participant=people[number])
        services.join(study=study)
    for participant in Participant.objects.filter(study=study, status="active"):
        store_answers(list(participant.trials.all()))
        services.finish(participant=participant)
    return places(wanted)


def simulate(wanted: dict[str, Any]) -> dict[str, Any]:
    """Let a worker simulate people in a study: ``jobs`` jobs of ``robots`` each, however often they die."""
    from jobs.services import enqueue

    for number in range(wanted["jobs"]):
        arguments = {"study": wanted["study"], "participants": wanted["robots"], "seed": number}
        enqueue(kind="ratings.simulate", arguments=arguments, by=None, max_attempts=1000)
    return {}


def await_jobs(wanted: dict[str, Any]) -> dict[str, Any]:
    """Wait until no job is left, at most ``seconds``; how many ended well, and how often one began again."""
    from jobs.models import Job, State

    until = time.monotonic() + wanted["seconds"]
    while time.monotonic() < until and Job.objects.filter(state__in=[State.QUEUED, State.RUNNING]).exists():
        time.sleep(0.5)
    done = list(Job.objects.filter(state=State.DONE))
    for job in Job.objects.exclude(state=State.DONE):
        sys.stderr.write(f"{job}: {job.state} {job.error}\n")
    return {
        "jobs_not_done": Job.objects.exclude(state=State.DONE).count(),
        "jobs_begun_again": sum(job.attempts - 1 for job in done),
    }


def check(wanted: dict[str, Any]) -> dict[str, Any]:
    """Compare receipts with rows, and rows with the log. ``receipts``: trial, response id that the receipt
    named; ``posted``: response id -> values that were posted with it; ``people`` who came."""
    from django.db.models import Count

    from ratings.models import Participant, Response
    from ratings.services.verifying import verify_study
    from studies.models import AssignmentList, Study

    everybody = Participant.objects.filter(study=wanted["study"])
    people = everybody.people()
    rows = list(Response.objects.filter(trial__participant__in=people).select_related("trial"))
    stored = {row.trial.name: row for row in rows}
    receipts = {(trial, name) for trial, name in wanted["receipts"]}
    lost = {trial for trial, _ in receipts if trial not in stored}
    changed = {
        trial for trial, name in receipts if trial in stored and str(stored[trial].response_id) != name
    }
    changed |= {row.trial.name for row in rows if wanted["posted"].get(str(row.response_id)) != row.values}
    held = Counter(people.holding_a_slot().values_list("assignment", flat=True))
    lists = AssignmentList.objects.filter(study=wanted["study"])
    problems = list(verify_study(Study.objects.get(pk=wanted["study"])))
    return {
        "lost": len(lost),
        "duplicates": len(rows) - len(stored) + len(rows) - len({row.response_id for row in rows}),
        "overwrites": len(changed),
        "stuck": wanted["people"] - people.filter(status="finished").count(),
        "ghosts": people.count() - wanted["people"],
        "drift": sum(abs(row.taken - held[row.pk]) for row in lists),
        "verify_problems": len(problems),
        "problems": problems[:20],
        "rows": len(rows),
        "planned": people.aggregate(trials=Count("trials"))["trials"],
        "robots": everybody.filter(kind=Participant.Kind.ROBOT, status="finished").count(),
    }


@csrf_exempt
def insert_one_row(request: HttpRequest) -> JsonResponse:
    from ratings.models import Arrival

    posted = json.loads(request.body)
    Arrival.objects.create(study_id=posted["study"], address_digest="0" * 64, at=timezone.now())
    return JsonResponse({"acknowledged": True})


urlpatterns = [path("bare", insert_one_row)]


def serve_bare(port: str) -> int:
    from django.core.wsgi import get_wsgi_application

    from config.server import Processes, listen

    settings.ROOT_URLCONF = __name__ if __name__ != "__main__" else "benchmarks.ratings_lab"
    Processes(get_wsgi_application(), listen("127.0.0.1", int(port)), 2, 4).run()
    return 0


VERBS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "migrate": migrate,
    "make": make,
    "statements": count_statements,
    "places": places,
    "drop-out": drop_out,
    "simulate": simulate,
    "await-jobs": await_jobs,
    "check": check,
}


def main(words: list[str]) -> int:
    django.setup()
    if words[0] == "serve-bare":
        return serve_bare(words[1])
    print(json.dumps(VERBS[words[0]](json.load(sys.stdin))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
