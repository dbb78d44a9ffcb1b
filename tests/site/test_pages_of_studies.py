"""Pages without images on the site: answers, what browsers are told, branching, checks, exports."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from almond.errors import InputError
from almond.exchange.schema import table_schemas
from jobs.services import enqueue, run_now
from ratings import services
from ratings.models import Participant, Response
from ratings.services.presentation import visit_of
from ratings.services.refusals import Malformed, NotNow
from ratings.services.verifying import verify_study
from ratings.services.visits.branching import standing
from ratings.services.visits.checks import check_verdict
from studies.models import Study
from studies.services.copying import duplicate
from studies.services.plans import NotReady, build_plan
from studies.services.visit import previewed
from tests.site.paged_study import PAGES, RIGHT, SECRET, WRONG, make_paged_study, post

pytestmark = pytest.mark.django_db

CORRECT = "how threatening a picture is"


def joined(**settings: Any) -> tuple[Participant, str]:
    entered = services.join(study=make_paged_study(**settings))
    return entered.participant, entered.token


def test_every_page_is_answered_and_counted() -> None:
    participant, _ = joined()
    assert [row.kind for row in participant.trials.order_by("index")] == [
        *("instruction", "instruction", "form", "comprehension_check", "comprehension_check"),
        *("practice", "practice", "rating", "rating", "attention_check", "break", "questionnaire"),
    ]
    for index in (0, 1, 2, 3, 5, 6, 7, 8, 9, 10):
        assert post(participant, index).outcome == "stored"
    with pytest.raises(NotNow, match="1 of 11 are not answered yet"):
        services.finish(participant=participant)
    post(participant, 11)
    assert services.finish(participant=participant).status == "finished"
    # The second attempt was not asked, and so no answer came before its turn.
    assert all("out_of_order" not in row.marks for row in Response.objects.all())
    assert list(verify_study(participant.study)) == []


@pytest.mark.parametrize(
    ("index", "values", "said"),
    [
        (2, {"age": 17, "gender": "man"}, r"values\.age: is not from 18 to 99"),
        (2, {"age": 20, "gender": "x", "name": "Jo"}, r"values\.name: is no field of this form"),
        (3, {"1": "everything"}, r"values\.1: is none of"),
        (5, {"threat": 40}, r"values\.urgency: is missing"),
        (9, {"answer": "rather agree"}, r"values\.answer: is none of"),
        (10, {"rested": True}, r"values: unknown setting"),
        (11, {**RIGHT["traits"], "3": 0}, r"values\.3: is 0 \(expected 1 to 5\)"),
    ],
)
def test_an_answer_that_does_not_fit_its_page_is_refused(
    index: int, values: dict[str, Any], said: str
) -> None:
    participant, _ = joined()
    with pytest.raises(Malformed, match=said):
        post(participant, index, values)
    assert not Response.objects.exists()


# -- correct answers stay on the server


def told(text: str) -> list[str]:
    """Return each place in a text that tells which answer is correct."""
    without_options = re.sub(r'"options": ?\[[^\]]*\]', "", text)
    marks = re.findall(r"\*\s*" + CORRECT, text) + re.findall(r'"(?:correct|passed|attempts)"', text)
    # The explicit instruction names the answer once; anywhere else it would be the key.
    return marks + re.findall(SECRET, without_options)[1:]


def pages_of(token: str) -> dict[str, str]:
    client = Client()
    addresses = {name: reverse(f"participant_{name}", args=[token]) for name in ("study", "state", "done")}
    return {name: client.get(address, follow=True).content.decode() for name, address in addresses.items()}


def test_no_page_and_no_reply_tells_a_correct_answer_before_it_was_given(staff_client: Any) -> None:
    participant, token = joined(attentive={"end_if": "attentive.passed = no"})
    study = participant.study
    texts: dict[str, str] = {}
    for index in (0, 1, 2):
        texts |= {f"{name} {index}": text for name, text in pages_of(token).items()}
        texts[f"reply {index}"] = json.dumps(post(participant, index).to_json())
    # A refused answer and an answer of the wrong shape say what may be chosen, not what is right.
    client = Client()
    trial = participant.trials.get(index=9)
    for values in ({"answer": "x"}, {}, {"correct": "x"}):
        body = {"response_id": "x", "trial_id": trial.name, "rt_ms": 1, "images": [], "values": values}
        address = reverse("participant_responses", args=[token])
        reply = client.post(address, json.dumps(body), content_type="application/json")
        texts[f"refusal {values}"] = reply.content.decode()
    texts["wrong attempt"] = json.dumps(post(participant, 3, WRONG["understood"]).to_json())
    texts |= {f"{name} after": text for name, text in pages_of(token).items()}
    texts["join"] = Client().get(study.join_path).content.decode()
    texts["preview"] = staff_client.get(
        reverse("admin:studies_study_preview", args=[study.pk])
    ).content.decode()
    texts["visit"] = json.dumps(visit_of(participant).to_json())
    assert {name: told(text) for name, text in texts.items() if told(text)} == {}
    assert all(SECRET in texts[name] for name in ("study 0", "state 0", "preview", "visit"))


def test_the_test_of_secrets_would_see_one() -> None:
    assert told('{"correct": "a"}') == ['"correct"']
    assert told(f"{SECRET} and {SECRET}") == [SECRET]
    assert told(f"a | *{CORRECT}") == [f"*{CORRECT}"]


# -- branching


def test_a_second_attempt_is_asked_of_whoever_needs_it() -> None:
    participant, token = joined()
    for index in (0, 1, 2):
        post(participant, index)
    post(participant, 3, WRONG["understood"])
    assert standing(participant).skipped == frozenset()
    state = json.loads(pages_of(token)["state"])
    assert "skipped" not in state
    assert [block.get("waits", "") for block in state["blocks"]][2] == "each"
    post(participant, 4)
    post(participant, 5)
    assert Response.objects.latest("pk").marks == []


def test_the_server_says_what_is_skipped_after_an_answer() -> None:
    participant, token = joined(rest={"only_if": "people.gender = man"})
    post(participant, 0), post(participant, 1)
    assert "skipped" not in json.loads(pages_of(token)["state"])
    post(participant, 2)
    assert json.loads(pages_of(token)["state"])["skipped"] == [10]
    post(participant, 3)
    assert json.loads(pages_of(token)["state"])["skipped"] == [4, 10]


def test_an_ended_visit_asks_nothing_more_and_can_finish() -> None:
    participant, token = joined(understood={"end_if": "understood.passed = no"})
    for index in (0, 1, 2):
        post(participant, index)
    post(participant, 3, WRONG["understood"])
    with pytest.raises(NotNow):
        services.finish(participant=participant)
    post(participant, 4, WRONG["understood"])
    now = standing(participant)
    assert (now.ended_by, now.skipped) == ("understood", frozenset(range(5, 12)))
    assert json.loads(pages_of(token)["state"])["skipped"] == list(range(5, 12))
    ended = services.finish(participant=participant)
    assert ended.status == Participant.Status.SCREENED_OUT
    assert ended.screened_for == "the plan ends the visit behind “understood”"
    row = services.export_tables(participant.study)["participants"][0]
    assert (row["trials_planned"], row["trials_done"], row["trials_skipped"]) == (12, 5, 7)
    assert row["ended_by"] == "understood"


def test_answers_before_their_turn_are_still_marked() -> None:
    participant, _ = joined(rest={"only_if": "people.gender = man"})
    post(participant, 2)
    assert Response.objects.get().marks == ["out_of_order"]


def test_a_study_that_does_not_branch_has_no_columns_of_it() -> None:
    participant, _ = joined(names=("welcome", "ratings"))
    post(participant, 0)
    row = services.export_tables(participant.study)["participants"][0]
    assert "trials_skipped" not in row
    assert "ended_by" not in row


def test_the_preview_shows_one_attempt() -> None:
    study = make_paged_study(state="draft")
    visit = previewed(study, build_plan(study))
    assert [visit.trials[place].block for place in visit.skipped] == ["understood"]


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("rest", {"only_if": "people.sex = man"}, "asks about 'sex' of block 'people'; it has gender"),
        ("people", {"fields": "age: number"}, "line 1: a number needs its range"),
        ("trying", {"of": "nothing"}, "practises 'nothing', which is no block of this study"),
        ("trying", {"of": "people"}, "practises 'people', which is no block of this study that shows"),
        ("welcome", {"text": ""}, "text: is empty"),
    ],
)
def test_what_is_wrong_with_a_page_is_in_the_way_of_freezing(
    name: str, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(NotReady, match=said):
        build_plan(make_paged_study(tuple(PAGES), state="draft", **{name: changes}))


# -- checks


def test_the_verdict_stands_on_the_participants_page(client: Client) -> None:
    participant, _ = joined()
    User.objects.create_superuser("chief", "chief@example.org", "a long enough password")
    client.login(username="chief", password="a long enough password")
    for index in range(3):
        post(participant, index)
    post(participant, 3, WRONG["understood"])
    verdict = check_verdict(participant)
    assert verdict is not None
    assert verdict.passed
    post(participant, 4, WRONG["understood"])
    post(participant, 9, WRONG["attentive"])
    verdict = check_verdict(participant)
    assert verdict is not None
    assert (verdict.failed_attention, verdict.failed_comprehension) == (("attentive",), ("understood",))
    assert verdict.inattentive is (verdict.minutes < 5)
    page = client.get(reverse("admin:ratings_participant_change", args=[participant.pk])).content.decode()
    assert "Failed 1 of 1 attention check (attentive)" in page
    assert "Failed the comprehension check “understood”" in page


def test_a_study_without_checks_has_no_verdict() -> None:
    participant, _ = joined(names=("welcome", "ratings"))
    assert check_verdict(participant) is None


# -- export


def test_an_export_tells_the_pages_and_no_name(tmp_path: Path) -> None:
    participant, _ = joined()
    for index in (0, 1, 2, 3, *range(5, 12)):
        post(participant, index)
    services.finish(participant=participant)
    tables = services.export_tables(participant.study)
    assert set(table_schemas(participant.study.frozen_plan.kinds)) - set(tables) == {"stimuli"}
    answers = {row["field"]: row["answer"] for row in tables["forms"]}
    assert answers == {"age": "34", "gender": "woman", "comment": ""}
    assert [row["withheld"] for row in tables["forms"]] == [0, 0, 1]
    assert "Jo Doe" not in json.dumps(tables, default=str)
    assert [row["page"] for row in tables["instructions"]] == [1, 2]
    assert {row["scale_sum"] for row in tables["questionnaires"]} == {5 * 4 + 5 * 2}
    assert [(row["practised"], json.loads(row["answer"])) for row in tables["practice"]] == [
        ("ratings", RIGHT["trying"])
    ] * 2
    assert {row["block"] for row in tables["ratings"]} == {"ratings"}
    done = tables["participants"][0]
    assert (done["trials_done"], done["trials_skipped"]) == (11, 1)


def test_simulated_participants_answer_every_page() -> None:
    from studies.services.rehearsing import rehearse

    study = rehearse(study=make_paged_study(), by=None)
    arguments = {"study": study.pk, "participants": 3, "seed": 1}
    job = run_now(enqueue(kind="ratings.simulate", arguments=arguments, by=None))
    assert job.state == "done", job.traceback
    people = Participant.objects.filter(study=study)
    assert people.count() == 3
    assert all(person.is_done for person in people)
    assert {row["participant_id"] for row in services.export_tables(study)["forms"]} == {
        person.name for person in people
    }


def test_a_copy_has_the_settings_of_every_block() -> None:
    study = make_paged_study(rest={"only_if": "people.gender = man"})
    copy = duplicate(study=study, by=None)
    assert {row.name: row.settings for row in copy.blocks.all()} == {
        name: own | ({"only_if": "people.gender = man"} if name == "rest" else {})
        for name, (_, own) in PAGES.items()
    }


@pytest.mark.parametrize(("language", "instrument"), [("de", "ipip_anxiety"), ("en", "mini_ipip_de")])
def test_an_instrument_in_another_language_is_in_the_way(language: str, instrument: str) -> None:
    study = make_paged_study(("traits",), state=Study.State.DRAFT, traits={"instrument": instrument})
    Study.objects.filter(pk=study.pk).update(language=language, consent="…", debriefing="…")
    study.refresh_from_db()
    with pytest.raises(InputError) as caught:
        build_plan(study)
    said = str(caught.value)
    assert "block 'traits': asks an instrument in" in said
    study.blocks.update(settings={"instrument": {"de": "ipip_anxiety_de", "en": "mini_ipip"}[language]})
    plan = build_plan(study)
    assert plan.blocks[0].questionnaire.language == language
