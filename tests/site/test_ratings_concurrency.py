"""Real threads on a real database: places stay exact, the first answer wins, nothing is lost."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar

import pytest
from django.db import connections
from django.utils import timezone

from ratings import services
from ratings.models import Attempt, Participant, Response
from ratings.services import slots
from ratings.services.refusals import NotNow
from ratings.services.verifying import verify_study
from studies.models import Study
from tests.site.small_study import answer_all, answer_to, make_study

pytestmark = pytest.mark.django_db(transaction=True)
THREADS = 8
Status = Participant.Status
Result = TypeVar("Result")


def at_once(work: Callable[[int], Result], count: int = THREADS) -> list[Result]:
    """Do ``work(0) … work(count - 1)`` in threads that all start at the same moment."""
    gate = threading.Barrier(count)

    def one(number: int) -> Result:
        try:
            gate.wait()
            return work(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_a_burst_of_joins_fills_the_lists_exactly() -> None:
    study = make_study(participants_planned=12, n_lists=4)

    def join_twice(number: int) -> int:
        joined = 0
        for _ in range(2):
            try:
                services.join(study=study)
            except NotNow:
                continue
            joined += 1
        return joined

    assert sum(at_once(join_twice)) == 12
    assert list(study.lists.values_list("taken", flat=True)) == [3, 3, 3, 3]
    held = Counter(Participant.objects.values_list("assignment__number", flat=True))
    assert set(held.values()) == {3}
    assert all(person.trials.count() == 7 for person in Participant.objects.all())


def test_a_burst_over_one_free_place_lets_one_in() -> None:
    study = make_study(participants_planned=1, n_lists=1)

    def try_to_join(number: int) -> bool:
        try:
            services.join(study=study)
        except NotNow:
            return False
        return True

    assert sum(at_once(try_to_join)) == 1
    assert study.participants.count() == 1


def test_of_many_answers_to_one_trial_one_is_kept_and_all_are_told_which() -> None:
    participant = services.join(study=make_study()).participant
    trial = participant.trials.get(index=0)
    bodies = [answer_to(trial, rt_ms=float(number)) for number in range(THREADS)]
    recorded = at_once(lambda n: services.record_response(participant=participant, body=bodies[n]))
    kept = Response.objects.get()
    assert Counter(one.outcome for one in recorded) == {"stored": 1, "duplicate": THREADS - 1}
    assert {one.response.pk for one in recorded} == {kept.pk}
    assert str(kept.response_id) == bodies[[one.outcome for one in recorded].index("stored")]["response_id"]
    assert Attempt.objects.count() == THREADS


def test_one_answer_posted_many_times_is_one_row() -> None:
    participant = services.join(study=make_study()).participant
    body = answer_to(participant.trials.get(index=0))
    recorded = at_once(lambda n: services.record_response(participant=participant, body=body))
    assert Counter(one.outcome for one in recorded) == {"stored": 1, "repeated": THREADS - 1}
    assert Response.objects.count() == 1


def test_people_who_answer_at_once_lose_nothing() -> None:
    study = make_study()
    people = [services.join(study=study).participant for _ in range(4)]

    def take_part(number: int) -> str:
        answer_all(people[number])
        return services.finish(participant=people[number]).completion_code

    codes = at_once(take_part, 4)
    assert len(set(codes)) == 4
    assert Response.objects.count() == 28


def test_finishing_at_once_gives_one_code() -> None:
    participant = services.join(study=make_study()).participant
    answer_all(participant)
    codes = at_once(lambda n: services.finish(participant=participant).completion_code)
    assert len(set(codes)) == 1


def test_stopping_at_once_opens_one_place() -> None:
    study = make_study(participants_planned=2, n_lists=1)
    participant = services.join(study=study).participant
    services.join(study=study)
    at_once(lambda n: services.withdraw(participant=Participant.objects.get(pk=participant.pk)))
    assert study.lists.get().taken == 1


def timed_out_with_all_answers(study: Study) -> Participant:
    participant = services.join(study=study).participant
    answer_all(participant)
    slots.release_slot(participant, Status.TIMED_OUT)
    return Participant.objects.get(pk=participant.pk)


def active(study: Study) -> Participant:
    return services.join(study=study).participant


def answer_next(participant: Participant) -> None:
    trial = participant.trials.filter(response=None).first()
    if trial is not None:
        services.record_response(participant=participant, body=answer_to(trial))


def send_event(participant: Participant) -> None:
    event = {"event_id": str(uuid.uuid4()), "kind": "blur", "page_ms": 1.0}
    services.record_events(participant=participant, body={"events": [event]})


def time_everybody_out(participant: Participant) -> None:
    long_ago = timezone.now() - timedelta(minutes=61)
    Participant.objects.filter(pk=participant.pk).update(last_seen_at=long_ago)
    slots.release_idle_slots(participant.study)


VERBS: dict[str, tuple[Callable[[Study], Participant], Callable[[Participant], object]]] = {
    "join": (active, lambda participant: services.join(study=participant.study)),
    "answer": (active, answer_next),
    "event": (active, send_event),
    "finish": (timed_out_with_all_answers, lambda participant: services.finish(participant=participant)),
    "withdraw": (active, lambda participant: services.withdraw(participant=participant)),
    "time out": (active, time_everybody_out),
    "come back": (timed_out_with_all_answers, slots.reclaim_slot),
}


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations_with_replacement(VERBS, 2)))
def test_no_two_verbs_wait_for_each_other(one: str, other: str) -> None:
    """On one list, whose row all of them change, and with answers of the same people in between."""
    study = make_study(participants_planned=60, n_lists=1, rating_trials=2, choice_trials=1)
    work = []
    for number in range(THREADS):
        prepare, verb = VERBS[(one, other)[number % 2]]
        work.append((verb, [prepare(study) for _ in range(2)]))

    def each(number: int) -> None:
        verb, people = work[number]
        for participant in people:
            try:
                verb(participant)
            except NotNow:
                continue  # timed out or withdrawn by the other verb meanwhile: a refusal, not an error

    at_once(each)
    held = Participant.objects.holding_a_slot().filter(study=study).count()
    assert study.lists.get().taken == held
    assert list(verify_study(study)) == []
