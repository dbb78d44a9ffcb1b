"""Simulated participants, asked for by an experimenter."""

from __future__ import annotations

from django.db import transaction

from accounts.models import User
from accounts.services import record
from almond.errors import InputError
from almond.world.null_forms import NullWorld
from almond.world.raters import construct_weights
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
    They look at the pixels, and know the constructs of the simulated world alone: people of whom effects on
    constructs of any name are declared take part in rehearsals.

    :raises InputError: the study is for people, not live, or asks for a construct that they do not know.
    """
    check_rehearsal(study)
    if not study.is_live:
        raise InputError(f"study {study.title!r}", f"is {study.state}", "a live study")
    for construct in study.frozen_plan.constructs:
        construct_weights(construct.name)
    if participants < 1:
        raise InputError("participants", f"{participants}", "1 or more")
    job = enqueue(
        kind="ratings.simulate",
        arguments={"study": study.pk, "participants": participants, "seed": seed, "null": null},
        by=by,
    )
    record(verb="simulate", subject=study, by=by, participants=participants, seed=seed, null=null)
    return job
