"""What is kept and what goes: withdrawal, erasing, rows that only leave may delete, the chained log."""

from __future__ import annotations

import io
import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from ratings import services
from ratings.models import Attempt, Event, Participant, Permit, Recruitment, Response, Trial
from ratings.services import Joined, Recruit, erasing, recording
from ratings.services.flow import flow
from ratings.services.refusals import NotNow, Unknown
from ratings.services.verifying import verify_study
from ratings.statements import find_asked
from studies.models import Study, StudyLog
from studies.services import close
from tests.site.small_study import answer_all, answer_to, make_study

pytestmark = pytest.mark.django_db
RECRUIT = Recruit("prolific", "5f0a", {})


def took_part(study: Study, recruit: Recruit | None = RECRUIT, *, finish: bool = True) -> Joined:
    joined = services.join(study=study, recruit=recruit)
    event = {"event_id": str(uuid.uuid4()), "kind": "blur", "page_ms": 1.0}
    services.record_events(participant=joined.participant, body={"events": [event]})
    answer_all(joined.participant)
    if finish:
        services.finish(participant=joined.participant)
    joined.participant.refresh_from_db()
    return joined


def test_who_stops_is_erased_at_once_where_the_study_says_so() -> None:
    study = make_study()
    person = took_part(study, finish=False).participant
    services.withdraw(participant=person)
    assert person.status == "withdrawn"
    assert person.erased_at
    assert [(row.values, row.chosen, row.rt_ms, row.digests) for row in Response.objects.all()] == [
        ({}, "", 0.0, [])
    ] * 7
    assert set(Attempt.objects.values_list("response_id", "body_digest", "detail")) == {("", "", "")}
    assert Attempt.objects.count() == 7
    assert not Event.objects.exists()
    assert not Recruitment.objects.exists()
    assert sum(study.lists.values_list("taken", flat=True)) == 0
    assert not Permit.objects.exists()
    assert services.export_tables(study) == {
        "participants": [],
        "ratings": [],
        "choices": [],
        "events": [],
    }


def test_a_study_that_keeps_answers_forgets_only_who_gave_them() -> None:
    study = make_study(on_withdrawal="keep")
    person = took_part(study, finish=False).participant
    services.withdraw(participant=person)
    assert not Recruitment.objects.exists()
    tables = services.export_tables(study)
    assert [row["status"] for row in tables["participants"]] == ["withdrawn"]
    assert len(tables["choices"]) == 3
    assert list(verify_study(study)) == []


@pytest.mark.parametrize("choice", ["erase", "keep"])
def test_the_code_of_the_last_page_withdraws_later(client: Client, choice: str) -> None:
    study = make_study(on_withdrawal=choice)
    joined = took_part(study)
    done = client.get(reverse("participant_done", args=[joined.token])).content.decode()
    code = joined.participant.withdrawal_code
    assert code in done
    address = reverse("participant_leave")
    assert address in done
    typed = f" {code[:4].lower()}-{code[4:8]} {code[8:]}"
    asked = client.post(address, {"code": typed}).content.decode()
    assert "Withdraw from" in asked
    assert Participant.objects.get().status == "finished"  # nothing before it was confirmed
    said = client.post(address, {"code": typed, "sure": "yes"}).content.decode()
    assert "You have withdrawn" in said
    person = Participant.objects.get()
    assert person.status == "withdrawn"
    assert person.completion_code == joined.participant.completion_code
    assert bool(person.erased_at) == (choice == "erase")
    stopped = client.get(reverse("participant_study", args=[joined.token])).content.decode()
    assert person.completion_code in stopped
    assert "You have withdrawn" in client.post(address, {"code": code}).content.decode()
    assert list(verify_study(study)) == []


def test_codes_cannot_be_guessed_by_the_thousand(client: Client) -> None:
    address = reverse("participant_leave")
    answers = [client.post(address, {"code": f"GUESS{number}"}) for number in range(11)]
    assert [answer.status_code for answer in answers] == [404] * 10 + [429]
    assert 1 <= int(answers[-1]["Retry-After"]) <= 61
    assert "Nobody has this code" in answers[0].content.decode()
    foreign = client.post(address, {"code": "A"}, headers={"Origin": "https://elsewhere.example"})
    assert foreign.status_code == 403


def test_nothing_of_somebody_erased_comes_back() -> None:
    study = make_study()
    person = services.join(study=study).participant
    trials = list(person.trials.order_by("index"))
    first = answer_to(trials[0])
    services.record_response(participant=person, body=first)
    services.withdraw(participant=person)
    with pytest.raises(NotNow):
        services.record_response(participant=person, body=answer_to(trials[1]))
    services.record_response(participant=person, body=first)
    event = {"event_id": str(uuid.uuid4()), "kind": "blur", "page_ms": 1.0}
    assert services.record_events(participant=person, body={"events": [event]}) == 0
    assert not Event.objects.exists()
    assert set(Attempt.objects.values_list("response_id", "body_digest")) == {("", "")}
    assert Response.objects.get().values == {}
    assert list(verify_study(study)) == []


def test_an_answer_under_way_while_somebody_withdraws_is_not_stored() -> None:
    """The answer read its participant before the withdrawal and stores after it."""
    person = services.join(study=make_study()).participant
    trial = person.trials.get(index=0)
    asked = find_asked(trial.name)
    services.withdraw(participant=Participant.objects.get(pk=person.pk))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recording, "find_asked", lambda name: asked)
        with pytest.raises(NotNow):
            services.record_response(participant=person, body=answer_to(trial))
    assert not Response.objects.exists()


def test_the_command_erases_by_code_or_name_whatever_the_study_keeps() -> None:
    study = make_study(on_withdrawal="keep")
    one, other = (took_part(study, recruit=None).participant for _ in range(2))
    out = io.StringIO()
    call_command("erase_participant", one.withdrawal_code.lower(), stdout=out)
    call_command("erase_participant", other.name, stdout=out)
    assert out.getvalue().count("7 responses are blank") == 2
    assert set(Participant.objects.values_list("status", flat=True)) == {"withdrawn"}
    assert Participant.objects.filter(erased_at=None).count() == 0
    with pytest.raises(CommandError, match="is nobody's"):
        call_command("erase_participant", "ABCD", stdout=out)


def test_prune_erases_what_studies_keep_no_longer() -> None:
    kept = make_study()
    over = make_study(slug="over", matched_set=kept.matched_set, retention_days=30)
    for study in (kept, over):
        took_part(study, recruit=None)
        close(study=study, by=None)
    out = io.StringIO()
    call_command("prune", stdout=out)
    assert out.getvalue() == "0 participants in all\n"
    Study.objects.filter(pk=over.pk).update(closed_at=timezone.now() - timedelta(days=30))
    call_command("prune", "--dry-run", stdout=out)
    assert Participant.objects.filter(erased_at=None).count() == 2
    call_command("prune", stdout=out)
    assert "over: 1 participants erased" in out.getvalue()
    assert list(Participant.objects.filter(erased_at=None).values_list("study__slug", flat=True)) == [
        "scenes"
    ]
    assert over.participants.get().status == "finished"
    assert list(verify_study(over)) == []


def test_an_id_finds_its_participant_for_those_who_may_see_recruitment(client: Client) -> None:
    person = took_part(make_study()).participant
    took_part(person.study, recruit=None)
    staff = User.objects.create_user("looker", password="a long enough password", is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="view_participant"))
    client.force_login(staff)
    address = reverse("admin:ratings_participant_changelist") + "?q=5f0a"
    assert person.name not in client.get(address).content.decode()
    staff.user_permissions.add(Permission.objects.get(codename="view_recruitment"))
    page = client.get(address)
    assert [row.name for row in page.context["cl"].result_list] == [person.name]


def test_an_id_is_sealed_and_shown_to_those_who_may_see_it(client: Client, settings: Any) -> None:
    person = took_part(make_study()).participant
    stored = json.dumps(list(Recruitment.objects.values_list("source", "id_digest", "sealed_id", "details")))
    assert person.recruitment.external_id == RECRUIT.external_id
    assert RECRUIT.external_id not in stored
    staff = User.objects.create_user("looker", password="a long enough password", is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="view_participant"))
    client.force_login(staff)
    address = reverse("admin:ratings_participant_change", args=[person.pk])
    assert RECRUIT.external_id not in client.get(address).content.decode()
    staff.user_permissions.add(Permission.objects.get(codename="view_recruitment"))
    assert RECRUIT.external_id in client.get(address).content.decode()
    settings.RECRUITMENT_KEY = "another key of more than forty characters, made by hand"
    assert "ALMOND_RECRUITMENT_KEY: does not open" in client.get(address).content.decode()


@pytest.mark.django_db(transaction=True)
def test_ids_of_people_before_the_key_are_sealed_by_the_migration() -> None:
    person = took_part(make_study()).participant
    executor = MigrationExecutor(connection)
    try:
        executor.migrate([("ratings", "0005_keeping")])
        before = MigrationExecutor(connection)
        before.migrate([("ratings", "0004_kinds_of_people_and_marks")])
        old = before.loader.project_state([("ratings", "0004_kinds_of_people_and_marks")]).apps
        assert old.get_model("ratings", "Recruitment").objects.get().external_id == RECRUIT.external_id
    finally:
        after = MigrationExecutor(connection)
        after.migrate(after.loader.graph.leaf_nodes())
    assert Recruitment.objects.get().external_id == RECRUIT.external_id
    assert Recruitment.objects.get().id_digest == RECRUIT.digest(person.study)


def test_the_flow_counts_everybody_and_the_tables_hold_people_apart_from_robots() -> None:
    study = make_study(participants_planned=8, n_lists=2, rehearsal=True)
    first = took_part(study).participant
    services.record_response(
        participant=first,
        body=answer_to(
            first.trials.get(index=0),
            response_id=str(first.trials.get(index=0).response.response_id),
            rt_ms=900.0,
        ),
    )
    services.withdraw(participant=took_part(study, recruit=None, finish=False).participant)
    services.join(study=study)
    services.join(study=study, kind="robot")
    counted = flow(study)
    assert {name: counted[name] for name in ("arrived", "consented", "started", "withdrew", "finished")} == {
        "arrived": 3,
        "consented": 3,
        "started": 2,
        "withdrew": 1,
        "finished": 1,
    }
    assert sum(row["consented"] for row in counted["lists"]) == 3
    assert counted["kinds"] == {"person": 3, "robot": 1}
    tables = services.export_tables(study)
    assert sorted(row["kind"] for row in tables["participants"]) == ["person", "person", "robot"]
    assert len(tables["events"]) == 1
    marks = {row["trial_index"]: row["marks"].split() for row in tables["ratings"] + tables["choices"]}
    assert "altered" in marks[0]
    assert "altered" not in marks[1]


TABLES = ("ratings_response", "ratings_attempt", "ratings_trial", "ratings_participant", "studies_studylog")


@pytest.mark.parametrize("table", TABLES)
def test_rows_are_deleted_by_leave_only(table: str) -> None:
    took_part(make_study())
    verbs = [f"DELETE FROM {table}"]
    if table != "ratings_participant":
        verbs.append(f"UPDATE {table} SET id = id")
    if connection.vendor == "postgresql":
        verbs.append(f"SET CONSTRAINTS ALL IMMEDIATE; TRUNCATE {table} CASCADE")
    for verb in verbs:
        with (
            pytest.raises(IntegrityError, match="erased by the erasing service alone"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(verb)


@pytest.mark.parametrize("model", [Participant, Trial, Response, Attempt, StudyLog])
def test_the_orm_deletes_no_answer(model: Any) -> None:
    took_part(make_study())
    for delete in (model.objects.all().delete, model.objects.first().delete):
        with pytest.raises(IntegrityError), transaction.atomic():
            delete()
    assert Response.objects.count() == 7


def tamper(statement: str, table: str) -> None:
    """Change rows as somebody would who owns the database: without the triggers."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            cursor.execute(statement)
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
            return
        cursor.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s", [table]
        )
        triggers = cursor.fetchall()
        for name, _ in triggers:
            cursor.execute(f"DROP TRIGGER {name}")
        cursor.execute(statement)
        for _, sql in triggers:
            cursor.execute(sql)


RESPONSE = "id = (SELECT MIN(id) FROM ratings_response)"
REFUSED = "outcome = 'refused'"
LOGGED = "chain LIKE 'p-%%' AND number"
CASES = {
    "answer": (
        "ratings_response",
        f"UPDATE {{}} SET rt_ms = 5 WHERE {RESPONSE}",
        "-t000 or the attempt that stored it was changed",
    ),
    "answer gone": ("ratings_response", f"DELETE FROM {{}} WHERE {RESPONSE}", "-t000 is deleted"),
    "attempt": ("ratings_attempt", f"UPDATE {{}} SET status = 200 WHERE {REFUSED}", "was changed"),
    "stored attempt": (
        "ratings_attempt",
        "UPDATE {} SET body_digest = '' WHERE outcome = 'stored'",
        "attempt that stored it was changed",
    ),
    "attempt gone": ("ratings_attempt", f"DELETE FROM {{}} WHERE {REFUSED}", "is deleted"),
    "trial": ("ratings_trial", "UPDATE {} SET block = 'x' WHERE " + '"index" = 2', "planned trials differ"),
    "status": ("ratings_participant", "UPDATE {} SET status = 'withdrawn'", "has no withdrawal"),
    "kind": ("ratings_participant", "UPDATE {} SET kind = 'robot'", "its row or its planned"),
    "state": ("studies_study", "UPDATE {} SET state = 'paused'", "open was its last step"),
    "log": ("studies_studylog", f"UPDATE {{}} SET about = 'x' WHERE {LOGGED} = 3", "entry 3: was changed"),
    "gap": ("studies_studylog", f"DELETE FROM {{}} WHERE {LOGGED} = 3", "entry 3 is missing"),
    "joining gone": ("studies_studylog", "DELETE FROM {} WHERE chain LIKE 'list%%'", "is not in the log"),
    "permit": ("ratings_permit", "INSERT INTO {} (at) VALUES (CURRENT_TIMESTAMP)", "ratings_permit"),
}


@pytest.mark.parametrize("case", CASES)
def test_verifying_says_where_something_was_changed(case: str) -> None:
    study = make_study()
    person = services.join(study=study).participant
    with pytest.raises(Unknown):
        services.record_response(participant=person, body={"trial_id": "nobody's"})
    answer_all(person)
    services.finish(participant=person)
    out = io.StringIO()
    call_command("verify_study", study.slug, stdout=out)
    assert out.getvalue().startswith("13 entries, digest of the log")
    table, statement, expected = CASES[case]
    tamper(statement.format(table), table)
    problems = list(verify_study(study))
    assert any(expected in problem for problem in problems), problems
    with pytest.raises(CommandError, match="not as they were written"):
        call_command("verify_study", study.slug, stdout=out)


def test_a_participant_who_is_gone_is_missed() -> None:
    study = make_study()
    person = services.join(study=study).participant
    tamper("DELETE FROM ratings_trial", "ratings_trial")
    tamper("DELETE FROM ratings_participant", "ratings_participant")
    tamper("DELETE FROM studies_studylog WHERE chain LIKE 'p-%%'", "studies_studylog")
    assert list(verify_study(study)) == [
        f"participant {person.name}: joined (log of list 0, entry 0), is deleted"
    ]


def test_the_digest_of_the_log_shows_a_chain_cut_at_its_end() -> None:
    study = make_study()
    took_part(study)
    out = io.StringIO()
    call_command("verify_study", study.slug, stdout=out)
    digest = out.getvalue().split()[-1]
    call_command("verify_study", study.slug, expect=digest, stdout=out)
    took_part(study, recruit=None)
    with pytest.raises(CommandError):
        call_command("verify_study", study.slug, expect=digest, stdout=out)


def test_every_verb_leaves_a_log_that_holds() -> None:
    study = make_study(rehearsal=True)
    took_part(study)
    services.withdraw(participant=services.join(study=study).participant)
    erasing.erase_participant(code=took_part(study, recruit=None).participant.name)
    services.join(study=study, kind="robot")
    services.join(study=study, kind="preview")
    close(study=study, by=None)
    assert list(verify_study(study)) == []


@pytest.mark.parametrize("number", [-0.0, 0, 0.1, 1e-300, 100])
def test_the_log_takes_numbers_as_every_database_gives_them_back(number: float) -> None:
    study = make_study()
    participant = services.join(study=study).participant
    trial = participant.trials.filter(kind="rating").first()
    assert trial is not None
    values = dict.fromkeys(trial.planned["constructs"], number)
    services.record_response(participant=participant, body=answer_to(trial, values=values))
    assert list(verify_study(study)) == []
