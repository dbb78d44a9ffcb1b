"""What participants' browsers may send: nothing is acknowledged unless it is stored, nothing lost by a no."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from almond.errors import InputError
from ratings import services
from ratings.models import Arrival, Attempt, Event, Participant, Response
from ratings.services import Joined, Recruit
from ratings.services.arriving import resume_code
from ratings.services.refusals import NotNow
from studies.models import Study
from studies.services import close
from tests.site.recruited_study import recruit_by
from tests.site.small_study import answer_all, answer_to, make_study

pytestmark = pytest.mark.django_db


def at(name: str, token: str) -> str:
    return reverse(f"participant_{name}", args=[token])


def post(client: Client, address: str, body: Any, **headers: str) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(address, data, content_type="application/json", headers=headers)


@pytest.fixture
def joined(db: None) -> Joined:
    return services.join(study=make_study())


def first_answer(joined: Joined, **changes: Any) -> dict[str, Any]:
    return answer_to(joined.participant.trials.get(index=0), **changes)


def event(**changes: Any) -> dict[str, Any]:
    return {"event_id": str(uuid.uuid4()), "kind": "blur", "page_ms": 1.0, "detail": {}, **changes}


# Which pages are ours


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://lab.example.org", 200),
        ("https://part.lab.example.org", 200),
        ("http://testserver", 200),
        ("http://lab.example.org", 403),
        ("https://lab.example.org.evil.org", 403),
        ("https://evil.org", 403),
        ("null", 403),
    ],
)
def test_a_proxy_that_hides_the_name_costs_no_answer(
    client: Client, joined: Joined, settings: Any, origin: str, status: int
) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://lab.example.org", "https://*.lab.example.org"]
    headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
    reply = post(client, at("responses", joined.token), first_answer(joined), **headers)
    assert reply.status_code == status
    assert Response.objects.count() == (status == 200)
    assert [row.outcome for row in Attempt.objects.all()] == ["stored" if status == 200 else "refused"]
    if status == 403:
        assert reply.json()["reason"] == "origin"
        assert "(expected" not in reply.json()["say"]


def test_the_check_for_deployment_names_an_origin_that_is_no_host(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["lab.example.org"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://lab.example.org", "https://other.example.org"]
    ours = [found for found in run_checks(include_deployment_checks=True) if found.id == "almond.W001"]
    assert len(ours) == 1
    assert "https://other.example.org" in ours[0].msg


# Closing


def test_who_is_inside_may_finish_for_a_while_after_the_end(client: Client, joined: Joined) -> None:
    study = joined.participant.study
    Study.objects.filter(pk=study.pk).update(grace_minutes=30)
    recruit_by(study, codes={"closed": "PART-7"})
    close(study=study, by=None)
    with pytest.raises(NotNow, match="is closed"):
        services.join(study=study)
    answer_all(joined.participant)
    assert services.finish(participant=joined.participant).status == Participant.Status.FINISHED


def test_after_that_the_page_says_so_and_gives_the_code_for_a_part(client: Client, joined: Joined) -> None:
    study = joined.participant.study
    Study.objects.filter(pk=study.pk).update(grace_minutes=30)
    recruit_by(study, codes={"closed": "PART-7"})
    close(study=study, by=None)
    Study.objects.filter(pk=study.pk).update(closed_at=timezone.now() - timedelta(minutes=31))
    refused = post(client, at("responses", joined.token), first_answer(joined))
    assert (refused.status_code, refused.json()["reason"]) == (409, "ended")
    page = client.get(at("study", joined.token)).content.decode()
    assert "This study has ended" in page
    assert "PART-7" in page
    assert client.get(at("state", joined.token)).json()["live"] is False


def test_the_time_to_finish_is_the_time_out_unless_given() -> None:
    study = close(study=make_study(timeout_minutes=45), by=None)
    assert study.closed_at is not None
    assert study.ends_at == study.closed_at + timedelta(minutes=45)


# Events


def test_events_are_never_acknowledged_without_being_stored(client: Client, joined: Joined) -> None:
    body = json.dumps({"events": [event(), event(detail={"x": "HERE"}), event()]})
    refused = post(client, at("events", joined.token), body.replace('"HERE"', "1e999").encode())
    assert refused.status_code == 400
    assert refused.json()["error"]["field"] == "events[1].detail.x"
    assert refused.json()["reason"] == "malformed"
    assert not Event.objects.exists()


def test_an_event_sent_again_is_counted_as_stored_and_stored_once(client: Client, joined: Joined) -> None:
    batch = [event(), event()]
    for events in (batch, [*batch, event()], [batch[0], batch[0]]):
        reply = post(client, at("events", joined.token), {"events": events})
        assert reply.json() == {"acknowledged": True, "events": len({row["event_id"] for row in events})}
    assert Event.objects.count() == 3


def test_events_and_attempts_beyond_the_limit_are_counted_only(client: Client, joined: Joined) -> None:
    Study.objects.update(most_events=100, most_attempts=100)
    for _ in range(3):
        reply = post(client, at("events", joined.token), {"events": [event() for _ in range(60)]})
    assert reply.json() == {"acknowledged": True, "events": 0}
    body = first_answer(joined)
    for _ in range(103):
        assert post(client, at("responses", joined.token), body).status_code == 200
    person = Participant.objects.get()
    assert (Event.objects.count(), person.events_over) == (100, 80)
    assert (Attempt.objects.count(), person.attempts_over) == (100, 3)
    assert Response.objects.count() == 1


# Plausibility


def marks(participant: Participant, index: int, **changes: Any) -> list[str]:
    trial = participant.trials.get(index=index)
    body = answer_to(trial, **changes)
    return list(services.record_response(participant=participant, body=body).response.marks)


def test_what_is_implausible_is_stored_and_marked(joined: Joined) -> None:
    person = joined.participant
    assert marks(person, 3, rt_ms=86_400_000) == ["too_long", "out_of_order"]
    assert marks(person, 0, rt_ms=0) == ["too_fast"]
    Participant.objects.update(consented_at=timezone.now() - timedelta(minutes=5))
    assert marks(Participant.objects.get(), 1, rt_ms=100) == []
    assert marks(Participant.objects.get(), 4, rt_ms=1000) == ["out_of_order"]


def test_a_laptop_that_slept_for_days_loses_nothing(joined: Joined) -> None:
    assert marks(joined.participant, 0, rt_ms=3 * 86_400_000) == ["too_long"]


@pytest.mark.parametrize(
    "changes", [{"rt_ms": 1}, {"values": {"nonsense": -5}}, {"images": []}, {"chosen": "zzz"}]
)
def test_other_content_under_the_same_id_is_told_and_written_down(
    client: Client, joined: Joined, changes: dict[str, Any]
) -> None:
    body = first_answer(joined)
    same = [post(client, at("responses", joined.token), body) for _ in range(2)]
    other = post(client, at("responses", joined.token), {**body, **changes})
    assert [reply.json()["differs"] for reply in (*same, other)] == [False, False, True]
    assert other.json()["acknowledged"]
    assert [row.outcome for row in Attempt.objects.all()] == ["stored", "repeated", "altered"]
    assert Response.objects.get().rt_ms == body["rt_ms"]


# Joining


def begin_form(client: Client, address: str, **more: str) -> dict[str, str]:
    page = client.get(address)
    return {"begin_token": str(page.context["begin_token"]), "agreed": "yes", **more}


def test_two_consent_forms_of_one_browser_are_one_participant(client: Client) -> None:
    study = make_study()
    forms = [begin_form(client, study.join_path) for _ in range(2)]
    homes = [client.post(study.join_path, form)["Location"] for form in forms]
    assert homes[0] == homes[1]
    assert Participant.objects.count() == 1


def test_a_join_whose_answer_was_lost_leaves_no_ghost(client: Client) -> None:
    study = make_study()
    form = begin_form(client, study.join_path)
    cookies = dict(client.cookies)
    client.post(study.join_path, form)  # the answer, with its cookie, never arrives
    client.cookies.clear()
    client.cookies.update(cookies)
    page = client.get(study.join_path).content.decode()
    assert "Continue where you were" in page
    assert sum(study.lists.values_list("taken", flat=True)) == 1


@pytest.mark.parametrize(
    "query",
    [
        "?PROLIFIC_PID={{%PROLIFIC_PID%}}&STUDY_ID={{%STUDY_ID%}}",
        "?PROLIFIC_PID=%7B%7B%25PROLIFIC_PID%25%7D%7D",
        "?PROLIFIC_PID=5f0a&STUDY_ID=other",
        "?PROLIFIC_PID=5f0a",
        "?id=<script>",
    ],
)
def test_a_link_that_was_not_filled_in_lets_nobody_in_and_tells_the_monitor(
    client: Client, staff_client: Any, query: str
) -> None:
    study = recruit_by(make_study(), "prolific", settings={"study_id": "abc123"})
    address = study.join_path + query
    refused = client.post(address, begin_form(client, address))
    assert refused.status_code == 400
    assert "Please open the link from your invitation again" in refused.content.decode()
    assert not Participant.objects.exists()
    assert Arrival.objects.exclude(refusal="").count() == 1
    monitor = staff_client.get(reverse("admin:ratings_monitor", args=[study.pk])).content.decode()
    assert "not let in" in monitor


def test_ids_of_a_link_are_trimmed(client: Client) -> None:
    study = recruit_by(make_study(), "prolific", settings={"study_id": "abc123"})
    address = f"{study.join_path}?PROLIFIC_PID=%205f0a%20&STUDY_ID=abc123"
    assert client.post(address, begin_form(client, address)).status_code == 302
    person = Participant.objects.get()
    assert person.recruitment.id_digest == Recruit("prolific", "5f0a", {}).digest(person.study)


def test_a_known_id_goes_on_in_another_browser_with_its_code(client: Client) -> None:
    study = make_study()
    address = f"{study.join_path}?PROLIFIC_PID=5f0a"
    first = client.post(address, begin_form(client, address))["Location"]
    shown = client.get(first).content.decode()
    person = Participant.objects.get()
    assert resume_code(person) in shown
    other = Client()
    refused = other.post(address, begin_form(other, address))
    assert refused.status_code == 409
    assert "The code that was shown when you began" in refused.content.decode()
    wrong = other.post(address, begin_form(other, address, resume_code="ABCDEFGH"))
    assert wrong.status_code == 403
    assert other.get(first).status_code == 200
    right = other.post(address, begin_form(other, address, resume_code=resume_code(person).lower()))
    assert right.status_code == 302
    assert other.get(right["Location"]).status_code == 200
    assert client.get(first).status_code == 404  # the former browser's link has ended
    assert Participant.objects.count() == 1


def test_arrivals_from_one_address_are_limited_and_told_when_to_come_back(client: Client) -> None:
    study = make_study(joins_per_minute=2)
    for number in range(3):
        stranger = Client()
        reply = stranger.post(study.join_path, begin_form(stranger, study.join_path))
        assert reply.status_code == (302 if number < 2 else 429)
    assert 1 <= int(reply["Retry-After"]) <= 61
    elsewhere = Client(REMOTE_ADDR="192.0.2.7")
    assert elsewhere.post(study.join_path, begin_form(elsewhere, study.join_path)).status_code == 302
    assert not Arrival.objects.filter(address_digest__contains="127.0.0.1").exists()


def test_behind_a_proxy_that_is_named_the_address_is_the_visitors(settings: Any) -> None:
    settings.ALMOND_PROXIES = ["127.0.0.1"]
    study = make_study(joins_per_minute=1)
    for visitor, status in (("192.0.2.1", 302), ("192.0.2.2", 302), ("192.0.2.1", 429)):
        stranger = Client(headers={"X-Forwarded-For": f"10.9.9.9, {visitor}"})
        reply = stranger.post(study.join_path, begin_form(stranger, study.join_path))
        assert reply.status_code == status


# People and robots


def test_a_study_for_people_lets_no_simulated_participant_in() -> None:
    study = make_study()
    with pytest.raises(InputError, match=r"is for people.*a rehearsal"):
        services.join(study=study, kind=Participant.Kind.ROBOT)
    as_it_was_read = Study(pk=study.pk, rehearsal=True)
    with pytest.raises(InputError, match="is for people"):
        services.join(study=as_it_was_read, kind=Participant.Kind.ROBOT)
    assert not Participant.objects.exists()


def test_robots_take_no_slots_and_are_not_counted(staff_client: Any) -> None:
    study = make_study(participants_planned=4, n_lists=2, rehearsal=True)
    for _ in range(3):
        robot = services.join(study=study, kind=Participant.Kind.ROBOT).participant
        answer_all(robot)
        services.finish(participant=robot)
    for _ in range(4):
        services.join(study=study)
    numbers = staff_client.get(reverse("admin:ratings_monitor_numbers", args=[study.pk])).json()
    assert (numbers["started"], numbers["finished"], numbers["simulated"]) == (4, 0, 3)
    assert numbers["responses"] == 0
    assert [row["taken"] for row in numbers["lists"]] == [2, 2]
    assert sum(row["finished"] for row in numbers["lists"]) == 0


def test_a_recruited_person_is_not_let_in_twice_by_two_forms() -> None:
    study = make_study()
    services.join(study=study, recruit=Recruit("prolific", "5f0a", {}))
    with pytest.raises(NotNow, match="already takes part"):
        services.join(study=study, recruit=Recruit("prolific", "5f0a", {}))
    services.join(study=study, recruit=Recruit("link", "5f0a", {}))
    assert Participant.objects.count() == 2
