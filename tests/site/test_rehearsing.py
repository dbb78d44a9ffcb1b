"""Rehearsals through the services: who answers, what is compared, and what opening asks for."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core import signing
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent
from almond.errors import InputError
from almond.exchange.collection import Collection
from almond.shapes import ShapeError
from analysis.models import AnalysisRun, PowerRun
from analysis.services.gathering import collection
from jobs.models import Job
from jobs.services import cancel, retry, run_now
from ratings.models import Participant, Response
from ratings.runs.rehearsing import window_of
from ratings.services.exporting import export_tables
from ratings.services.rehearsals.robots import participant_of, robot_path, salt_of, send_robot
from ratings.services.rehearsals.starting import start_rehearsal
from studies import services
from studies.models import Information, Rehearsal, Study
from studies.services import BlockSpec, create_construct, create_study
from tests.site.small_study import advance, make_matched_set, make_study, with_recipes
from tests.site.test_jobs_processes import PATIENCE, Processes, processes, wait_for

__all__ = ["processes"]

pytestmark = pytest.mark.django_db

ASKED: dict[str, Any] = {"people": 6, "pages": 0, "seed": 3, "studies": 0}


def frozen(**more: Any) -> Study:
    return make_study(state=Study.State.FROZEN, **more)


def begun(study: Study, **asked: Any) -> Rehearsal:
    return start_rehearsal(study=study, asked={**ASKED, **asked}, by=None)


def rehearsed(study: Study, **asked: Any) -> Rehearsal:
    row = begun(study, **asked)
    job = run_now(row.job)  # type: ignore[arg-type]
    assert job.state == "done", job.traceback or job.error
    return Rehearsal.objects.get(pk=row.pk)


def passed(study: Study) -> Rehearsal:
    """A rehearsal of which the browser is left out."""
    row = rehearsed(study)
    Rehearsal.objects.filter(pk=row.pk).update(passed=True)
    return row


def test_a_copy_has_the_same_plan_and_lists_and_each_rehearsal_its_own() -> None:
    study = frozen()
    row = begun(study)
    own, other = study.frozen_plan.to_json(), row.copy.frozen_plan.to_json()
    assert other.pop("title") == f"{own.pop('title')} (rehearsal)"
    assert own == other
    assert list(row.copy.lists.values_list("trials")) == list(study.lists.values_list("trials"))
    assert (row.copy.slug, row.copy.state, row.copy.rehearsal) == ("scenes-rehearsal", "live", True)
    assert begun(study).copy.slug == "scenes-rehearsal-2"
    study.refresh_from_db()
    assert (study.state, study.rehearsal) == (Study.State.FROZEN, False)
    with pytest.raises(InputError, match="is a draft"):
        begun(make_study(slug="other", matched_set=study.matched_set, state=Study.State.DRAFT))


def test_robots_answer_through_the_services_and_their_rows_are_as_planned() -> None:
    study = frozen(repeats=1)
    row = rehearsed(study, psychology={"drop_out": 0.5})
    assert row.findings == ["Not taken through the pages: nobody was to be sent."]
    assert row.passed is False
    assert row.summary == "6 robots, 0 through the pages; all stored rows as planned"
    assert [check["differ"] for check in row.result["checks"]] == [0, 0, 0]
    statuses = Counter(row.copy.participants.values_list("status", flat=True))
    assert statuses.keys() == {"finished", "active"}
    assert row.copy.state == Study.State.CLOSED
    assert not study.participants.exists()
    assert AuditEvent.objects.filter(verb="finish rehearsal", subject_id=str(study.pk)).exists()
    (report,) = Job.objects.filter(kind="analysis.report_rehearsal")
    assert report.arguments == {"rehearsal": row.pk}


def test_an_effect_on_a_construct_of_any_name_is_in_the_stored_answers() -> None:
    awe = create_construct(name="awe", question="How awesome?", low="not", high="very", by=None)
    study = create_study(
        title="Awe",
        slug="awe",
        participants_planned=8,
        n_lists=2,
        matched_set=make_matched_set(),
        unmatched_reason="Pairs of a test, made without matching.",
        blocks=[BlockSpec("rating", "ratings", [awe])],
        by=None,
    )
    study = advance(study, Study.State.FROZEN)

    def apart(effect: float) -> float:
        declared = {"effects": {"awe": effect}, "noise": 5.0, "careless": 0.0, "drop_out": 0.0}
        row = rehearsed(study, psychology=declared)
        values: dict[int, list[float]] = {-1: [], 1: []}
        stimuli = row.copy.frozen_plan.stimulus_by_id
        for answer in Response.objects.filter(trial__participant__study=row.copy).select_related("trial"):
            values[stimuli[answer.trial.planned["stimulus"]].direction].append(answer.values["awe"])
        return float(np.mean(values[1]) - np.mean(values[-1]))

    assert apart(3.0) > apart(0.0) + 15


def test_what_is_asked_wrongly_is_refused_before_there_is_a_copy() -> None:
    study = frozen()
    with pytest.raises(InputError, match=r"effects\.joy: is no construct of the study \(expected known are"):
        begun(study, psychology={"effects": {"joy": 1.0}})
    with pytest.raises(ShapeError, match=r"pages"):
        begun(study, people=1, pages=2)
    with pytest.raises(ShapeError, match=r"psychology\.careless"):
        begun(study, psychology={"careless": 1.5})
    assert not Study.objects.filter(rehearsal=True).exists()


def test_rows_that_are_not_as_planned_are_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = export_tables

    def swapped(study: Study) -> dict[str, list[dict[str, Any]]]:
        tables = stored(study)
        tables["ratings"][0]["image_sha256"] = tables["ratings"][-1]["image_sha256"]
        tables["choices"].pop()
        return tables

    monkeypatch.setattr("ratings.runs.rehearsing.export_tables", swapped)
    row = rehearsed(frozen(), psychology={"drop_out": 0.0})
    said = " ".join(row.findings)
    assert "block “ratings”, image_sha256: 1 of" in said
    assert "block “choices”, rows: 1 of" in said
    assert row.summary == "6 robots, 0 through the pages; 2 stored cells are not as planned"


def test_without_a_browser_a_rehearsal_says_so_and_has_not_passed(settings: Any) -> None:
    settings.CHROMIUM = "/nowhere/chromium"
    row = rehearsed(frozen(), pages=2)
    (said,) = row.findings
    assert said.startswith("Not taken through the pages: ALMOND_CHROMIUM names /nowhere/chromium, which")
    assert "install it (Debian: apt-get install chromium)" in said
    assert row.passed is False


def test_a_browser_that_does_not_start_is_a_finding_with_its_last_words(
    settings: Any, tmp_path: Path
) -> None:
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\necho 'No usable sandbox!' >&2\nexit 1\n")
    broken.chmod(0o755)
    settings.CHROMIUM = str(broken)
    (said,) = rehearsed(frozen(), pages=2).findings
    assert said.startswith("Not taken through the pages: Chromium did not start: the browser ended by itself")
    assert "(No usable sandbox!)" in said


def test_an_interrupted_rehearsal_sends_nobody_twice(
    experimenter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = begun(frozen(), psychology={"drop_out": 0.0})
    send, sent = send_robot, list[int]()

    def stopped_at_the_fourth(rehearsal: Rehearsal, number: int) -> None:
        send(rehearsal, number)
        sent.append(number)
        if len(sent) == 4:
            raise InputError("worker", "was stopped")

    with monkeypatch.context() as patched:
        patched.setattr("ratings.runs.rehearsing.send_robot", stopped_at_the_fourth)
        job = run_now(row.job)  # type: ignore[arg-type]
    assert job.state == "failed"
    assert row.copy.participants.count() == 3
    again = run_now(retry(job=job, by=experimenter))
    assert again.state == "done", again.traceback
    assert row.copy.participants.count() == 6
    assert all(check["differ"] == 0 for check in Rehearsal.objects.get(pk=row.pk).result["checks"])


def test_a_cancelled_rehearsal_stops_and_has_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    row = begun(frozen())
    monkeypatch.setattr("jobs.services.execution.WRITE_EVERY", 0.0)

    def sent_and_cancelled(rehearsal: Rehearsal, number: int) -> None:
        send_robot(rehearsal, number)
        cancel(job=Job.objects.get(pk=rehearsal.job_id), by=None)

    monkeypatch.setattr("ratings.runs.rehearsing.send_robot", sent_and_cancelled)
    assert run_now(row.job).state == "cancelled"  # type: ignore[arg-type]
    row.refresh_from_db()
    assert (row.passed, row.copy.participants.count()) == (None, 1)


def test_robots_come_with_windows_that_the_study_lets_in() -> None:
    row = begun(frozen())
    assert [window_of(row, number).name for number in (0, 1, 2)] == ["computer", "telephone", "computer"]
    Information.objects.create(study=row.copy, least_width=1600)
    assert [window_of(row, number)[:3] for number in (0, 1)] == [("computer", 1600, 800)] * 2


@pytest.mark.django_db(transaction=True)
def test_a_killed_workers_robots_are_not_sent_again(processes: Processes) -> None:
    study = frozen(rating_trials=None, choice_trials=None, participants_planned=40)
    row = begun(study, people=40, psychology={"drop_out": 0.0})
    worker = processes.start("worker")
    robots = Participant.objects.filter(study=row.copy)
    wait_for(lambda: robots.filter(status="finished").count() > 2, "some robots")
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    before = set(robots.filter(status="finished").values_list("name", flat=True))
    assert 2 < len(before) < 40
    assert processes.start("worker", "--once").wait(3 * PATIENCE) == 0, processes.logs()
    row.refresh_from_db()
    assert before < set(robots.values_list("name", flat=True))
    assert robots.count() == 40
    assert row.findings == ["Not taken through the pages: nobody was to be sent."]
    assert sum(check["differ"] for check in row.result["checks"]) == 0


# -- robots come to rehearsals only


def agreed(client: Client, address: str) -> Any:
    """The answer to the consent form at an address, sent as a browser does."""
    page = client.get(address)
    begin = page.context["begin_token"]
    return client.post(address, {"agreed": "yes", "begin_token": begin}, follow=True)


def test_a_robots_link_lets_a_robot_into_its_rehearsal(client: Client) -> None:
    row = begun(frozen(), pages=1)
    page = agreed(client, robot_path(row, 0))
    robot = Participant.objects.get()
    assert (robot.kind, robot.study_id) == ("robot", row.copy_id)
    answers = page.context["config"]["robot"]["answers"]
    assert answers.keys() == set(robot.trials.values_list("name", flat=True)[: len(answers)])
    assert all(answer["rt"] <= 300 for answer in answers.values())
    assert participant_of(row, 0) == robot


@pytest.mark.parametrize("signed", ["forged", "other study", "true", ""])
def test_a_study_for_people_never_is_in_robot_mode(client: Client, signed: str) -> None:
    study = make_study(slug="people")
    row = begun(frozen(slug="other", matched_set=study.matched_set), pages=1)
    links = {
        "forged": signing.dumps([row.pk, 0], salt=salt_of(study)),
        "other study": robot_path(row, 0).partition("robot=")[2],
    }
    page = agreed(client, f"{study.join_path}?robot={links.get(signed, signed)}")
    person = Participant.objects.get(study=study)
    assert person.kind == "person"
    assert "robot" not in page.context["config"]
    assert "robot" not in client.get(page.redirect_chain[-1][0]).context["config"]
    Participant.objects.filter(pk=person.pk).update(kind="robot")  # however it came to be
    assert "robot" not in client.get(page.redirect_chain[-1][0]).context["config"]


def test_a_forged_or_late_link_lets_nobody_into_a_rehearsal(client: Client) -> None:
    row = begun(frozen(), pages=1)
    forged = f"{row.copy.join_path}?robot={signing.dumps([row.pk, 0], salt='another')}"
    assert agreed(client, forged).status_code == 400
    path = robot_path(row, 0)
    Rehearsal.objects.filter(pk=row.pk).update(finished_at=row.created_at, passed=False)
    assert agreed(client, path).status_code == 400
    assert not Participant.objects.exists()


def test_a_person_in_a_rehearsal_is_no_robot(client: Client) -> None:
    row = begun(frozen(), pages=1)
    page = agreed(client, row.copy.join_path)
    assert Participant.objects.get().kind == "person"
    assert "robot" not in page.context["config"]


# -- opening


def test_opening_without_a_passed_rehearsal_takes_a_reason() -> None:
    study = frozen()
    row = rehearsed(study)
    assert row.passed is False
    with pytest.raises(InputError, match=r"has passed no rehearsal \(expected a passed rehearsal, or the"):
        services.open_study(study=study, by=None)
    with pytest.raises(InputError, match="has passed no rehearsal"):
        services.open_study(study=study, by=None, reason="  ")
    study.refresh_from_db()
    assert study.state == Study.State.FROZEN
    services.open_study(study=study, by=None, reason="Nobody\nhas time.")
    event = AuditEvent.objects.get(verb=services.UNREHEARSED)
    assert (event.subject_id, event.detail) == (str(study.pk), {"reason": "Nobody\nhas time."})


def test_after_a_passed_rehearsal_no_reason_is_asked_for_and_none_is_kept() -> None:
    study = frozen()
    passed(study)
    assert services.open_study(study=study, by=None, reason="Still.").state == Study.State.LIVE
    assert not AuditEvent.objects.filter(verb=services.UNREHEARSED).exists()
    services.pause(study=study, by=None)
    assert services.open_study(study=study, by=None).state == Study.State.LIVE


def test_the_rehearsal_of_another_study_does_not_count() -> None:
    study = frozen()
    passed(frozen(slug="other", matched_set=study.matched_set))
    with pytest.raises(InputError, match="has passed no rehearsal"):
        services.open_study(study=study, by=None)
    rehearsal = frozen(slug="third", matched_set=study.matched_set, rehearsal=True)
    assert services.open_study(study=rehearsal, by=None).state == Study.State.LIVE


def test_the_reason_is_in_exports_and_among_the_deviations(experimenter: Any) -> None:
    study = frozen()
    services.open_study(study=study, by=experimenter, reason="The pilot was enough.")
    told = collection(study, [])
    assert told.unrehearsed is not None
    assert told.unrehearsed.why == "The pilot was enough."
    assert told.unrehearsed.by == experimenter.username
    assert told.to_json()["unrehearsed"]["why"] == "The pilot was enough."
    assert "unrehearsed" not in Collection(state="live", planned=8, finished=0).to_json()


# -- pages


def test_the_form_asks_for_an_effect_of_each_construct(staff_client: Any) -> None:
    study = frozen()
    address = reverse("admin:ratings_rehearse", args=[study.pk])
    page = staff_client.get(address)
    form = page.context["form"]
    assert [field.label for field in form.effects()] == ["threat (SD)", "urgency (SD)"]
    assert "Of images guided for LB." in page.content.decode()
    usual = {name: field.initial for name, field in form.fields.items() if name != "null"}
    wrong = staff_client.post(address, {**usual, "effect_0": "9", "careless": "", "people": 1})
    assert wrong.context["form"].errors.keys() == {"effect_0", "careless", "people"}
    assert not Rehearsal.objects.exists()
    sent = staff_client.post(address, {**usual, "effect_1": "1.5", "null": "on", "careless": "10"})
    row = Rehearsal.objects.get()
    assert sent.status_code == 302
    assert row.asked["psychology"] == {
        "effects": {"threat": 0.35, "urgency": 1.5},
        "noise": 12.0,
        "careless": 0.1,
        "drop_out": 0.1,
        "null": True,
    }
    assert (row.asked["people"], row.asked["pages"]) == (40, 2)
    assert "queued" in staff_client.get(sent.url).content.decode()


def test_the_pages_show_what_came_of_it_and_ask_for_a_reason(staff_client: Any) -> None:
    study = frozen()
    change = reverse("admin:studies_study_change", args=[study.pk])
    page = staff_client.get(change).content.decode()
    assert "Not rehearsed yet" in page
    assert 'name="reason"' in page
    row = rehearsed(study)
    result = staff_client.get(reverse("admin:ratings_rehearsal", args=[row.pk])).content.decode()
    assert "not passed" in result
    assert "Not taken through the pages: nobody was to be sent." in result
    assert "image_sha256" in result
    page = staff_client.get(change).content.decode()
    assert row.summary in page
    staff_client.post(reverse("admin:studies_study_open", args=[study.pk]), {"reason": "By hand."})
    study.refresh_from_db()
    assert study.is_live
    assert 'name="reason"' not in staff_client.get(change).content.decode()
    copy = staff_client.get(reverse("admin:studies_study_change", args=[row.copy_id])).content.decode()
    assert "Simulated people answer this copy of" in copy


def test_the_report_that_would_come_out_is_a_simulation_with_power(
    staff_client: Any, blank_figures: None
) -> None:
    matched = with_recipes(make_matched_set(scenes=4))
    study = frozen(
        matched_set=matched, permutations=99, rating_trials=None, choice_trials=None, participants_planned=6
    )
    row = rehearsed(study, studies=2, psychology={"drop_out": 0.0})
    job = run_now(Job.objects.get(kind="analysis.report_rehearsal"))
    assert job.state == "done", job.traceback
    row.refresh_from_db()
    run = AnalysisRun.objects.get()
    assert run.mode == "simulated"
    assert row.report["report"]["address"] == run.get_absolute_url()
    assert row.report["report"]["headline"][0].startswith("Simulated")
    power = PowerRun.objects.get()
    assert (power.study, power.asked["effects"], power.asked["people"]) == (study, [0.35], [])
    assert row.report["power"]["headline"] == power.headline
    page = staff_client.get(reverse("admin:ratings_rehearsal", args=[row.pk])).content.decode()
    assert "What would come out" in page
    assert power.headline[0] in page.replace("&#x27;", "'")
