"""Until collecting has ended nobody sees answers: blocked, looked at as planned, or unlocked; amendments."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import IntegrityError, connection, transaction
from django.urls import reverse

from accounts.models import AuditEvent, User
from almond.errors import InputError
from almond.exchange.manifest import load_manifest
from analysis import services
from analysis.models import AnalysisRun, Export
from jobs.services import run_now
from ratings.models import Participant, Response
from ratings.services import finish, join, record_response
from ratings.services.verifying import verify_study
from studies.amendments import BLIND, is_blind
from studies.models import Amendment, Look, Preregistration, Study, StudyLog, Unlocking
from studies.services import close, pause
from studies.services.blind import amend, standing, unlock
from tests.site.small_study import advance, answer_to, make_matched_set, make_study, with_recipes
from tests.site.test_analysis import analysed, exported
from tests.site.test_keeping import tamper

pytestmark = pytest.mark.django_db

ANSWERED = 63.4375
"""A rating that stands on no page unless somebody shows answers."""
WHY = "A participant was upset by an image."


def whole_study(looks: str = "", **fields: Any) -> Study:
    """A live study whose export verifies; everybody rates and chooses everything, 18 answers."""
    everything = {"rating_trials": None, "choice_trials": None, "permutations": 99}
    matched = with_recipes(make_matched_set())
    draft = make_study(**{"state": "draft", "matched_set": matched, **everything, **fields})
    if looks:
        Preregistration.objects.create(study=draft, looks=looks)
    return advance(draft, "live")


def person(study: Study) -> Participant:
    """Somebody who answers everything and finishes."""
    participant = join(study=study).participant
    for trial in participant.trials.all():
        body = answer_to(trial)
        if "values" in body:
            body["values"] = dict.fromkeys(body["values"], ANSWERED)
        record_response(participant=participant, body=body)
    finish(participant=participant)
    return participant


def colleague(*permissions: str) -> User:
    user = User.objects.create_user("colleague", first_name="Grace", last_name="Hopper", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


def page_of(client: Any, row: Any) -> str:
    address = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    return str(client.get(address).content.decode())


def posted(client: Any, name: str, study: Study, **data: str) -> Any:
    return client.post(reverse(f"admin:studies_study_{name}", args=[study.pk]), data, follow=True)


# -- blocked


@pytest.mark.parametrize("state", ["frozen", "live", "paused"])
def test_a_study_that_is_not_closed_is_not_exported(staff_client: Any, state: str) -> None:
    study = make_study(state=state)
    reason = "is blind until it is closed: 0 of 8 participants have finished"
    with pytest.raises(InputError, match=f"{reason}, and the plan allows no look before the end"):
        services.request_export(study=study, by=None)
    answer = staff_client.post(reverse("admin:analysis_export_add"), {"study": study.pk})
    assert reason in answer.content.decode()
    assert not Export.objects.exists()
    page = page_of(staff_client, study)
    assert "No export, no analysis: the study" in page
    assert reverse("admin:analysis_export_add") + f"?study={study.pk}" not in page
    page = page_of(staff_client, close(study=study, by=None))
    assert reverse("admin:analysis_export_add") + f"?study={study.pk}" in page


def test_a_job_that_was_queued_past_the_services_exports_nothing() -> None:
    study = make_study()
    row = Export.objects.create(study=study)
    job = run_now(services.enqueue(kind="analysis.export", arguments={"export": row.pk}, by=None))
    assert job.state == "failed"
    assert "is blind until it is closed" in job.error


def test_rehearsals_are_never_blind(staff_client: Any) -> None:
    study = whole_study(rehearsal=True)
    assert exported(study).is_shown
    assert "A rehearsal is never blind" in page_of(staff_client, study)
    with pytest.raises(InputError, match="is a rehearsal: nothing is locked"):
        unlock(study=study, why=WHY, by=colleague())


@pytest.fixture
def early(db: None) -> AnalysisRun:
    """An analysis of a live study, as earlier versions made it."""
    study = whole_study()
    person(study)
    run = analysed(services.request_analysis(export=exported(close(study=study, by=None)), by=None))
    Study.objects.filter(pk=study.pk).update(state="live", closed_at=None)
    return AnalysisRun.objects.get(pk=run.pk)


def test_what_was_exported_of_a_blind_study_earlier_is_hidden(staff_client: Any, early: AnalysisRun) -> None:
    addresses = [
        early.get_absolute_url(),
        *(reverse("analysis_report_file", args=[early.pk, name]) for name in ("result.json", "report.md")),
        reverse("analysis_export_zip", args=[early.export.pk]),
    ]
    assert {status_of(staff_client, address) for address in addresses} == {403}
    sentence = early.headline[-1]
    pages = [page_of(staff_client, early), page_of(staff_client, early.export)]
    pages += [
        staff_client.get(reverse(f"admin:analysis_{name}_changelist")).content.decode()
        for name in ("analysisrun", "export")
    ]
    assert [sentence in page for page in pages] == [False] * 4
    assert "Results are hidden until the study is closed" in pages[0]
    assert "Analyse as planned" not in pages[1]
    assert [early.get_absolute_url() in page for page in pages] == [False] * 4
    with pytest.raises(InputError, match="is blind until it is closed"):
        services.request_analysis(export=early.export, by=None)
    refused = {"result__summary__p__lt": "0.05"}
    assert_refused(staff_client, "analysis_analysisrun", refused)
    close(study=early.export.study, by=None)
    assert {status_of(staff_client, address) for address in addresses} == {200}
    assert sentence[:40] in page_of(staff_client, early)


def status_of(client: Any, address: str) -> int:
    answer = client.get(address)
    if answer.streaming:
        answer.getvalue()  # files of a report are open until they are read
    return int(answer.status_code)


def assert_refused(client: Any, model: str, lookup: dict[str, str]) -> None:
    """The list does not tell how many rows a filter leaves."""
    answer = client.get(reverse(f"admin:{model}_changelist"), lookup)
    assert answer.status_code == 400


def test_the_condition_and_the_function_agree_on_what_is_blind() -> None:
    matched = make_matched_set()
    for rehearsal in (False, True):
        for state in Study.State.values:
            slug = f"{state}-{rehearsal}".lower()
            make_study(state=state, rehearsal=rehearsal, slug=slug, matched_set=matched)
    unlock(study=Study.objects.get(slug="live-false"), why=WHY, by=colleague())
    blind = set(Study.objects.filter(BLIND))
    assert blind == {study for study in Study.objects.all() if is_blind(study)}
    assert {study.slug for study in blind} == {"draft-false", "frozen-false", "paused-false"}


# -- answers on pages


def test_a_response_of_a_blind_study_shows_that_it_came_and_not_what_it_says(staff_client: Any) -> None:
    study = make_study()
    participant = person(study)
    rating = Response.objects.filter(trial__kind="rating")[0]
    choice = Response.objects.filter(trial__kind="choice")[0]
    for row in (rating, choice):
        page = page_of(staff_client, row)
        assert "hidden until the study is closed" in page
        assert "812.5" in page
        assert row.digests[0] not in page
        assert str(ANSWERED) not in page
    assert ">left<" not in page_of(staff_client, choice)
    for lookup in ({"chosen": "left"}, {"values__threat__gt": "50"}, {"digests__contains": "a"}):
        assert_refused(staff_client, "ratings_response", lookup)
    listed = reverse("admin:ratings_response_changelist")
    page = staff_client.get(listed, {"trial__participant__study__id__exact": study.pk}).content.decode()
    assert participant.name in page
    assert page.count("hidden until the study is closed") == 7
    close(study=study, by=None)
    assert str(ANSWERED) in page_of(staff_client, rating)
    assert rating.digests[0] in page_of(staff_client, rating)
    assert "threat 63.4375" in staff_client.get(listed).content.decode()


def test_no_page_of_the_admin_tells_an_answer_of_a_blind_study(staff_client: Any) -> None:
    study = make_study()
    person(study)
    told = []
    for model in admin.site._registry:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        addresses = [reverse(f"admin:{name}_changelist")]
        rows = model._default_manager.all()[:40]
        addresses += [reverse(f"admin:{name}_change", args=[row.pk]) for row in rows]
        told += [at for at in addresses if str(ANSWERED) in staff_client.get(at).content.decode()]
    monitor = [reverse(f"admin:ratings_monitor{end}", args=[study.pk]) for end in ("", "_live", "_numbers")]
    told += [at for at in monitor if str(ANSWERED) in staff_client.get(at).content.decode()]
    assert told == []
    close(study=study, by=None)
    listed = reverse("admin:ratings_response_changelist")
    assert str(ANSWERED) in staff_client.get(listed).content.decode()  # the number is found where it stands


# -- unlocking


def test_who_may_unlock_gives_a_reason_that_is_recorded(client: Any) -> None:
    study = whole_study()
    person(study)
    user = colleague("view_study", "add_unlocking")
    client.force_login(user)
    assert "Unlock for good" in page_of(client, study)
    assert "why: " in posted(client, "unlock", study, why="  ").content.decode()
    assert not Unlocking.objects.exists()
    assert "Unlocked: whatever" in posted(client, "unlock", study, why=WHY).content.decode()
    row = Unlocking.objects.get()
    assert (row.by, row.finished, row.why, row.study) == (user, 1, WHY, study)
    event = AuditEvent.objects.get(verb="unlock")
    assert (event.actor, event.detail) == (user, {"why": WHY, "finished": 1})
    assert StudyLog.objects.filter(study=study, chain="study", kind="unlock").count() == 1
    page = page_of(client, study)
    assert WHY in page
    assert "Grace Hopper, with 1 who had finished" in page
    assert "Unlock for good" not in page
    assert "is unlocked already" in posted(client, "unlock", study, why=WHY).content.decode()
    assert list(verify_study(study)) == []


def test_whoever_may_not_unlock_does_not(client: Any) -> None:
    study = make_study()
    client.force_login(colleague("view_study", "change_study", "add_export"))
    page = page_of(client, study)
    assert "Unlock for good" not in page
    assert "takes the permission" in page
    assert posted(client, "unlock", study, why=WHY).status_code == 403
    assert client.get(reverse("admin:studies_study_unlock", args=[study.pk])).status_code == 405
    client.force_login(User.objects.create_user("outsider"))
    assert posted(client, "unlock", study, why=WHY).redirect_chain[0][0].startswith("/admin/login/")
    assert not Unlocking.objects.exists()


def test_an_unlocked_study_says_so_in_every_export_and_report() -> None:
    study = whole_study()
    person(study)
    unlock(study=study, why=WHY, by=colleague())
    first = exported(study)
    said = load_manifest(first.path)["collection"]["unlocked"]
    assert {name: said[name] for name in ("by", "why", "finished")} == {
        "by": "Grace Hopper",
        "why": WHY,
        "finished": 1,
    }
    run = analysed(services.request_analysis(export=first, by=None))
    assert run.mode == "interim"
    assert any("unlocked before the end" in reason and WHY in reason for reason in run.reasons)
    for _ in range(7):
        person(study)
    last = analysed(services.request_analysis(export=exported(close(study=study, by=None)), by=None))
    assert last.mode == "exploratory"
    assert last.headline[0].startswith("Exploratory: the data were unlocked before the end")
    done = [row["done"] for row in last.result["deviations"] if row["what"] == "blind until the end"]
    assert [WHY in text for text in done] == [True]
    assert WHY in (last.path / "report.md").read_text()


@pytest.mark.parametrize(("state", "words"), [("draft", "is a draft"), ("closed", "is closed: nothing")])
def test_there_is_nothing_to_unlock_in_a_draft_or_after_the_end(state: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        unlock(study=make_study(state=state), why=WHY, by=colleague())


# -- planned looks


def test_a_planned_look_is_taken_once_with_its_number(staff_client: Any) -> None:
    study = whole_study("2, 4")
    person(study)
    with pytest.raises(InputError, match="1 of 8 participants have finished, and the plan allows the next"):
        services.request_export(study=study, by=None)
    assert "with 2 participants" in page_of(staff_client, study)
    person(study)
    assert "Export for the planned look" in page_of(staff_client, study)
    export = exported(study)
    assert export.look is not None
    assert (export.look.number, export.look.finished) == (2, 2)
    with pytest.raises(InputError, match="allows the next look with 4"):
        services.request_export(study=study, by=None)
    with pytest.raises(InputError, match="is 49 at a planned look"):
        services.request_analysis(export=export, permutations=49, by=None)
    run = analysed(services.request_analysis(export=export, by=None))
    with pytest.raises(InputError, match="has its analysis already"):
        services.request_analysis(export=export, by=None)
    assert run.mode == "interim"
    assert staff_client.get(run.get_absolute_url()).status_code == 200
    assert "Analyse as planned" not in page_of(staff_client, export)
    assert "hidden until" in page_of(staff_client, Response.objects.all()[0])  # of rows, nothing is shown
    for _ in range(6):
        person(study)
    last = exported(close(study=study, by=None))
    looks = load_manifest(last.path)["collection"]["looks"]
    assert [(look["analysed"], look["finished"]) for look in looks] == [(2, 2)]
    assert analysed(services.request_analysis(export=last, by=None)).mode == "confirmatory"


def test_an_export_at_a_planned_look_counts_though_nobody_analysed_it_here() -> None:
    study = whole_study("1")
    person(study)
    exported(study)
    looks = load_manifest(exported(close(study=study, by=None)).path)["collection"]["looks"]
    assert [look["finished"] for look in looks] == [1]


def test_a_later_look_passes_over_earlier_ones() -> None:
    study = whole_study("1, 2, 3")
    for _ in range(2):
        person(study)
    assert standing(study).due == 2
    services.request_export(study=study, by=None)
    now = standing(study)
    assert (now.due, now.coming, [look.number for look in now.used]) == (None, 3, [2])


# -- amendments


def test_an_amendment_is_recorded_with_author_time_and_the_answers_before_it(client: Any) -> None:
    study = whole_study()
    user = colleague("view_study", "add_amendment")
    client.force_login(user)
    form = {"kind": "sample", "text": "Recruited from a second panel.", "why": "The first is slow."}
    assert "is recorded" in posted(client, "amend", study, **form).content.decode()
    person(study)
    digest = study.plan_digest
    amend(study=study, kind="analysis", text="Raw scale too.", why="A reviewer asked.", by=user)
    rows = list(Amendment.objects.all())
    assert [row.responses_before for row in rows] == [0, 18]
    assert {row.by for row in rows} == {user}
    assert AuditEvent.objects.filter(verb="amend", actor=user).count() == 2
    page = page_of(client, study)
    for words in ("Recruited from a second panel.", "before the first response", "Grace Hopper"):
        assert words in page
    assert "after the first response, 18 stored" in page
    assert "Amendments since the plan was frozen" in page
    study.refresh_from_db()
    assert study.plan_digest == digest == study.frozen_plan.digest
    export = exported(close(study=study, by=None))
    said = load_manifest(export.path)["amendments"]
    assert [(row["kind"], row["author"], row["responses_before"]) for row in said] == [
        ("sample", "Grace Hopper", 0),
        ("analysis", "Grace Hopper", 18),
    ]
    run = analysed(services.request_analysis(export=export, by=None))
    assert [row["text"] for row in run.result["amendments"]] == [row.text for row in rows]
    assert "Raw scale too." in (run.path / "report.md").read_text()
    assert list(verify_study(study)) == []


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"kind": "mood", "text": "x", "why": "y"}, "kind"),
        ({"kind": "other", "text": " ", "why": "y"}, "what changes"),
        ({"kind": "other", "text": "x"}, "why"),
    ],
)
def test_a_wrong_amendment_says_what_is_missing(staff_client: Any, form: dict[str, str], words: str) -> None:
    study = make_study()
    page = posted(staff_client, "amend", study, **form)
    assert any(words in str(message) for message in page.context["messages"])
    with pytest.raises(InputError, match=words):
        amend(study=study, by=colleague(), **{"why": "", **form})
    assert not Amendment.objects.exists()


def test_drafts_have_no_amendments_and_whoever_may_not_amend_does_not(client: Any) -> None:
    user = colleague("view_study", "change_study")
    with pytest.raises(InputError, match="is a draft"):
        amend(study=make_study(state="draft"), kind="other", text="x", why="y", by=user)
    study = make_study(slug="second", matched_set=Study.objects.get().matched_set)
    client.force_login(user)
    assert "Record an amendment" not in page_of(client, study)
    assert posted(client, "amend", study, kind="other", text="x", why="y").status_code == 403
    assert not Amendment.objects.exists()


# -- what the database refuses


@pytest.fixture
def recorded(db: None) -> Study:
    study = whole_study("1")
    person(study)
    user = colleague()
    services.request_export(study=study, by=user)
    unlock(study=study, why=WHY, by=user)
    amend(study=study, kind="other", text="x", why="y", by=user)
    return study


@pytest.mark.parametrize("table", ["studies_amendment", "studies_unlocking", "studies_look"])
@pytest.mark.parametrize("verb", ["UPDATE {} SET id = id", "DELETE FROM {}"])
def test_records_are_neither_changed_nor_deleted(recorded: Study, table: str, verb: str) -> None:
    with (
        pytest.raises(IntegrityError, match="rows are written once"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(verb.format(table))


@pytest.mark.parametrize(
    ("table", "change", "words"),
    [
        ("studies_amendment", "UPDATE {} SET text = 'other'", "amendments, row {pk}: was changed"),
        ("studies_unlocking", "UPDATE {} SET finished = 7", "unlockings, row {pk}: was changed"),
        ("studies_amendment", "DELETE FROM {}", "amendments, row {pk}: is deleted"),
    ],
)
def test_a_record_that_was_tampered_with_is_found(
    recorded: Study, table: str, change: str, words: str
) -> None:
    model = Amendment if table == "studies_amendment" else Unlocking
    pk = model.objects.get().pk
    assert list(verify_study(recorded)) == []
    tamper(change.format(table), table)
    assert list(verify_study(recorded)) == [words.format(pk=pk)]


@pytest.mark.parametrize(
    ("constraint", "model", "fields"),
    [
        ("amendment_kind_is_known", Amendment, {"kind": "mood", "text": "x", "why": "y"}),
        ("amendment_is_in_words", Amendment, {"kind": "other", "text": "", "why": "y"}),
        ("amendment_is_in_words", Amendment, {"kind": "other", "text": "x", "why": ""}),
        ("unlocking_has_a_reason", Unlocking, {"why": "", "finished": 0}),
        ("look_not_before_its_number", Look, {"number": 3, "finished": 2}),
    ],
)
def test_an_impossible_record_is_refused(constraint: str, model: type[Any], fields: dict[str, Any]) -> None:
    study = make_study()
    if model is Amendment:
        fields = {**fields, "responses_before": 0}
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        model.objects.create(study=study, by=colleague(), **fields)


def test_a_second_unlocking_and_a_look_used_twice_are_refused(recorded: Study) -> None:
    user = User.objects.get(username="colleague")
    for model, fields in ((Unlocking, {"why": "y"}), (Look, {"number": 1})):
        with pytest.raises(IntegrityError), transaction.atomic():
            model.objects.create(study=recorded, by=user, finished=1, **fields)


def test_a_log_with_records_still_tells_the_state(recorded: Study) -> None:
    pause(study=recorded, by=None)
    amend(study=recorded, kind="other", text="x", why="y", by=User.objects.get(username="colleague"))
    assert list(verify_study(recorded)) == []
    tamper("UPDATE studies_study SET state = 'live'", "studies_study")
    assert ["pause was its last step" in text for text in verify_study(recorded)] == [True]
