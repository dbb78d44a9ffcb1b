"""Quotas by an answer: a place is taken with it, and never one more than there is."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import given as given_
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from ratings import services
from ratings.models import EndPage, Participant, QuotaCount, QuotaPlace
from ratings.recruiting.outcomes import Outcome
from ratings.services import slots
from ratings.services.presentation import addresses, visit_of
from ratings.services.recruiting.ends import outcome_of, plan_of
from ratings.services.recruiting.payments import cost_of
from ratings.services.refusals import NotNow
from ratings.services.verifying import verify_study
from ratings.services.visits.quotas import quota_rows
from studies.models import Study
from studies.services.copying import duplicate
from studies.services.plans import NotReady, build_plan
from tests.site.paged_study import make_paged_study, post

pytestmark = pytest.mark.django_db
QUOTAS = ["gender: woman 2, man 1", "age: younger = 18-34 2"]
Status = Participant.Status


def make_study(*quotas: str, participants: int = 8, **fields: Any) -> Study:
    study = make_paged_study(
        ("people", "ratings"), state=Study.State.DRAFT, people={"quotas": list(quotas or QUOTAS)}
    )
    Study.objects.filter(pk=study.pk).update(participants_planned=participants, **fields)
    from studies.services import freeze, open_study

    study.refresh_from_db()
    return open_study(study=freeze(study=study, by=None), by=None, reason="A study of a test.")


def come(study: Study, gender: str, age: int = 50) -> Participant:
    participant = services.join(study=study).participant
    post(participant, 0, {"age": age, "gender": gender})
    participant.refresh_from_db()
    return participant


def taken(study: Study) -> dict[str, int]:
    return {row["name"]: row["taken"] for row in quota_rows(study)}


def check_exact(study: Study) -> None:
    """Each quota has taken what people who hold a slot hold of it, and never more than there is."""
    held = Counter(
        QuotaPlace.objects.filter(
            full=False, participant__status__in=Participant.HOLDING, participant__kind="person"
        ).values_list("quota", flat=True)
    )
    for row in QuotaCount.objects.filter(study=study):
        assert row.taken == held[row.pk] <= row.most


def test_a_place_is_taken_with_the_answer_and_the_visit_ends_where_none_is_left() -> None:
    study = make_study()
    EndPage.objects.create(study=study, outcome="quota_full", code="ENOUGH", pay="0.50")
    first, second, third = (come(study, "woman", age) for age in (20, 30, 25))
    assert taken(study) == {"woman": 2, "man": 0, "younger": 2}
    assert [one.status for one in (first, second, third)] == ["active", "active", "screened_out"]
    assert third.screened_for == "a quota is full"
    assert third.completion_code == "ENOUGH"
    assert outcome_of(third) is Outcome.QUOTA_FULL
    assert third.trials.get(index=0).response.values["gender"] == "woman"  # the answer is stored
    assert visit_of(third).skipped == {1, 2}
    assert sum(study.lists.values_list("taken", flat=True)) == 2
    with pytest.raises(NotNow) as refused:
        post(third, 1)
    assert refused.value.reason == "screened_out"
    assert cost_of(study, plan_of(study)).counts[Outcome.QUOTA_FULL] == 1
    assert come(study, "another").status == Status.ACTIVE  # in no group
    check_exact(study)
    assert list(verify_study(study)) == []


def test_the_end_page_says_so() -> None:
    study = make_study("gender: man 1")
    come(study, "man")
    joined = services.join(study=study)
    post(joined.participant, 0, {"age": 20, "gender": "man"})
    client = Client()
    page = client.get(addresses(joined.token)["study"])
    assert "All places for your group are taken" in page.content.decode()
    reply = client.post(addresses(joined.token)["finish"])
    assert reply.json()["reason"] == "screened_out"


@pytest.mark.parametrize("leave", ["time out", "withdraw", "return"])
def test_a_place_is_given_back_with_the_slot(leave: str) -> None:
    study = make_study()
    person = come(study, "man", 20)
    assert taken(study) == {"woman": 0, "man": 1, "younger": 1}
    if leave == "time out":
        Participant.objects.filter(pk=person.pk).update(last_seen_at=timezone.now() - timedelta(days=1))
        slots.release_idle_slots(study)
    elif leave == "withdraw":
        services.withdraw(participant=person)
    else:
        slots.reopen_slot(person)
    assert taken(study) == {"woman": 0, "man": 0, "younger": 0}
    assert come(study, "man", 20).status == Status.ACTIVE
    check_exact(study)


def test_whoever_comes_back_has_the_place_again_if_it_is_free() -> None:
    study = make_study()
    person, other = come(study, "man", 20), None
    Participant.objects.filter(pk=person.pk).update(status=Status.ACTIVE)
    assert slots.release_slot(person, Status.TIMED_OUT)
    other = come(study, "man", 60)
    post(person, 1)  # late: the only place for men is another's now
    person.refresh_from_db()
    assert person.status == Status.TIMED_OUT
    assert person.trials.get(index=1).response.late
    services.withdraw(participant=other)
    post(person, 2)
    person.refresh_from_db()
    assert person.status == Status.ACTIVE
    assert taken(study) == {"woman": 0, "man": 1, "younger": 1}
    check_exact(study)


def test_quotas_are_copied_and_what_is_wrong_with_them_is_in_the_way_of_freezing() -> None:
    study = make_study()
    copy = duplicate(study=study, by=None)
    assert [row["most"] for row in quota_rows(study)] == [2, 1, 2]
    assert build_plan(copy).blocks[0] == study.frozen_plan.blocks[0]
    block = copy.blocks.get(name="people")
    block.settings = {**block.settings, "quotas": ["gender: lady 3", "age: 18-34 1, 30-40 1"]}
    block.save()
    with pytest.raises(NotReady) as error:
        build_plan(copy)
    assert "blocks[0].quotas" in str(error.value)
    assert "is no answer to 'gender'" in str(error.value)
    assert "overlaps" in str(error.value)


def test_the_export_and_the_monitor_tell_groups(staff_client: Any) -> None:
    study = make_study()
    come(study, "woman", 20)
    come(study, "man", 30)
    come(study, "man", 40)
    rows = services.export_tables(study)["participants"]
    assert sorted((row["quota_groups"], row["quota_full"], row["status"]) for row in rows) == [
        ("gender: man", 1, "screened_out"),
        ("gender: man; age: younger", 0, "active"),
        ("gender: woman; age: younger", 0, "active"),
    ]
    page = staff_client.get(reverse("admin:ratings_monitor", args=[study.pk])).content.decode()
    assert "1 of 1" in page
    assert "gender (people)" in page


def test_nothing_of_a_group_is_left_of_somebody_who_is_erased() -> None:
    study = make_study()
    person = come(study, "woman")
    assert QuotaPlace.objects.filter(participant=person).count() == 1
    Study.objects.filter(pk=study.pk).update(on_withdrawal="erase")
    services.withdraw(participant=Participant.objects.get(pk=person.pk))
    assert not QuotaPlace.objects.filter(participant=person).exists()
    assert taken(study)["woman"] == 0


class RandomArrivals(TestCase):
    @settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given_(
        st.lists(
            st.tuples(
                st.sampled_from(["woman", "man", "another"]),
                st.integers(18, 99),
                st.sampled_from(["stay", "withdraw", "time out", "time out and come back", "return"]),
            ),
            max_size=12,
        )
    )
    def test_quotas_hold_whoever_comes_and_goes(self, arrivals: list[tuple[str, int, str]]) -> None:
        study = make_study(participants=40)
        for gender, age, then in arrivals:
            person = come(study, gender, age)
            if person.status != Status.ACTIVE:
                continue
            if then == "withdraw":
                services.withdraw(participant=person)
            elif then.startswith("time out"):
                slots.release_slot(person, Status.TIMED_OUT)
            elif then == "return":
                slots.reopen_slot(person)
            check_exact(study)
            if then.endswith("come back"):
                post(person, 1)
                check_exact(study)
        Study.objects.all().update(state="closed")


@pytest.mark.django_db(transaction=True)
def test_two_hundred_at_once_never_exceed_a_quota() -> None:
    count = 200
    study = make_study("gender: woman 30, man 20", participants=count)
    people = [services.join(study=study).participant for _ in range(count)]
    gate, room = threading.Barrier(count), threading.BoundedSemaphore(60)  # as many as PostgreSQL lets in

    def answer(number: int) -> None:
        gate.wait(timeout=60)
        with room:
            try:
                post(people[number], 0, {"age": 20, "gender": "woman" if number % 2 else "man"})
            finally:
                connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(answer, range(count)))
    assert taken(study) == {"woman": 30, "man": 20}
    assert study.participants.filter(status=Status.ACTIVE).count() == 50
    assert study.participants.filter(status=Status.SCREENED_OUT).count() == 150
    check_exact(study)
