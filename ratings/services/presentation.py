"""What the participants' pages show: read from the tables, changing nothing."""

from __future__ import annotations

from django.urls import reverse
from django.utils import timezone

from almond.design.trials.base import PlannedTrial
from ratings.models import Participant
from ratings.services.visits.branching import standing
from studies.services.visit import ShownTrial, Visit, shown_images


def addresses(token: str) -> dict[str, str]:
    """Return the addresses of one participant's pages."""
    names = ("study", "state", "responses", "events", "finish", "done", "withdraw")
    return {name: reverse(f"participant_{name}", args=[token]) for name in names}


def visit_of(participant: Participant) -> Visit:
    """Return everything that the browser needs to go on: trials, which are answered, images and words."""
    study = participant.study
    fields = ("name", "planned", "digests", "response__id")
    rows = list(participant.trials.order_by("index").values_list(*fields))
    done = {place for place, (*_, response) in enumerate(rows) if response is not None}
    is_over = participant.status == Participant.Status.SCREENED_OUT
    skipped = set(range(len(rows))) - done if is_over else standing(participant).skipped
    names = {name for _, planned, _, _ in rows for name in PlannedTrial.from_json(planned).stimuli}
    return Visit(
        study=study,
        plan=study.frozen_plan,
        live=study.takes_answers(timezone.now()),
        trials=[
            ShownTrial.of(name, planned, digests, done=response is not None)
            for name, planned, digests, response in rows
        ],
        images=shown_images(names),
        skipped=skipped,
    )
