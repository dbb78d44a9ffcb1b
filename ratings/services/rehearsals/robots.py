"""Robots: simulated people of a rehearsal, who come by a signed link of its copy or straight to the services.

A page is in robot mode where its participant is a robot of a rehearsal, and a robot comes to be only here: by
a link that this site signed for one number of one rehearsal, which lets nobody into any other study.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.core import signing
from django.db import transaction
from django.templatetags.static import static
from django.urls import reverse

from almond.evidence.rehearsed.people import RehearsedVisit
from ratings.models import ConsentForm, Participant, Recruitment
from ratings.services.arriving import hand_over
from ratings.services.erasing import locked
from ratings.services.joining import Joined, Recruit, enter, join
from ratings.services.leaving import finish
from ratings.services.recording import record_response
from ratings.services.refusals import Malformed, Reason
from ratings.services.rehearsals.starting import people_of
from studies.models import Rehearsal, Study

PARAMETER = "robot"
SCRIPT = "js/robot.js"
SOURCE = "rehearsal"
LINK_HOURS = 24
LONGEST_PAUSE = 300.0
"""Milliseconds that a robot waits before it answers on a page: the course of a trial keeps its own times."""


def recruit_of(rehearsal: int, number: int) -> Recruit:
    """Return where a robot comes from; its number is no secret."""
    return Recruit(SOURCE, f"rehearsal {rehearsal} robot {number}", {PARAMETER: str(number)})


def robot_path(rehearsal: Rehearsal, number: int) -> str:
    """Return the address at which a robot begins: the participants', with a signed parameter."""
    signed = signing.dumps([rehearsal.pk, number], salt=salt_of(rehearsal.copy))
    return f"{rehearsal.copy.join_path}?{urlencode({PARAMETER: signed})}"


def salt_of(study: Study) -> str:
    return f"ratings.robot {study.pk}"


def read_robot(study: Study, query: Mapping[str, str]) -> Recruit | None:
    """Read from a link which robot arrives; None for people, and in every study for people.

    :raises Malformed: a link to a rehearsal that was not signed for it, is a day old, or came after its end.
    """
    if not study.rehearsal or PARAMETER not in query:
        return None
    try:
        pk, number = signing.loads(query[PARAMETER], salt=salt_of(study), max_age=timedelta(hours=LINK_HOURS))
    except (signing.BadSignature, ValueError) as error:
        raise not_a_robot() from error
    if not Rehearsal.objects.filter(pk=pk, copy=study, finished_at=None).exists():
        raise not_a_robot()
    return recruit_of(pk, number)


def not_a_robot() -> Malformed:
    problem, expected = "is not one that this rehearsal gave out", "the link of a rehearsal that goes on"
    return Malformed("robot", problem, expected, reason=Reason.LINK)


def robot_arrives(
    *, study: Study, token: str, recruit: Recruit | None, address: str, form: ConsentForm | None = None
) -> Joined:
    """Let a robot in that ``read_robot`` has read, from wherever; ``InputError`` in a study for people."""
    kind = Participant.Kind.ROBOT
    return enter(study=study, token=token, recruit=recruit, kind=kind, form=form)


def participant_of(rehearsal: Rehearsal, number: int) -> Participant | None:
    """Return the participant that a robot is, if it has joined."""
    digest = recruit_of(rehearsal.pk, number).digest(rehearsal.copy)
    row = Recruitment.objects.filter(study=rehearsal.copy, id_digest=digest)
    return Participant.objects.filter(recruitment__in=row).select_related("study", "assignment").first()


def robot_of(participant: Participant) -> tuple[Rehearsal, int] | None:
    """Return the rehearsal and the number of the robot that a participant is; None for everybody else."""
    if participant.kind != Participant.Kind.ROBOT or not participant.study.rehearsal:
        return None
    rehearsal = Rehearsal.objects.filter(copy=participant.study_id).select_related("copy").first()
    recruitment = getattr(participant, "recruitment", None)
    if rehearsal is None or recruitment is None or recruitment.source != SOURCE:
        return None
    return rehearsal, int(recruitment.details[PARAMETER])


def robot_mode(participant: Participant) -> dict[str, Any]:
    """Return as ``robot`` what its page answers, by the name of the trial; nothing for everybody else."""
    robot = robot_of(participant)
    if robot is None:
        return {}
    visit = visit_of_robot(robot[0], robot[1], participant)
    names = dict(participant.trials.values_list("index", "name"))
    answers = {names[place]: simulated_data(answer) for place, answer in visit.posted.items()}
    return {"robot": {"script": static(SCRIPT), "answers": answers}}


def simulated_data(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return what jsPsych is to simulate, from what would be posted."""
    own = {name: value for name, value in answer.items() if name != "rt_ms"}
    return {**own, "rt": min(float(answer["rt_ms"]), LONGEST_PAUSE)}


def visit_of_robot(rehearsal: Rehearsal, number: int, participant: Participant) -> RehearsedVisit:
    """Return what a robot answers to the trials of its list."""
    people = people_of(rehearsal)
    return people.visit(number, participant.assignment.number, participant.name)


@transaction.atomic
def pages_of_robot(participant: Participant) -> str:
    """Return the address at which a robot goes on whose browser is gone; that of the former browser ends."""
    return reverse("participant_study", args=[hand_over(locked(participant)).token])


def send_robot(rehearsal: Rehearsal, number: int) -> None:
    """Let a robot join, answer what it is asked through the services, and finish or leave.

    Run it in one transaction: of an interrupted robot nothing is left.
    """
    kind = Participant.Kind.ROBOT
    joined = join(study=rehearsal.copy, recruit=recruit_of(rehearsal.pk, number), kind=kind)
    participant = joined.participant
    visit = visit_of_robot(rehearsal, number, participant)
    for trial in participant.trials.order_by("index"):
        if trial.index in visit.posted:
            own = {"response_id": str(uuid.uuid4()), "trial_id": trial.name, "images": trial.digests}
            record_response(participant=participant, body={**own, **visit.posted[trial.index]})
    if not visit.left:
        finish(participant=participant)
