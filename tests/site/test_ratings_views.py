"""The participants' addresses: what a browser gets, and what it gets when something is wrong."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from benchmarks.visits import unpacked
from ratings import services
from ratings.models import Arrival, Attempt, Event, Participant, Response
from ratings.services import Joined, Recruit
from studies.models import Study
from studies.services import pause
from tests.site.small_study import answer_all, answer_to, make_study

pytestmark = pytest.mark.django_db


def at(name: str, token: str) -> str:
    return reverse(f"participant_{name}", args=[token])


def post_json(client: Client, address: str, body: Any, **headers: str) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(address, data, content_type="application/json", headers=headers)


@pytest.fixture
def joined(db: None) -> Joined:
    return services.join(study=make_study())


def first_answer(joined: Joined, **changes: Any) -> dict[str, Any]:
    return answer_to(joined.participant.trials.get(index=0), **changes)


def begin_token(page: Any) -> str:
    return str(page.context["begin_token"])


def test_from_consent_to_code(client: Client) -> None:
    study = make_study()
    address = f"{study.join_path}?PROLIFIC_PID=abc123&SESSION_ID=s1&other=x"
    page = client.get(address)
    assert "Taking part is voluntary" in page.content.decode()
    form = {"begin_token": begin_token(page), "agreed": "yes"}
    begun = client.post(address, form)
    participant = Participant.objects.get()
    recruit = Recruit("prolific", "abc123", {})
    assert participant.recruitment.id_digest == recruit.digest(participant.study)
    assert participant.recruitment.details == {}
    shell = client.get(begun["Location"])
    assert b'id="config"' in shell.content
    urls = shell.context["config"]["urls"]
    state = unpacked(client.get(urls["state"]).json())
    assert [trial["done"] for trial in state["trials"]] == [False] * 7
    assert {digest for trial in state["trials"] for digest in trial["images"]} == set(state["images"])
    image = client.get(next(iter(state["images"].values()))["url"])
    assert image.status_code == 200
    assert b"".join(image.streaming_content).startswith(b"\x89PNG")
    for trial in participant.trials.all():
        assert post_json(client, urls["responses"], answer_to(trial)).status_code == 200
    assert client.get(urls["state"]).json()["done"] == list(range(7))
    finished = post_json(client, urls["finish"], {})
    assert finished.json()["finished"]
    end = client.get(urls["study"], follow=True)
    assert finished.json()["completion_code"] in end.content.decode()
    assert "Your answers help to find out" in end.content.decode()


def test_a_form_posted_twice_makes_one_participant(client: Client) -> None:
    study = make_study()
    form = {"begin_token": begin_token(client.get(study.join_path)), "agreed": "yes"}
    first, second = (client.post(study.join_path, form) for _ in range(2))
    assert first["Location"] == second["Location"]
    assert Participant.objects.count() == 1


def test_who_comes_back_is_led_on(client: Client) -> None:
    study = make_study()
    form = {"begin_token": begin_token(client.get(study.join_path)), "agreed": "yes"}
    begun = client.post(study.join_path, form)
    again = client.get(study.join_path)
    assert f'href="{begun["Location"]}"' in again.content.decode()
    assert "I agree" not in again.content.decode()


def test_consent_must_be_given_and_the_form_be_ours(client: Client) -> None:
    study = make_study()
    token = begin_token(client.get(study.join_path))
    without = client.post(study.join_path, {"begin_token": token})
    assert without.status_code == 400
    assert "Please tick the box if you agree" in without.content.decode()
    forged = client.post(study.join_path, {"begin_token": "x" * 60, "agreed": "yes"})
    assert forged.status_code == 400
    long = client.post(f"{study.join_path}?PROLIFIC_PID={'x' * 101}", {"begin_token": token, "agreed": "yes"})
    assert long.status_code == 400
    assert "This link is not complete" in long.content.decode()
    assert "PROLIFIC_PID: is &#x27;xxx" not in long.content.decode()
    assert Arrival.objects.filter(refusal__startswith="PROLIFIC_PID: is 'xxx").count() == 1
    assert not Participant.objects.exists()


def test_consent_needs_no_cookie_but_a_page_of_ours() -> None:
    study = make_study()
    form = {"begin_token": begin_token(Client().get(study.join_path)), "agreed": "yes"}
    without_cookies = Client(enforce_csrf_checks=True)
    elsewhere = without_cookies.post(study.join_path, form, headers={"Origin": "https://elsewhere.example"})
    assert elsewhere.status_code == 403
    assert not Participant.objects.exists()
    assert without_cookies.post(study.join_path, form).status_code == 302


def test_answers_need_no_cookie_but_the_same_origin(joined: Joined) -> None:
    strict = Client(enforce_csrf_checks=True)
    address = at("responses", joined.token)
    for headers in (
        {"Origin": "https://elsewhere.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "null"},
    ):
        refused = post_json(strict, address, first_answer(joined), **headers)
        assert refused.status_code == 403
        assert refused.json()["error"]["field"] == "origin"
    assert not Response.objects.exists()
    kept = post_json(
        strict,
        address,
        first_answer(joined),
        **{"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"},
    )
    assert kept.status_code == 200


def test_a_draft_is_not_to_be_found_and_a_closed_study_says_so(client: Client) -> None:
    assert client.get(make_study(slug="draft", state=Study.State.DRAFT).join_path).status_code == 404
    closed = make_study(slug="closed", matched_set=Study.objects.get().matched_set, state=Study.State.CLOSED)
    page = client.get(closed.join_path)
    assert "This study has ended" in page.content.decode()
    refused = client.post(closed.join_path, {"begin_token": begin_token(page), "agreed": "yes"})
    assert refused.status_code == 409
    assert "(expected" not in refused.content.decode()
    refusal = Arrival.objects.exclude(refusal="").get(study=closed).refusal
    assert refusal.startswith("How scenes strike you: is closed")


def test_a_forged_token_finds_nobody(client: Client, joined: Joined) -> None:
    forged = joined.token[:-1] + ("A" if joined.token[-1] != "A" else "B")
    for name in ("study", "done"):
        page = client.get(at(name, forged))
        assert page.status_code == 404
        assert "This link is not valid" in page.content.decode()
    assert client.get(at("state", forged)).status_code == 403
    for name in ("responses", "events", "finish"):
        refused = post_json(client, at(name, forged), first_answer(joined))
        assert refused.status_code == 403
        assert refused.json()["error"]["field"] == "token"
    assert not Attempt.objects.exists()


def test_the_receipt_is_the_same_for_the_same_answer_and_names_what_was_kept(
    client: Client, joined: Joined
) -> None:
    body = first_answer(joined)
    address = at("responses", joined.token)
    first, again = (post_json(client, address, body) for _ in range(2))
    other = post_json(client, address, first_answer(joined))
    assert (first.status_code, again.status_code, other.status_code) == (200, 200, 409)
    assert first.json() == again.json()
    assert other.json()["acknowledged"]
    assert other.json()["kept"]["response_id"] == body["response_id"]
    assert Response.objects.count() == 1


def test_somebody_elses_trial_is_refused(client: Client, joined: Joined) -> None:
    other = services.join(study=joined.participant.study).participant
    refused = post_json(client, at("responses", joined.token), answer_to(other.trials.get(index=0)))
    assert refused.status_code == 403
    assert refused.json()["error"] == {
        "field": "trial_id",
        "problem": f"'{other.name}-t000' is somebody else's trial",
        "expected": "a trial of this participant",
    }


BODIES = {
    "no JSON": (b"{", "body", "is not JSON"),
    "a list": (b"[]", "body", "is []"),
    "not a number": (b'{"rt_ms": NaN}', "rt_ms", "is nan"),
    "too large a number": (b'{"detail": [1, {"x": 1e999}]}', "detail[1].x", "is inf"),
    "half a character": (b'{"response_id": "\\ud800"}', "body", "is not JSON"),
    "a zero": (b'{"response_id": "\\u0000"}', "body", "holds a zero character"),
    "no UTF-8": (b'{"response_id": "\xff"}', "body", "is not JSON"),
    "too deep": (b"[" * 60000, "body", "is not JSON"),
    "too large": (b" " * 65537, "body", "has 65537 bytes"),
}


@pytest.mark.parametrize("case", BODIES)
def test_a_body_that_cannot_be_read_is_refused_and_noted(client: Client, joined: Joined, case: str) -> None:
    body, field, problem = BODIES[case]
    refused = post_json(client, at("responses", joined.token), body)
    assert refused.status_code == 400
    assert refused.json()["error"]["field"] == field
    assert problem in refused.json()["error"]["problem"]
    assert Attempt.objects.get().outcome == Attempt.Outcome.REFUSED
    assert post_json(client, at("events", joined.token), body).status_code == 400
    assert not Response.objects.exists()


def test_a_negative_reaction_time_names_its_field(client: Client, joined: Joined) -> None:
    refused = post_json(client, at("responses", joined.token), first_answer(joined, rt_ms=-5))
    assert refused.status_code == 400
    assert refused.json()["error"] == {
        "field": "rt_ms",
        "problem": "is -5",
        "expected": "a number of at least 0",
    }


def test_answers_to_a_study_that_is_not_live_wait(client: Client, joined: Joined) -> None:
    pause(study=joined.participant.study, by=None)
    refused = post_json(client, at("responses", joined.token), first_answer(joined))
    assert refused.status_code == 409
    assert not refused.json()["acknowledged"]
    assert "is paused and takes no answers now" in refused.json()["message"]
    assert refused.json()["reason"] == "paused"


def test_no_code_before_the_end(client: Client, joined: Joined) -> None:
    refused = post_json(client, at("finish", joined.token), {})
    assert refused.status_code == 409
    assert refused.json()["message"].startswith("trials: 7 of 7 are not answered yet")
    assert client.get(at("done", joined.token))["Location"] == at("study", joined.token)


def test_events_are_kept(client: Client, joined: Joined) -> None:
    body = {"events": [{"event_id": str(uuid.uuid4()), "kind": "load", "page_ms": 3, "detail": {"done": 0}}]}
    assert post_json(client, at("events", joined.token), body).json() == {"acknowledged": True, "events": 1}
    assert Event.objects.get().detail == {"done": 0}


def test_stopping_is_a_form_and_ends_the_visit(client: Client, joined: Joined) -> None:
    page = client.post(at("withdraw", joined.token), follow=True)
    assert "You have stopped taking part" in page.content.decode()
    joined.participant.refresh_from_db()
    assert joined.participant.status == "withdrawn"


def test_reading_changes_nothing(client: Client, joined: Joined) -> None:
    answer_all(joined.participant)
    before = Participant.objects.values().get()
    for name in ("study", "state", "done"):
        client.get(at(name, joined.token))
        client.head(at(name, joined.token))
    for name in ("responses", "events", "finish", "withdraw"):
        assert client.get(at(name, joined.token)).status_code == 405
    assert Participant.objects.values().get() == before


def test_pages_of_a_participant_are_never_cached(client: Client, joined: Joined) -> None:
    for name in ("study", "state"):
        assert "no-store" in client.get(at(name, joined.token))["Cache-Control"]
