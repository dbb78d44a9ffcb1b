"""The monitor: its summaries equal what the rows say, however they came about, and its words fit."""

from __future__ import annotations

import json
import random
import statistics
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from ratings import services
from ratings.models import Participant, Progress, Response
from ratings.services import Recruit, erasing, slots
from ratings.services.flow import flow
from ratings.services.monitoring import catch_up, monitor, progress
from ratings.services.monitoring.numbers import responses_per_minute
from ratings.services.monitoring.quality import Measures
from ratings.services.monitoring.refused import ARRIVALS, POSTS
from ratings.services.refusals import Refused
from studies.models import Study
from studies.services import close, open_study, pause
from tests.site.recruited_study import recruit_by
from tests.site.small_study import TARGETS, answer_all, answer_to, make_study

pytestmark = pytest.mark.django_db


def summaries() -> dict[int, dict[str, Any]]:
    return {
        row.pk: {name: getattr(row, name) for name in progress.SUMMARISED} for row in Progress.objects.all()
    }


def recounted(study: Study) -> dict[int, dict[str, Any]]:
    """Count everybody from nothing."""
    Progress.objects.all().delete()
    catch_up(study)
    return summaries()


def event(kind: str, **detail: Any) -> dict[str, Any]:
    return {"event_id": str(uuid.uuid4()), "kind": kind, "page_ms": 1.0, "detail": detail}


def happened(person: Participant, *events: dict[str, Any]) -> None:
    services.record_events(participant=person, body={"events": list(events)})


def refuse(person: Participant, body: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        services.record_response(participant=person, body=body)


# Summaries


def steps_of(study: Study) -> dict[str, Callable[[Participant], None]]:
    """What can happen to somebody who takes part, by name."""

    def answer(person: Participant) -> None:
        trial = person.trials.filter(response=None).order_by("index").first()
        if trial is not None:
            services.record_response(
                participant=person, body=answer_to(trial, rt_ms=50 + 900.0 * trial.index)
            )

    def again(person: Participant) -> None:
        response = Response.objects.filter(trial__participant=person).first()
        if response is not None:
            body = answer_to(response.trial, response_id=str(response.response_id), rt_ms=3.0)
            services.record_response(participant=person, body=body)
            services.record_response(participant=person, body=answer_to(response.trial))

    def refused(person: Participant) -> None:
        refuse(person, answer_to(person.trials.get(index=0), trial_id="nobody's"))

    def events(person: Participant) -> None:
        happened(person, event("offline"), event("frames", slow=1), event("images", retries=2), event("blur"))

    def stop(person: Participant) -> None:
        services.withdraw(participant=person)

    def erase(person: Participant) -> None:
        erasing.erase_participant(code=person.name)

    def time_out(person: Participant) -> None:
        slots.release_slot(person, Participant.Status.TIMED_OUT)

    def move(person: Participant) -> None:
        services.enter_with_pass(services.let_in(participant=person, by=None))

    makes = (answer, answer, answer, again, refused, events, stop, erase, time_out, move)
    return {f"{number} {make.__name__}": make for number, make in enumerate(makes)}


@pytest.mark.parametrize("seed", range(3))
def test_what_is_counted_step_by_step_is_what_is_counted_from_nothing(seed: int) -> None:
    study = make_study(participants_planned=12, rehearsal=True)
    people = [services.join(study=study).participant for _ in range(4)]
    people.append(services.join(study=study, kind=Participant.Kind.ROBOT).participant)
    rng = random.Random(seed)
    steps = steps_of(study)
    for _ in range(40):
        person = Participant.objects.get(pk=rng.choice(people).pk)
        name = rng.choice(list(steps))
        gone = person.status == Participant.Status.WITHDRAWN or person.erased_at
        if not gone or "refused" in name:
            steps[name](person)
        if rng.random() < 0.3:
            catch_up(study)
    catch_up(study)
    counted = summaries()
    assert counted == recounted(study)
    assert sum(row["done"] for row in counted.values()) == Response.objects.count()
    assert any(row["erased"] for row in counted.values())
    assert sum(sum(row["refused"].values()) for row in counted.values()) > 0


def test_a_summary_says_what_the_rows_say() -> None:
    study = make_study()
    person = services.join(study=study).participant
    for trial, rt_ms in zip(person.trials.order_by("index")[:3], (50.0, 812.4, 99_999_000.0), strict=False):
        services.record_response(participant=person, body=answer_to(trial, rt_ms=rt_ms))
    happened(person, event("offline"), event("online"), event("offline"), event("images", count=4, retries=3))
    happened(person, event("frames", slow=0), event("frames", slow=2), event("frames", slow=None))
    assert catch_up(study) == 0
    row = Progress.objects.get()
    assert row.times == [50, 812, 99_999_000]
    assert (row.done, row.marked, row.refused) == (3, 2, {})
    assert (row.offline, row.framed, row.slow, row.retries) == (2, 2, 1, 3)


def test_nonsense_of_a_browser_is_counted_as_nothing_and_breaks_nothing() -> None:
    study = make_study()
    person = services.join(study=study).participant
    happened(person, *(event("images", retries=value) for value in (1e300, -4, "many", None, [1], {"a": 1})))
    happened(person, *(event("frames", slow=value) for value in (-1, "x", [], 0.2)), event("frames"))
    catch_up(study)
    row = Progress.objects.get()
    assert row.retries == progress.MOST_RETRIES
    assert (row.framed, row.slow) == (4, 0)


def test_nothing_of_somebody_erased_stays_in_a_summary() -> None:
    study = make_study()
    person = services.join(study=study).participant
    answer_all(person)
    catch_up(study)
    assert Progress.objects.get().times == [812] * 7
    erasing.erase_participant(code=person.name)
    assert not Progress.objects.exists()  # at once, not at the next look
    catch_up(study)
    row = Progress.objects.get()
    assert (row.erased, row.done, row.times, row.offline) == (True, 7, [], 0)


def states_of(study: Study) -> list[dict[str, Any]]:
    """The states of those to be counted, as a look reads them first."""
    rows = Participant.objects.filter(study=study).since_counted().order_by("pk")
    return [
        {**row, "posts": row.pop("attempts_made")}
        for row in rows.values("pk", "name", "last_seen_at", "erased_at", "attempts_made")
    ]


def test_what_comes_while_a_look_reads_is_counted_by_the_next() -> None:
    study = make_study()
    person = services.join(study=study).participant
    states = states_of(study)
    read = progress.summarise(states, Measures(study.frozen_plan))
    answer_all(person)
    progress.keep(read)
    assert Progress.objects.get().done == 0
    catch_up(study)
    assert Progress.objects.get().done == 7
    erasing.erase_participant(code=person.name)
    Progress.objects.all().delete()


def test_what_was_read_before_somebody_was_erased_is_not_stored_afterwards() -> None:
    study = make_study()
    person = services.join(study=study).participant
    answer_all(person)
    read = progress.summarise(states_of(study), Measures(study.frozen_plan))
    assert read[0].times == [812] * 7
    erasing.erase_participant(code=person.name)
    progress.keep(read)
    assert not Progress.objects.exists()


def test_a_look_counts_for_a_while_and_leaves_the_rest_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    study = make_study()
    for _ in range(5):
        services.join(study=study)
    monkeypatch.setattr(progress, "AT_ONCE", 2)
    ticks = iter(range(100))
    assert catch_up(study, seconds=1, clock=lambda: next(ticks)) == 3
    assert monitor(study)["behind"] == 0
    assert Progress.objects.count() == 5


def test_a_look_costs_as_many_statements_however_many_take_part(staff_client: Any) -> None:
    study = make_study(participants_planned=40)
    address = reverse("admin:ratings_monitor_live", args=[study.pk])

    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert staff_client.get(address).status_code == 200
        return len(queries)

    answer_all(services.join(study=study).participant)
    staff_client.get(address)
    few = statements()
    for _ in range(6):
        answer_all(services.join(study=study).participant)
    staff_client.get(address)
    assert statements() == few
    services.record_response(
        participant=(person := services.join(study=study).participant),
        body=answer_to(person.trials.get(index=0)),
    )
    assert few < statements() <= few + 12  # one more turn of counting, whoever changed


@pytest.mark.django_db(transaction=True)
def test_looks_while_people_answer_and_are_erased_end_up_right() -> None:
    study = make_study(participants_planned=8)
    people = [services.join(study=study).participant for _ in range(4)]
    done = threading.Event()

    def take_part(person: Participant) -> None:
        try:
            answer_all(person)
            if person.pk % 2:
                erasing.erase_participant(code=person.name)
        finally:
            connections.close_all()

    def watch(_: int) -> int:
        looks = 0
        try:
            while not done.is_set():
                catch_up(study)
                looks += 1
        finally:
            connections.close_all()
        return looks

    with ThreadPoolExecutor(6) as pool:
        watching = [pool.submit(watch, number) for number in range(2)]
        for future in [pool.submit(take_part, person) for person in people]:
            future.result(60)
        done.set()
        assert all(future.result(60) > 0 for future in watching)
    assert not Progress.objects.filter(participant__erased_at__isnull=False).exclude(times=[]).exists()
    catch_up(study)
    assert summaries() == recounted(study)
    assert [row["done"] for row in summaries().values()] == [7] * 4


# Numbers


def test_drop_out_balance_and_times_are_those_of_the_rows() -> None:
    study = make_study(participants_planned=12, n_lists=4, rehearsal=True)
    people = [services.join(study=study).participant for _ in range(8)]
    services.join(study=study, kind=Participant.Kind.PREVIEW)
    robot = services.join(study=study, kind=Participant.Kind.ROBOT).participant
    answer_all(robot)
    done = {0: 7, 1: 7, 2: 7, 3: 4, 4: 4, 5: 2, 6: 0, 7: 0}
    times: list[list[float]] = [[] for _ in range(7)]
    for number, count in done.items():
        for trial in people[number].trials.order_by("index")[:count]:
            rt_ms = 1000 + 137 * ((trial.index * 31 + number * 17) % 23)
            times[trial.index].append(rt_ms)
            services.record_response(participant=people[number], body=answer_to(trial, rt_ms=float(rt_ms)))
    for number in (0, 1, 2):
        services.finish(participant=people[number])
    study.on_withdrawal = Study.OnWithdrawal.KEEP
    study.save()
    services.withdraw(participant=people[3])
    slots.release_slot(people[6], Participant.Status.TIMED_OUT)
    numbers = monitor(study)

    dropout = numbers["dropout"]
    assert (dropout["trials"], dropout["began"]) == (7, 6)
    assert dropout["reached"] == [sum(count >= k for count in done.values()) for k in range(1, 8)]
    inside = [done[4], done[5], done[7]]
    assert dropout["may_reach"] == [sum(0 < count < k for count in inside) for k in range(1, 8)]
    assert dropout["left"] == [1, 0, 0, 0, 1, 0, 0, 0]

    assert numbers["times"]["by_trial_ms"] == [statistics.median(column) for column in times]
    everything = [value for column in times for value in column]
    assert numbers["times"]["trial_ms"] == statistics.median(everything)
    ratings = [value for column in times[:4] for value in column]
    assert numbers["times"]["blocks"][0] == {
        "block": "ratings",
        "trial_ms": statistics.median(ratings),
        "answers": len(ratings),
    }
    visits = Participant.objects.people().filter(status="finished")
    seconds = statistics.median((row.finished_at - row.consented_at).total_seconds() for row in visits)
    assert (numbers["times"]["visits"], numbers["times"]["visit_s"]) == (3, pytest.approx(seconds))

    # Who started is known here from summaries, in an export from the responses themselves.
    exported = flow(study)
    assert numbers["flow"] == {name: exported[name] for name in numbers["flow"]}
    for row, steps in zip(numbers["lists"], exported["lists"], strict=True):
        assert {name: row[name] for name in steps} == steps

    assert numbers["kinds"] == {
        "person": {"joined": 8, "inside": 3, "finished": 3, "responses": 31},
        "preview": {"joined": 1, "inside": 1, "finished": 0, "responses": 0},
        "robot": {"joined": 1, "inside": 1, "finished": 0, "responses": 7},
    }
    for row in numbers["lists"]:
        here = Participant.objects.people().filter(study=study, assignment__number=row["number"])
        status = Counter(here.values_list("status", flat=True))
        assert (row["consented"], row["active"], row["finished"]) == (
            len(here),
            status["active"],
            status["finished"],
        )
        assert row["taken"] == status["active"] + status["finished"]
        assert row["capacity"] == 3


def test_answers_per_minute_are_those_of_the_rows_also_where_minutes_are_remembered() -> None:
    study = make_study(participants_planned=12)
    other = make_study(slug="other", matched_set=study.matched_set)
    now = timezone.now().replace(second=30)
    for number in range(6):
        person = services.join(study=other if number == 5 else study).participant
        ages = [29, 29, 12, 2, 1, 0, 40]
        Response.objects.bulk_create(
            Response(
                trial=trial,
                response_id=uuid.uuid4(),
                rt_ms=900,
                digests=[],
                received_at=now - timedelta(minutes=age, seconds=number),
            )
            for trial, age in zip(person.trials.order_by("index"), ages, strict=True)
        )
    expected = {0: 10, 17: 5, 27: 5, 28: 5, 29: 5}
    for _ in range(2):
        counts = responses_per_minute(study, now)
        assert {place: count for place, count in enumerate(counts) if count} == expected
    with CaptureQueriesContext(connection) as queries:
        responses_per_minute(study, now)
    since = now.replace(second=0, microsecond=0) - timedelta(minutes=1)
    assert f"{since:%H:%M:%S}" in queries[-1]["sql"]  # the minutes before are not read again
    person = services.join(study=study).participant
    services.record_response(participant=person, body=answer_to(person.trials.get(index=0)))
    later = responses_per_minute(study, now + timedelta(minutes=1))
    assert later[:28] == counts[1:29]
    assert sum(later) == sum(counts) - counts[0] + 1


def test_of_nobody_there_is_nothing_to_say(staff_client: Any) -> None:
    study = make_study(state=Study.State.FROZEN)
    numbers = monitor(study)
    assert (numbers["dropout"]["began"], numbers["times"]["trial_ms"], numbers["inside"]) == (0, None, [])
    assert [row["consented"] for row in numbers["lists"]] == [0] * 4
    page = staff_client.get(reverse("admin:ratings_monitor", args=[study.pk])).content.decode()
    assert page.count("Nobody has answered yet.") == 2


def test_who_is_inside_is_listed_the_longest_silent_first() -> None:
    study = make_study()
    people = [services.join(study=study).participant for _ in range(3)]
    answer_all(people[2])
    services.finish(participant=people[2])
    happened(people[0], event("offline"), event("frames", slow=3))
    long_ago = timezone.now() - timedelta(minutes=20)
    Participant.objects.filter(pk=people[1].pk).update(last_seen_at=long_ago)
    numbers = monitor(study)
    assert [row["name"] for row in numbers["inside"]] == [people[1].name, people[0].name]
    assert numbers["inside"][0]["silent_s"] == pytest.approx(1200, abs=30)
    assert {name: numbers["inside"][1][name] for name in ("offline", "slow", "framed", "done")} == {
        "offline": 1,
        "slow": 1,
        "framed": 1,
        "done": 0,
    }
    assert numbers["active_now"] == 1
    assert numbers["clients"] == {"people": 3, "offline": 1, "slow": 1, "retried": 0, "marked": 0}


# Words


def send(token: str, body: Any, **headers: str) -> None:
    address = reverse("participant_responses", args=[token])
    data = body if isinstance(body, str) else json.dumps(body)
    Client().post(address, data, content_type="application/json", headers=headers)


def test_every_refused_post_is_counted_under_the_words_that_fit() -> None:
    study = make_study()
    joined, other = services.join(study=study), services.join(study=study).participant
    first, second = joined.participant.trials.order_by("index")[:2]
    answer = answer_to(first)
    send(joined.token, answer)
    send(joined.token, answer)
    send(joined.token, {**answer, "rt_ms": 1.0})
    send(joined.token, answer_to(first))
    send(joined.token, answer_to(second), Origin="https://evil.org")
    send(joined.token, "no JSON")
    send(joined.token, answer_to(second, rt_ms="long"))
    send(joined.token, answer_to(second, images=["0" * 64]))
    send(joined.token, answer_to(other.trials.get(index=0)))
    send(joined.token, answer_to(second, trial_id="p-0-t000"))
    pause(study=study, by=None)
    send(joined.token, answer_to(second))
    services.withdraw(participant=joined.participant)
    send(joined.token, answer_to(second))
    catch_up(study)
    # Withdrawing erased which field it was that could not be read.
    assert sum(Progress.objects.get(participant=joined.participant).refused.values()) == 10


def test_reasons_of_refused_posts_are_told_apart() -> None:
    study = make_study(on_withdrawal="keep")
    joined, other = services.join(study=study), services.join(study=study).participant
    first, second = joined.participant.trials.order_by("index")[:2]
    answer = answer_to(first)
    posts = {
        None: [answer, answer],
        "altered": [{**answer, "rt_ms": 1.0}],
        "duplicate": [answer_to(first)],
        "unreadable": ["no JSON", answer_to(second, rt_ms="long"), answer_to(second, chosen="left")],
        "other_images": [answer_to(second, images=["0" * 64])],
        "not_theirs": [answer_to(other.trials.get(index=0))],
        "unknown": [answer_to(second, trial_id="p-0-t000")],
    }
    for bodies in posts.values():
        for body in bodies:
            send(joined.token, body)
    send(joined.token, answer_to(second), Origin="https://evil.org")
    pause(study=study, by=None)
    send(joined.token, answer_to(second))
    open_study(study=Study.objects.get(pk=study.pk), by=None)
    services.withdraw(participant=joined.participant)
    send(joined.token, answer_to(second))
    expected = {code: len(bodies) for code, bodies in posts.items() if code}
    expected |= {"origin": 1, "closed": 1, "stopped": 1}
    assert set(expected) == set(POSTS)
    numbers = monitor(study)["refused_posts"]
    assert {row["why"]: row["count"] for row in numbers["reasons"]} == {
        POSTS[code].what: count for code, count in expected.items()
    }
    assert numbers["last"][0]["why"] == POSTS["stopped"].what
    assert numbers["last"][0]["name"] == joined.participant.name
    assert numbers["last"] == sorted(numbers["last"], key=lambda row: row["at"], reverse=True)


def arrive(study: Study, query: str = "", *, agreed: str = "yes", **form: str) -> Any:
    browser = Client(REMOTE_ADDR=form.pop("address", "192.0.2.1"))
    headers = {"Origin": form.pop("origin")} if "origin" in form else {}
    page = browser.get(study.join_path + query)
    fields = {"begin_token": page.context["begin_token"], "agreed": agreed, **form}
    return browser.post(study.join_path + query, fields, headers=headers)


def test_every_reason_for_not_letting_somebody_in_has_words() -> None:
    study = make_study(participants_planned=4, n_lists=4, joins_per_minute=5)
    study = recruit_by(study, "prolific", settings={"study_id": "abc"}, pay={"finished": "2.00"})
    services.join(study=study, recruit=Recruit("prolific", "5f0a", {}))
    arrive(study, "?PROLIFIC_PID={{%PROLIFIC_PID%}}&STUDY_ID={{%STUDY_ID%}}")
    arrive(study, "?PROLIFIC_PID=5f0b&STUDY_ID=other")
    arrive(study, "?id=<script>")
    arrive(study, "?PROLIFIC_PID=5f0a&STUDY_ID=abc")
    arrive(study, "?PROLIFIC_PID=5f0a&STUDY_ID=abc", resume_code="ABCDEFGH", address="192.0.2.2")
    arrive(study, other("1"), agreed="no", address="192.0.2.3")
    arrive(study, other("2"), decline="yes", address="192.0.2.3")
    arrive(study, other("3"), begin_token="forged", address="192.0.2.4")
    arrive(study, other("4"), origin="https://evil.org", address="192.0.2.5")
    for number in range(5):  # three join, then it is full
        arrive(study, other(f"a{number}"), address="192.0.2.9" if number < 3 else "192.0.2.10")
    for number in range(6):
        arrive(study, other(f"b{number}"), address="192.0.2.11")
    Study.objects.filter(pk=study.pk).update(joins_per_minute=60)
    recruit_by(study, "prolific", budget="1.00")
    arrive(study, other("c"))
    pause(study=study, by=None)
    arrive(study, other("d"))
    close(study=Study.objects.get(pk=study.pk), by=None)
    arrive(study, other("e"))
    rows = {row["why"]: row["count"] for row in monitor(study)["refused_arrivals"]}
    assert set(rows) == {words.what for code, words in ARRIVALS.items() if code}
    assert rows["A panel's link with unfilled placeholders"] == 1
    assert rows["The study had all its participants"] + rows[ARRIVALS["too_many"].what] == 8


def other(name: str) -> str:
    """The link of one more person of the panel."""
    return f"?PROLIFIC_PID={name}&STUDY_ID=abc"


def test_a_refusal_of_before_reasons_were_noted_is_counted_too() -> None:
    study = make_study()
    study.arrivals.create(address_digest="0" * 64, at=timezone.now(), refusal="consent: was not given")
    assert monitor(study)["refused_arrivals"][0]["why"] == ARRIVALS[""].what


# Pages


def test_the_page_and_its_parts_show_the_same_and_nothing_by_condition(staff_client: Any) -> None:
    study = make_study()
    person = services.join(study=study).participant
    answer_all(person)
    refuse(person, answer_to(person.trials.get(index=0), trial_id="nobody's"))
    page = staff_client.get(reverse("admin:ratings_monitor", args=[study.pk])).content.decode()
    parts = staff_client.get(reverse("admin:ratings_monitor_live", args=[study.pk])).content.decode()
    for text in (page, parts):
        assert text.count("data-part=") == 12
        assert "To a trial that does not exist" in text
        assert reverse("admin:ratings_new_device", args=[person.pk]) in text
    for name in (*TARGETS, *TARGETS.values(), "urgen"):
        assert name not in parts
    numbers = staff_client.get(reverse("admin:ratings_monitor_numbers", args=[study.pk])).json()
    assert not {*TARGETS, *TARGETS.values()} & set(json.dumps(numbers).replace('"', " ").split())


def test_letting_in_and_responses_are_offered_to_those_who_may(client: Client) -> None:
    from django.contrib.auth.models import Permission

    study = make_study()
    person = services.join(study=study).participant
    looker = User.objects.create_user("looker", password="a long enough password", is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_participant"))
    client.force_login(looker)
    page = client.get(reverse("admin:ratings_monitor", args=[study.pk])).content.decode()
    assert person.name in page
    assert reverse("admin:ratings_new_device", args=[person.pk]) not in page
    assert reverse("admin:ratings_response_changelist") not in page
    assert "Simulated participants" not in page
