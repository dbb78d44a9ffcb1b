"""What the participants' pages show: read from the tables, changing nothing."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils import timezone

from almond.design.trials.base import PlannedTrial
from ratings.models import Participant, Trial
from studies.models import images_by_name
from studies.services.presentation import blocks_json, constructs_json, images_json, trial_json


def addresses(token: str) -> dict[str, str]:
    """Return the addresses of one participant's pages."""
    names = ("study", "state", "responses", "events", "finish", "done", "withdraw")
    return {name: reverse(f"participant_{name}", args=[token]) for name in names}


def state_json(participant: Participant) -> dict[str, Any]:
    """Return everything that the browser needs to go on: trials, which are stored, images and words."""
    study = participant.study
    plan = study.frozen_plan
    trials = list(participant.trials.select_related("response").order_by("index"))
    planned = [PlannedTrial.from_json(trial.planned) for trial in trials]
    images = images_by_name({name for trial in planned for name in trial.stimuli}).values()
    return {
        "participant": participant.name,
        "status": participant.status,
        "live": study.takes_answers(timezone.now()),
        "constructs": constructs_json(plan),
        "images": images_json(images),
        "blocks": blocks_json(study, plan),
        "trials": [
            trial_json(trial.name, trial.planned, trial.digests, done=is_answered(trial)) for trial in trials
        ],
    }


def is_answered(trial: Trial) -> bool:
    return hasattr(trial, "response")
