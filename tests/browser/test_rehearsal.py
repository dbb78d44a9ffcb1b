"""A rehearsal: robots go through the real pages, and what they mean is what is stored."""

from __future__ import annotations

import shutil
import uuid
from typing import Any

import pytest
from django.core import signing

from almond.design.trials import TRIAL_KINDS
from jobs.services import run_now
from ratings.models import Participant, Response
from ratings.services.recording import record_response
from ratings.services.rehearsals.robots import recruit_of, robot_arrives, salt_of, visit_of_robot
from ratings.services.rehearsals.starting import start_rehearsal
from studies.models import Rehearsal, Study
from studies.services import BlockSpec, create_study, open_study
from tests.browser.conftest import Visit
from tests.contracts.one_file_each import test_trial_kind as agreements
from tests.site.paged_study import PAGES
from tests.site.small_study import advance, make_constructs, make_matched_set
from tests.site.test_every_trial_kind import study_of_every_kind

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ASKED = {"people": 4, "pages": 2, "seed": 3, "studies": 0}


@pytest.fixture(autouse=True)
def quick_robots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Robots that hardly wait, where there is a browser."""
    monkeypatch.setattr("ratings.services.rehearsals.robots.LONGEST_PAUSE", 20.0)
    if shutil.which("chromium") is None:
        pytest.skip("needs Chromium on the path (Debian: apt-get install chromium)")


def study_of_several_kinds(**more: Any) -> Study:
    """Pages, practice, a check, a scale, choices: frozen, for people."""
    constructs = make_constructs()
    pages = ("welcome", "people", "understood", "trying", "attentive")
    blocks = [
        BlockSpec("rating", "ratings", constructs, 2),
        *(BlockSpec(PAGES[name][0], name, (), settings=PAGES[name][1]) for name in pages),
        BlockSpec("likert", "points", constructs, 2, settings={"points": 5}),
        BlockSpec("choice", "choices", constructs, 3, asked_of="own", settings={"confidence": 4}),
    ]
    blocks = [*blocks[1:5], blocks[0], *blocks[5:]]
    study = create_study(
        title="Several kinds",
        slug="several",
        participants_planned=6,
        n_lists=2,
        matched_set=make_matched_set(),
        unmatched_reason="Pairs of a test, made without matching.",
        blocks=blocks,
        by=None,
        **more,
    )
    return advance(study, Study.State.FROZEN)


def rehearsed(study: Study, **asked: Any) -> Rehearsal:
    row = start_rehearsal(study=study, asked={**ASKED, **asked}, by=None)
    assert row.job is not None
    job = run_now(row.job)
    assert job.state == "done", job.traceback or job.error
    return Rehearsal.objects.get(pk=row.pk)


def test_two_robots_go_through_the_pages_and_their_rows_are_as_planned() -> None:
    row = rehearsed(study_of_several_kinds())
    assert row.findings == []
    assert row.passed is True
    assert row.summary == "4 robots, 2 through the pages; all stored rows as planned"
    assert [(visit["window"], visit["end"]) for visit in row.result["pages"]] == [
        ("computer", "finished"),
        ("telephone", "finished"),
    ]
    robots = Participant.objects.filter(study=row.copy)
    assert {robot.kind for robot in robots} == {"robot"}
    assert all(check["differ"] == 0 and check["stored"] > 0 for check in row.result["checks"])
    assert row.copy.state == Study.State.CLOSED
    assert not row.study.participants.exists()


def test_a_robot_whose_browser_is_gone_goes_on_where_it_was() -> None:
    """As after a killed worker: the robot has joined and answered some trials."""
    study = study_of_several_kinds()
    row = start_rehearsal(study=study, asked={**ASKED, "people": 1, "pages": 1}, by=None)
    token = "a token of a browser that is gone"
    joined = robot_arrives(study=row.copy, token=token, recruit=recruit_of(row.pk, 0), address="", form=None)
    visit = visit_of_robot(row, 0, joined.participant)
    for trial in joined.participant.trials.order_by("index")[:2]:
        own = {"response_id": str(uuid.uuid4()), "trial_id": trial.name, "images": trial.digests}
        record_response(participant=joined.participant, body={**own, **visit.posted[trial.index]})
    assert row.job is not None
    job = run_now(row.job)
    assert job.state == "done", job.traceback
    row.refresh_from_db()
    assert Participant.objects.filter(study=row.copy).count() == 1
    assert [visit["end"] for visit in row.result["pages"]] == ["finished"]
    assert row.result["pages"][0]["resumed"] is True
    assert row.findings == []  # though no browser told the course of the first two trials


def test_where_a_robot_gets_stuck_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """The script of a kind is broken: its trial never comes."""
    monkeypatch.setattr("ratings.runs.rehearsing.PATIENCE", 4.0)
    monkeypatch.setattr(type(TRIAL_KINDS.load("rating")), "script", "js/trials/nowhere.js")
    row = rehearsed(study_of_several_kinds(), people=1, pages=1)
    assert row.passed is False
    said = " ".join(row.findings)
    assert "Robot 1 by the pages (computer): request: 404 /static/js/trials/nowhere.js" in said
    assert "stuck for" in said
    assert row.summary == "1 robot, 0 through the pages; all stored rows as planned"


def test_a_study_for_people_is_never_simulated_even_by_a_forged_link(visit: Any) -> None:
    """The page waits for its person: nothing is answered by itself."""
    study = open_study(study=study_of_several_kinds(), by=None, reason="A study of a test.")
    forged = signing.dumps([1, 0], salt=salt_of(study))
    here: Visit = visit()
    here.page.goto(f"{here.address}{study.join_path}?robot={forged}")
    here.page.get_by_label("I have read this and I agree to take part.").check()
    here.page.get_by_role("button", name="Begin").click()
    here.page.get_by_text("You will judge pictures.").wait_for()
    here.page.wait_for_timeout(1500)  # a robot would have gone on long ago
    assert here.page.get_by_text("You will judge pictures.").is_visible()
    assert here.page.evaluate("JSON.parse(document.getElementById('config').textContent).robot") is None
    assert Participant.objects.get(study=study).kind == "person"
    assert not Response.objects.exists()


def test_robots_answer_a_kind_that_only_a_lab_has(settings: Any) -> None:
    """Its script says how its data follow from an answer."""
    settings.STATICFILES_DIRS = [*settings.STATICFILES_DIRS, agreements.STATIC]
    with TRIAL_KINDS.registered("agreement", f"{agreements.__name__}:TRIAL_KIND", "agree or disagree"):
        row = rehearsed(agreements.live_study(), people=1, pages=1)
    assert row.findings == []


def test_robots_answer_every_kind_by_its_pages_as_they_mean_to() -> None:
    assert rehearsed(study_of_every_kind(), people=1, pages=1).findings == []
