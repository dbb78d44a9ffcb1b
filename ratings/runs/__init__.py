"""What workers do for the data pages: simulated participants, through the same services as people."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import numpy as np
from django.db import transaction

from almond.design.trials import TRIAL_KINDS
from almond.design.trials.base import PlannedTrial, block_of
from almond.errors import InputError
from almond.evidence.simulated import made_for
from almond.pictures.reading import read_image
from almond.progress import Part
from almond.rng import generator
from almond.world.networks import read_percepts
from almond.world.null_forms import NullWorld, null_world
from almond.world.null_worlds import Percepts, percepts_of_null, seen_by
from almond.world.raters import Latents, Rater, simulate_rater, style_of
from generation.models import Stimulus
from jobs.services.execution import RunningJob
from ratings import services
from ratings.models import Participant, Recruitment
from ratings.services import Recruit
from ratings.services.joining import check_rehearsal
from ratings.services.recruiting.panels import reconcile
from ratings.services.visits.branching import standing
from studies.models import Study

CARELESS_SHARE = 0.05


def simulate(job: RunningJob) -> dict[str, Any]:
    """Arguments: study, participants, seed, null, and careless (a share) if not the usual one.

    ``null`` is a name of ``almond.world.null_worlds``; jobs from before there were two have true or false.
    Each participant answers in one transaction; those of an interrupted attempt are not simulated again.
    """
    study = Study.objects.get(pk=job.arguments["study"])
    check_rehearsal(study)
    seed, wanted = int(job.arguments["seed"]), int(job.arguments["participants"])
    careless = float(job.arguments.get("careless", CARELESS_SHARE))
    null = null_world(job.arguments.get("null"))
    percepts = read_study_percepts(study, seed, Part(job, 0.0, 0.3), null=null)
    made = 0
    for number in range(wanted):
        recruit = Recruit("simulation", f"job {job.job.pk} participant {number}", {})
        if not Recruitment.objects.filter(study=study, id_digest=recruit.digest(study)).exists():
            rng = generator(seed, "rater", number)
            rater = simulate_rater(rng, style_of(rng, careless))
            take_part(study, recruit, rater, seen_by(percepts, number))
            made += 1
        job.report(0.3 + 0.7 * (number + 1) / wanted, f"{number + 1} of {wanted} participants")
    return {"study": study.pk, "participants": wanted, "made_now": made}


def read_study_percepts(study: Study, seed: int, progress: Part, *, null: NullWorld) -> Percepts:
    """Compute what raters see in each image of the plan, by its name there; latents (16,)."""
    rows = study.planned_images()
    if null == "none":
        return read_percepts(pixels(rows), progress=progress)
    seen = read_percepts(pixels(base_images(study)), progress=progress)
    return percepts_of_null(null, seen, made_for(study.frozen_plan), generator(seed, "null percepts"))


def pixels(rows: Mapping[str, Stimulus]) -> dict[str, np.ndarray[Any, np.dtype[np.uint8]]]:
    return {name: read_image(row.path, name=str(row)) for name, row in rows.items()}


def base_images(study: Study) -> dict[str, Stimulus]:
    """Base scene -> its unguided image; ``InputError`` for natural images, which have none."""
    if study.matched_set is None:
        raise InputError(f"study {study.title!r}", "has no unguided images", "a study of a matched set")
    return {row.base_scene: row for row in study.matched_set.bases().order_by("-id")}


def reconcile_panel(job: RunningJob) -> dict[str, Any]:
    """Ask a study's panel what became of its people. Arguments: study."""
    study = Study.objects.get(pk=job.arguments["study"])
    job.report(0.0, "asking the panel")
    result = reconcile(study, by=job.job.requested_by)
    job.report(1.0, f"{result.listed} submissions, {result.news} with news")
    return {"listed": result.listed, "news": result.news, "statuses": dict(result.statuses)}


@transaction.atomic
def take_part(study: Study, recruit: Recruit, rater: Rater, percepts: Mapping[str, Latents]) -> None:
    """Join, answer every trial that is asked, finish."""
    joined = services.join(study=study, recruit=recruit, kind=Participant.Kind.ROBOT)
    plan = study.frozen_plan
    for trial in joined.participant.trials.order_by("index"):
        if trial.index in standing(joined.participant).skipped:
            continue
        kind, planned = TRIAL_KINDS.load(trial.kind), PlannedTrial.from_json(trial.planned)
        body = {
            "response_id": str(uuid.uuid4()),
            "trial_id": trial.name,
            "images": trial.digests,
            **kind.simulate(rater, planned, block_of(plan, planned.block), percepts),
        }
        services.record_response(participant=joined.participant, body=body)
    services.finish(participant=joined.participant)
