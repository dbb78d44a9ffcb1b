"""A study's participants and responses as rows of an export. Recruitment is never read here."""

from __future__ import annotations

from collections import Counter
from typing import Any

from almond.design.plan import StudyPlan
from ratings.models import Participant, Response
from studies.models import Study

Row = dict[str, Any]


def export_tables(study: Study) -> dict[str, list[Row]]:
    """Rows of ``participants``, ``ratings`` and ``choices`` with the columns of the export's codebook.

    Natural images have an empty ``intended_target``. ``InputError`` for a study that was never frozen.
    """
    plan = study.frozen_plan
    given = Response.objects.of_study(study, "rating").iterator(chunk_size=2000)
    ratings = [row for response in given for row in rating_rows(response, plan)]
    given = Response.objects.of_study(study, "choice").iterator(chunk_size=2000)
    choices = [choice_row(response, plan) for response in given]
    # Counted from the rows above, so that the tables agree also while answers still come in.
    answered = {(row["participant_id"], row["trial_id"]) for row in (*ratings, *choices)}
    done = Counter(name for name, _ in answered)
    return {"participants": participant_rows(study, done), "ratings": ratings, "choices": choices}


def participant_rows(study: Study, done: Counter[str]) -> list[Row]:
    people = Participant.objects.filter(study=study).select_related("assignment")
    return [
        {
            "participant_id": person.name,
            "list": person.assignment.number,
            "status": person.status,
            "started_at": iso(person.consented_at),
            "finished_at": iso(person.finished_at) if person.finished_at else "",
            "trials_planned": len(person.assignment.trials),
            "trials_done": done[person.name],
        }
        for person in people.order_by("name")
    ]


def iso(moment: Any) -> str:
    return str(moment.isoformat(timespec="milliseconds"))


def response_part(response: Response) -> Row:
    trial = response.trial
    return {
        "response_id": str(response.response_id),
        "trial_id": trial.name,
        "participant_id": trial.participant.name,
        "trial_index": trial.index,
        "block": trial.block,
        "rt_ms": response.rt_ms,
        "received_at": iso(response.received_at),
    }


def rating_rows(response: Response, plan: StudyPlan) -> list[Row]:
    """One row per construct of the trial."""
    planned = response.trial.planned
    stimulus = plan.stimulus_by_id[planned["stimulus"]]
    shown = {
        **response_part(response),
        "repeat": int(planned["repeat"]),
        "stimulus_id": stimulus.id,
        "base_scene": stimulus.base_scene,
        "intended_target": stimulus.target or "",
        "direction": stimulus.direction,
        "strength": stimulus.strength,
        "image_sha256": response.digests[0],
    }
    return [{**shown, "construct": name, "value": value} for name, value in sorted(response.values.items())]


def choice_row(response: Response, plan: StudyPlan) -> Row:
    planned = response.trial.planned
    pair = plan.pair_by_id[planned["pair"]]
    high_side = "left" if planned["left"] == pair.high else "right"
    return {
        **response_part(response),
        "pair_id": pair.id,
        "base_scene": pair.base_scene,
        "intended_target": pair.target,
        "construct": pair.construct,
        "left_stimulus": planned["left"],
        "right_stimulus": planned["right"],
        "chosen": response.chosen,
        "high_side": high_side,
        "aligned": int(response.chosen == high_side),
        "left_sha256": response.digests[0],
        "right_sha256": response.digests[1],
    }
