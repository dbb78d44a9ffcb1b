"""Joining, answering, finishing: first write wins, every attempt is written down, places stay exact."""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from almond.errors import InputError
from ratings import services
from ratings.models import Attempt, Event, Participant, Recruitment, Response, Trial
from ratings.services import Recruit, slots
from ratings.services.refusals import Malformed, NotNow, NotTheirs, Unknown
from studies.models import AssignmentList, Study
from studies.services import close, delete_draft, open_study, pause
from tests.site.recruited_study import recruit_by
from tests.site.small_study import answer_all, answer_to, make_study

pytestmark = pytest.mark.django_db
Status = Participant.Status


def taken(study: Study) -> list[int]:
    return list(study.lists.order_by("number").values_list("taken", flat=True))


def make_idle(participant: Participant, minutes: int = 61) -> None:
    long_ago = timezone.now() - timedelta(minutes=minutes)
    Participant.objects.filter(pk=participant.pk).update(last_seen_at=long_ago)


def test_joining_gives_a_list_with_its_trials_and_keeps_only_the_digest_of_the_token() -> None:
    study = make_study()
    joined = services.join(study=study)
    trials = list(joined.participant.trials.all())
    assert [trial.planned for trial in trials] == joined.participant.assignment.trials
    plan = study.frozen_plan
    for trial in trials:
        names = [trial.planned[key] for key in ("stimulus", "left", "right") if trial.planned[key]]
        assert trial.digests == [plan.stimulus_by_id[name].sha256 for name in names]
    kept = [str(value) for value in Participant.objects.values_list().get()]
    assert len(joined.token) >= 43
    assert joined.token not in kept


def test_the_same_token_twice_is_one_participant() -> None:
    study = make_study()
    token = services.new_token()
    first, second = (services.join(study=study, token=token) for _ in range(2))
    assert first.participant == second.participant
    assert sum(taken(study)) == 1


def test_lists_fill_evenly_and_then_the_study_is_full() -> None:
    study = make_study(participants_planned=10, n_lists=4)
    for _ in range(10):
        services.join(study=study)
        filled = taken(study)
        assert max(filled) - min(filled) <= 1
    assert taken(study) == [3, 3, 2, 2]
    with pytest.raises(NotNow, match="has all its participants"):
        services.join(study=study)
    assert study.participants.count() == 10


@pytest.mark.parametrize("state", [Study.State.FROZEN, Study.State.PAUSED, Study.State.CLOSED])
def test_nobody_joins_a_study_that_is_not_live(state: str) -> None:
    study = make_study(state=state)
    with pytest.raises(NotNow, match=f"is {state} and takes no answers now"):
        services.join(study=study)
    assert not Participant.objects.exists()
    assert sum(taken(study)) == 0


def test_recruitment_ids_are_kept_apart_and_take_part_once() -> None:
    study = make_study()
    recruit = Recruit("prolific", "5f0000000000000000000001", {"SESSION_ID": "abc"})
    participant = services.join(study=study, recruit=recruit).participant
    assert participant.recruitment.details == {"SESSION_ID": "abc"}
    with pytest.raises(NotNow, match="prolific id: already takes part"):
        services.join(study=study, recruit=recruit)
    assert sum(taken(study)) == 1
    answer_all(participant)
    services.finish(participant=participant)
    assert "5f0000000000000000000001" not in str(services.export_tables(study))


def test_who_withdraws_opens_the_place() -> None:
    study = make_study(participants_planned=4, n_lists=4)
    people = [services.join(study=study).participant for _ in range(4)]
    services.withdraw(participant=people[2])
    services.withdraw(participant=people[2])
    assert sum(taken(study)) == 3
    again = services.join(study=study).participant
    assert again.assignment == people[2].assignment
    with pytest.raises(NotNow, match="has stopped taking part"):
        services.record_response(participant=people[2], body=answer_to(people[2].trials.get(index=0)))
    with pytest.raises(NotNow, match="has stopped taking part"):
        services.finish(participant=people[2])


def test_who_times_out_opens_the_place_and_gets_it_back_if_it_is_free() -> None:
    study = make_study(participants_planned=1, n_lists=1)
    idle = services.join(study=study).participant
    make_idle(idle)
    assert slots.release_idle_slots(study) == 1
    assert taken(study) == [0]
    services.record_response(participant=idle, body=answer_to(idle.trials.get(index=0)))
    idle.refresh_from_db()
    assert idle.status == Status.ACTIVE
    assert taken(study) == [1]
    assert not Response.objects.get().late


def test_who_comes_back_too_late_still_finishes_without_a_place() -> None:
    study = make_study(participants_planned=1, n_lists=1)
    late = services.join(study=study).participant
    make_idle(late)
    other = services.join(study=study).participant
    late.refresh_from_db()
    assert late.status == Status.TIMED_OUT
    answer_all(late)
    assert services.finish(participant=late).status == Status.FINISHED_LATE
    assert Response.objects.filter(late=True).count() == 7
    answer_all(other)
    assert services.finish(participant=other).status == Status.FINISHED
    assert taken(study) == [1]


def test_somebody_active_keeps_the_place() -> None:
    study = make_study()
    participant = services.join(study=study).participant
    make_idle(participant, minutes=59)
    assert slots.release_idle_slots(study) == 0
    assert not slots.release_slot(
        participant, Status.TIMED_OUT, idle_since=timezone.now() - timedelta(minutes=60)
    )


def test_places_taken_are_those_of_active_and_finished_participants() -> None:
    study = make_study()
    people = [services.join(study=study).participant for _ in range(6)]
    services.withdraw(participant=people[0])
    make_idle(people[1])
    slots.release_idle_slots(study)
    answer_all(people[2])
    services.finish(participant=people[2])
    holding = Counter(Participant.objects.holding_a_slot().values_list("assignment__number", flat=True))
    assert taken(study) == [holding[number] for number in range(4)]


def test_the_first_answer_is_kept_and_every_attempt_is_written_down() -> None:
    participant = services.join(study=make_study()).participant
    trial = participant.trials.get(index=0)
    body = answer_to(trial)
    first = services.record_response(participant=participant, body=body)
    again = services.record_response(participant=participant, body=body)
    other = services.record_response(participant=participant, body=answer_to(trial, rt_ms=1.0))
    assert (first.status, again.status, other.status) == (200, 200, 409)
    assert first.to_json()["kept"] == again.to_json()["kept"] == other.to_json()["kept"]
    said = {"acknowledged": True, "duplicate": True, "differs": True, "kept": None}
    assert other.to_json() | {"kept": None} == said
    kept = Response.objects.get()
    assert str(kept.response_id) == body["response_id"]
    assert kept.rt_ms == 812.5
    outcomes = list(Attempt.objects.values_list("outcome", flat=True))
    assert outcomes == ["stored", "repeated", "duplicate"]


def rating(participant: Participant) -> Trial:
    return participant.trials.filter(kind="rating")[0]


def choice(participant: Participant) -> Trial:
    return participant.trials.filter(kind="choice")[0]


REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "negative reaction time": (
        rating,
        {"rt_ms": -1},
        r"rt_ms: is -1 \(expected a number of at least 0",
    ),
    "endless reaction time": (rating, {"rt_ms": float("inf")}, "rt_ms: is inf"),
    "no number at all": (rating, {"rt_ms": float("nan")}, "rt_ms: is nan"),
    "a number beyond all": (rating, {"rt_ms": 10**400}, "rt_ms: is 1000"),
    "a value beyond all": (rating, {"values": {"threat": 10**400, "urgency": 1}}, "values.threat: is 1000"),
    "half a character": (rating, {"response_id": "\ud800"}, "response_id: is"),
    "half a construct": (rating, {"values": {"\ud800": 1}}, "is not asked here"),
    "reaction time in words": (rating, {"rt_ms": "12"}, "rt_ms: is '12'"),
    "value above": (
        rating,
        {"values": {"threat": 100.5, "urgency": 1}},
        r"values.threat: is 100.5 \(expected a number of at most 100",
    ),
    "value below": (rating, {"values": {"threat": 1, "urgency": -0.1}}, "values.urgency: is -0.1"),
    "value true": (rating, {"values": {"threat": True, "urgency": 1}}, "values.threat: is True"),
    "construct missing": (rating, {"values": {"threat": 1}}, "values.urgency: is missing"),
    "construct unknown": (
        rating,
        {"values": {"threat": 1, "urgency": 1, "joy": 1}},
        r"values.joy: is not asked here",
    ),
    "values missing": (rating, {"values": None}, "values: is missing"),
    "a side for a rating": (rating, {"chosen": "left"}, "chosen: unknown setting"),
    "values for a choice": (choice, {"values": {"threat": 1}}, r"values.threat: is not asked here"),
    "no side": (choice, {"chosen": None}, r"chosen: is missing \(expected one of left, right"),
    "a third side": (choice, {"chosen": "middle"}, "chosen: is 'middle'"),
    "wrong image": (
        rating,
        {"images": ["0" * 64]},
        r"images\[0\]: is '0+'? ?.*expected the image of this trial",
    ),
    "too few images": (choice, {"images": []}, r"images: names 0 \(expected 2"),
    "images in words": (choice, {"images": "both"}, "images: is 'both'"),
    "no response id": (rating, {"response_id": "7"}, "response_id: is '7'"),
    "unknown field": (rating, {"mood": 3}, "mood: unknown setting"),
    "no trial": (rating, {"trial_id": None}, "trial_id: is missing"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_answer_is_refused_by_name_and_nothing_is_kept(case: str) -> None:
    pick, changes, message = REFUSED[case]
    participant = services.join(study=make_study()).participant
    with pytest.raises(Malformed, match=message):
        services.record_response(participant=participant, body=answer_to(pick(participant), **changes))
    assert not Response.objects.exists()
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.status) == ("refused", 400)


def test_all_wrong_fields_are_named_at_once() -> None:
    participant = services.join(study=make_study()).participant
    body = answer_to(rating(participant), rt_ms=-1, values={"threat": 101, "urgency": 1}, mood=3)
    with pytest.raises(Malformed) as caught:
        services.record_response(participant=participant, body=body)
    assert caught.value.source == "rt_ms"
    for problem in ("is -1, not", "values.threat: is 101, not", "mood: unknown setting"):
        assert problem in str(caught.value)


def test_images_in_the_other_order_are_refused() -> None:
    participant = services.join(study=make_study()).participant
    trial = choice(participant)
    with pytest.raises(Malformed, match=r"images\[0\]"):
        services.record_response(participant=participant, body=answer_to(trial, images=trial.digests[::-1]))


def test_other_peoples_trials_and_no_trials() -> None:
    study = make_study()
    mine, theirs = (services.join(study=study).participant for _ in range(2))
    with pytest.raises(NotTheirs, match="is somebody else's trial"):
        services.record_response(participant=mine, body=answer_to(theirs.trials.get(index=0)))
    with pytest.raises(Unknown, match="is no trial"):
        services.record_response(participant=mine, body=answer_to(rating(mine), trial_id="p-1-t000"))
    assert not Response.objects.exists()
    assert list(Attempt.objects.values_list("participant", "status")) == [(mine.pk, 403), (mine.pk, 404)]


def test_one_response_id_answers_one_trial() -> None:
    participant = services.join(study=make_study()).participant
    used = str(uuid.uuid4())
    first, second = participant.trials.filter(kind="rating")[:2]
    services.record_response(participant=participant, body=answer_to(first, response_id=used))
    with pytest.raises(Malformed, match=f"response_id: {used} was used for another trial"):
        services.record_response(participant=participant, body=answer_to(second, response_id=used))


def test_a_paused_study_takes_no_answers_but_acknowledges_those_it_has() -> None:
    study = make_study()
    participant = services.join(study=study).participant
    first, second = participant.trials.all()[:2]
    body = answer_to(first)
    services.record_response(participant=participant, body=body)
    pause(study=study, by=None)
    assert services.record_response(participant=participant, body=body).status == 200
    with pytest.raises(NotNow, match="is paused"):
        services.record_response(participant=participant, body=answer_to(second))
    open_study(study=study, by=None)
    assert services.record_response(participant=participant, body=answer_to(second)).status == 200


def test_the_code_comes_only_when_every_trial_is_counted() -> None:
    study = make_study()
    participant = services.join(study=study).participant
    trials = list(participant.trials.all())
    for trial in trials[:-1]:
        services.record_response(participant=participant, body=answer_to(trial))
    with pytest.raises(NotNow, match="1 of 7 are not answered yet"):
        services.finish(participant=participant)
    participant.refresh_from_db()
    assert participant.completion_code == ""
    services.record_response(participant=participant, body=answer_to(trials[-1]))
    close(study=study, by=None)
    code = services.finish(participant=participant).completion_code
    assert len(code) == 8
    assert services.finish(participant=participant).completion_code == code
    with pytest.raises(NotNow, match="has finished"):
        services.withdraw(participant=participant)


def test_a_study_may_have_one_code_for_all() -> None:
    study = recruit_by(make_study(), codes={"finished": "C0FFEE"})
    participant = services.join(study=study).participant
    answer_all(participant)
    assert services.finish(participant=participant).completion_code == "C0FFEE"


def event(**changes: Any) -> dict[str, Any]:
    return {
        "event_id": str(uuid.uuid4()),
        "kind": "blur",
        "trial_index": 1,
        "page_ms": 12.5,
        "detail": {},
        **changes,
    }


def test_events_are_stored_once_however_often_they_are_sent() -> None:
    participant = services.join(study=make_study()).participant
    batch = {"events": [event(), event(kind="focus")]}
    assert services.record_events(participant=participant, body=batch) == 2
    services.record_events(participant=participant, body=batch)
    assert list(Event.objects.values_list("kind", flat=True)) == ["blur", "focus"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "events: is missing"),
        ({"events": [event(), event(kind="dance")]}, r"events\[1\].kind: is 'dance'"),
        ({"events": [event(page_ms=-1)]}, "page_ms: is -1"),
        ({"events": [event(trial_index=-1)]}, r"events\[0\].trial_index: is -1"),
        ({"events": [event(detail={"x": "y" * 2000})]}, r"events\[0\].detail"),
        ({"events": [3]}, r"events\[0\]: is 3"),
        ({"events": [event()] * 201}, "at most 200"),
        ({"events": [], "more": 1}, "more: unknown setting"),
    ],
)
def test_wrong_events_are_refused_whole(body: dict[str, Any], message: str) -> None:
    participant = services.join(study=make_study()).participant
    with pytest.raises(Malformed, match=message):
        services.record_events(participant=participant, body=body)
    assert not Event.objects.exists()


def answered() -> tuple[Participant, Response]:
    participant = services.join(study=make_study()).participant
    return participant, services.record_response(
        participant=participant, body=answer_to(participant.trials.get(index=0))
    ).response


@pytest.mark.parametrize(
    ("model", "change"),
    [(Response, {"rt_ms": 3.0}), (Trial, {"block": "other"}), (Attempt, {"status": 500})],
)
def test_trials_responses_and_attempts_are_written_once(model: Any, change: dict[str, Any]) -> None:
    answered()
    with pytest.raises(DatabaseError, match="rows are written once"), transaction.atomic():
        model.objects.update(**change)


def test_the_database_refuses_what_no_service_would_write() -> None:
    participant, response = answered()
    other = participant.trials.get(index=1)
    fields: dict[str, Any] = {"values": {}, "digests": [], "received_at": timezone.now()}
    with pytest.raises(IntegrityError, match="reaction_time_not_negative"), transaction.atomic():
        Response.objects.create(trial=other, response_id=uuid.uuid4(), rt_ms=-1, **fields)
    with pytest.raises(IntegrityError, match="chosen_is_a_side"), transaction.atomic():
        Response.objects.create(trial=other, response_id=uuid.uuid4(), rt_ms=1, chosen="up", **fields)
    with pytest.raises(IntegrityError), transaction.atomic():
        Response.objects.create(trial=response.trial, response_id=uuid.uuid4(), rt_ms=1, **fields)
    with pytest.raises(IntegrityError), transaction.atomic():
        Response.objects.create(trial=other, response_id=response.response_id, rt_ms=1, **fields)
    for change in ({"completion_code": "X"}, {"status": "odd"}, {"status": "finished"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Participant.objects.update(**change)
    with pytest.raises(IntegrityError), transaction.atomic():
        Trial.objects.create(
            participant=participant, index=0, name="x", block="b", kind="rating", planned={}, digests=[]
        )
    with pytest.raises(IntegrityError), transaction.atomic():
        Event.objects.create(participant=participant, event_id=uuid.uuid4(), kind="blur", page_ms=-1)
    with pytest.raises(IntegrityError, match="list_not_overfull"), transaction.atomic():
        AssignmentList.objects.update(taken=99)


def test_a_study_with_participants_cannot_be_deleted() -> None:
    study = make_study()
    services.join(study=study)
    with pytest.raises(InputError):
        delete_draft(study=study, by=None)
    with pytest.raises(IntegrityError), transaction.atomic():
        study.delete()
    assert Recruitment.objects.count() == 0
