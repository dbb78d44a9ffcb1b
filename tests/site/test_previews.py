"""A study that is tried out: participants' pages and checks by a link that ends, and nothing is stored."""

from __future__ import annotations

import json
import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent
from almond.errors import InputError
from ratings.models import EndPage
from ratings.services.previewing import links
from ratings.services.previewing.links import make_preview_link, preview_languages
from ratings.services.previewing.visits import PreviewedVisit
from studies.models import Study
from tests.site.paged_study import RIGHT, make_paged_study
from tests.site.small_study import make_study
from tests.site.test_information import translate_constructs

pytestmark = pytest.mark.django_db
SITE = "http://testserver"


def counts() -> dict[str, int]:
    return {model._meta.label: model._base_manager.count() for model in apps.get_models()}


def key_of(study: Study, number: int = 0, language: str = "en", hours: int = 1) -> str:
    return make_preview_link(study=study, number=number, language=language, hours=hours, by=None)


class Tried:
    """A browser that tries a study: it holds the answers."""

    def __init__(self, key: str) -> None:
        self.client, self.key = Client(), key
        self.answers: list[dict[str, Any]] = []

    def get(self, name: str, *more: str) -> Any:
        return self.client.get(reverse(f"preview_{name}", args=[self.key, *more]))

    def post(self, name: str, posted: dict[str, Any] | None = None) -> Any:
        body = {"posted": posted or {}, "answers": self.answers, "began": timezone.now().timestamp() - 60}
        address = reverse(f"preview_{name}", args=[self.key])
        return self.client.post(address, json.dumps(body), content_type="application/json")

    def answer(self, trial: Any, **fields: Any) -> Any:
        body = {
            "response_id": str(uuid.uuid4()),
            "trial_id": trial.name,
            "rt_ms": 900.0,
            "images": trial.digests,
            **fields,
        }
        reply = self.post("responses", body)
        if reply.status_code == 200:
            self.answers.append({**body, "received_at": reply.json()["kept"]["received_at"]})
        return reply


def visit_of(key: str) -> PreviewedVisit:
    link = links.read_preview_link(key)
    return PreviewedVisit(link.study, link.list, link.language)


@pytest.mark.parametrize("state", [Study.State.DRAFT, Study.State.FROZEN, Study.State.CLOSED])
def test_a_whole_visit_stores_nothing_and_shows_what_would_be(state: str) -> None:
    names = ("welcome", "people", "ratings")
    study = make_paged_study(names, state=state, people={"end_if": "people.gender = man"})
    before = counts()
    key = key_of(study)
    assert AuditEvent.objects.filter(verb="make a preview link").count() == 1
    here = Tried(key)
    host = here.client.get(reverse("preview", args=[key]))
    assert b"Preview: nothing is stored" in host.content
    assert host.headers["X-Frame-Options"] == "DENY"
    page = here.get("consent")
    assert page.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert study.consent.split(".")[0] in page.content.decode()
    begun = here.client.post(reverse("preview_consent", args=[key]), {"agreed": "yes"})
    taken = here.client.get(begun.url)
    assert b"js/preview.js" in taken.content
    for trial in visit_of(key).trials:
        values = RIGHT.get(trial.block)
        reply = here.answer(trial, **({"values": values} if values else {}))
        assert reply.status_code == 200, reply.json()
    tables = {table["name"]: table for table in reply.json()["tables"]}
    assert {"forms", "ratings", "participants"} <= set(tables)
    names = [name for name, _ in tables["ratings"]["columns"]]
    rows = [dict(zip(names, row, strict=True)) for row in tables["ratings"]["rows"]]
    assert {(row["construct"], row["value"]) for row in rows} == {("threat", "40"), ("urgency", "60")}
    assert [row["block"] for row in rows] == ["ratings"] * 4
    assert "Jo Doe" not in json.dumps(tables["forms"])  # it would not leave with an export
    assert here.post("finish").json()["finished"]
    end = here.client.get(here.get("done").url)
    assert "You have finished" in end.content.decode()
    assert here.get("take").url == reverse("preview_end", args=[key, "finished"])
    after = counts()
    after["accounts.AuditEvent"] -= 1
    assert after == before


def test_branching_and_checks_work_as_in_a_visit() -> None:
    study = make_paged_study(("people", "understood", "ratings"), people={"end_if": "people.gender = man"})
    here = Tried(key_of(study))
    trials = visit_of(here.key).trials
    assert here.post("finish").json()["reason"] == "unfinished"
    wrong = here.answer(trials[0], values={"age": 34, "gender": "robot"})
    assert wrong.status_code == 400
    assert wrong.json()["error"]["field"] == "values.gender"
    here.answer(trials[0], values={"age": 34, "gender": "man"})
    assert here.post("state").json()["skipped"] == [1, 2, 3, 4]
    here.post("finish")
    assert here.get("take").url == reverse("preview_end", args=[here.key, "screened_out"])


def test_every_end_page_is_shown_and_sends_nobody_away() -> None:
    study = make_study()
    EndPage.objects.create(study=study, outcome="finished", link="https://panel.example/back?cc={code}")
    here = Tried(key_of(study))
    for outcome in ("finished", "screened_out", "declined", "timed_out", "closed", "withdrawn"):
        assert here.get("end", outcome).status_code == 200
    page = here.get("end", "finished").content.decode()
    assert "https://panel.example/back?cc=PREVIEW" in page
    assert "way_back.js" not in page
    assert 'href="https://panel' not in page


def test_a_link_that_was_changed_or_is_over_is_a_plain_page(monkeypatch: Any) -> None:
    study = make_study()
    key = key_of(study)
    names = ("consent", "take", "done")
    for name in names:
        page = Client().get(
            reverse(f"preview_{name}", args=[key[:-2] + ("aa" if key[-2:] != "aa" else "bb")])
        )
        assert page.status_code == 404
        assert b"This link is not valid" in page.content
        assert b"stimuli/" not in page.content
    now = timezone.now()
    monkeypatch.setattr(links.timezone, "now", lambda: now + timedelta(hours=2))
    for name in names:
        page = Client().get(reverse(f"preview_{name}", args=[key]))
        assert page.status_code == 410
        assert b"This preview is over" in page.content
    reply = Tried(key).post("state")
    assert reply.status_code == 403
    assert reply.json()["reason"] == "preview_over"


def test_a_link_names_the_images_of_its_study_alone() -> None:
    study = make_study()
    key = key_of(study)
    own = {stimulus["sha256"] for stimulus in study.plan["stimuli"]}
    shown = {digest for trial in visit_of(key).trials for digest in trial.digests}
    assert shown
    assert shown <= own
    page = Tried(key).get("end", "finished")
    assert not re.search(rb"stimuli/[0-9a-f]{64}", page.content)


def test_a_list_of_a_frozen_study_is_the_one_that_was_dealt() -> None:
    study = make_study()
    for row in study.lists.all():
        trials = visit_of(key_of(study, row.number)).trials
        assert [trial.planned for trial in trials] == row.trials


def test_languages_are_those_that_have_all_words() -> None:
    study = make_study(state=Study.State.DRAFT)
    assert preview_languages(study) == ["en"]
    translate_constructs()
    assert preview_languages(study) == ["en", "de"]
    page = Tried(key_of(study, language="de")).get("consent").content.decode()
    assert '<html lang="de"' in page
    assert "Eine Kopie dieser Seite aufbewahren" in page
    with pytest.raises(InputError, match="lifetime"):
        key_of(study, hours=1000)
    with pytest.raises(InputError, match="list"):
        key_of(study, number=99)


def test_only_who_may_see_studies_makes_links(staff_client: Any) -> None:
    study = make_study()
    address = reverse("admin:ratings_preview", args=[study.pk])
    page = staff_client.get(address)
    assert b"Make the link and open it" in page.content
    made = staff_client.post(address, {"number": 1, "language": "en", "frame": "phone", "hours": 24})
    assert made.status_code == 302
    assert b"390" in Client().get(made.url).content
    assert Client().get(address).status_code == 302


def test_an_answer_to_an_earlier_design_is_refused() -> None:
    study = make_study(state=Study.State.DRAFT)
    here = Tried(key_of(study))
    trial = visit_of(here.key).trials[0]
    here.answer(trial, values={"threat": 1, "urgency": 2})
    Study.objects.filter(pk=study.pk).update(seed=99)
    assert here.post("state").json()["reason"] == "unknown"
