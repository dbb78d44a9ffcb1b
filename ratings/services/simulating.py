"""Simulated participants, asked for by an experimenter."""

from __future__ import annotations

from django.db import transaction

from accounts.models import User
from accounts.services import record
from almond.errors import InputError
from almond.world.null_forms import NullWorld
from jobs.models import Job
from jobs.services import enqueue
from ratings.services.joining import check_rehearsal
from studies.models import Study


@transaction.atomic
def start_simulation(
    *, study: Study, participants: int, seed: int, by: User | None, null: NullWorld = "none"
) -> Job:
    """Let simulated participants take part in a rehearsal, in a job.

    :param null: what their judgements depend on, see ``almond.world.null_worlds``.
    :raises InputError: the study is for people, or not live.
    """
    check_rehearsal(study)
    if not study.is_live:
        raise InputError(f"study {study.title!r}", f"is {study.state}", "a live study")
    if participants < 1:
        raise InputError("participants", f"{participants}", "1 or more")
    job = enqueue(
        kind="ratings.simulate",
        arguments={"study": study.pk, "participants": participants, "seed": seed, "null": null},
        by=by,
    )
    record(verb="simulate", subject=study, by=by, participants=participants, seed=seed, null=null)
    return job
