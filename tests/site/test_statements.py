"""The statements of an answer: how many, what they read, and what they store together or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import IntegrityError, connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from almond.digest import digest_json
from lab.written_together import write_together
from ratings import services
from ratings.models import Attempt, Participant, Response, Trial
from ratings.services import erasing, logging
from ratings.services.refusals import Malformed
from ratings.services.verifying import verify_study
from ratings.statements import ASKED, find_asked
from studies.models import StudyLog
from tests.site.small_study import answer_to, make_study

pytestmark = pytest.mark.django_db
on_postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="of PostgreSQL")
SEEN = "UPDATE ratings_participant SET attempts_over = attempts_over + 1 WHERE id = %s"


@pytest.mark.django_db(transaction=True)
def test_an_answer_takes_one_read_and_one_transaction() -> None:
    joined = services.join(study=make_study())
    client, address = Client(), reverse("participant_responses", args=[joined.token])
    for trial in joined.participant.trials.order_by("index")[:2]:
        with CaptureQueriesContext(connection) as queries:
            reply = client.post(address, json.dumps(answer_to(trial)), content_type="application/json")
        assert reply.status_code == 200
        verbs = [query["sql"].split()[0] for query in queries]
        together = {
            "postgresql": ["WITH"],
            "sqlite": ["BEGIN", "UPDATE", "INSERT", "INSERT", "INSERT", "COMMIT"],
        }
        assert verbs == ["SELECT", *together[connection.vendor]]


def rows_read(plan: dict[str, Any]) -> float:
    """Rows that the nodes of a plan of PostgreSQL gave or threw away."""
    own = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    return float(own + sum(map(rows_read, plan.get("Plans", []))))


def rows_read_for(name: str) -> float | None:
    """Rows that the read of an answer touches; None on SQLite, which tells that each is found by an index."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {ASKED.sql}", [name])
            steps = [detail for *_, detail in cursor.fetchall()]
            assert not [step for step in steps if step.startswith("SCAN")], steps
            return None
        # What an autovacuum counted a while ago, or nobody has, leads to other ways of reading: count now.
        cursor.execute("ANALYZE")
        # A table of few rows is read as a whole, and joined as a whole.
        for way in ("seqscan", "hashjoin", "mergejoin"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {ASKED.sql}", [name])
        (explained,) = cursor.fetchone()
    plans = explained if isinstance(explained, list) else json.loads(explained)
    return rows_read(plans[0]["Plan"])


def add_trials(participant: Participant, count: int) -> None:
    """Plan further trials, as a study that decides while it goes may."""
    last = participant.trials.order_by("index").last()
    assert last is not None
    fields = {"block": last.block, "kind": last.kind, "planned": last.planned, "digests": last.digests}
    indexes = range(last.index + 1, last.index + 1 + count)
    Trial.objects.bulk_create(
        Trial(participant=participant, index=index, name=f"{participant.name}-t{index:03d}", **fields)
        for index in indexes
    )


def test_what_is_read_for_an_answer_does_not_grow_with_the_trials() -> None:
    participant = services.join(study=make_study()).participant
    add_trials(participant, 150)
    trials = list(participant.trials.order_by("index"))
    read = {}
    for trial in trials:
        if trial.index in (3, 150):
            read[trial.index] = rows_read_for(trial.name)
        services.record_response(participant=participant, body=answer_to(trial))
    assert read[3] == read[150]


def test_where_the_answers_have_got_to_follows_them_and_tells_what_is_out_of_order() -> None:
    participant = services.join(study=make_study()).participant
    trials = list(participant.trials.order_by("index"))
    below = []
    for index in (0, 2, 1, 3, 6, 4, 5):
        services.record_response(participant=participant, body=answer_to(trials[index]))
        participant.refresh_from_db()
        below.append(participant.answered_below)
    assert below == [1, 1, 2, 4, 4, 5, 6]
    marked = [row.trial.index for row in Response.objects.all() if "out_of_order" in row.marks]
    assert sorted(marked) == [2, 6]


def test_who_joined_before_the_count_was_kept_is_judged_by_what_is_stored() -> None:
    participant = services.join(study=make_study()).participant
    trials = list(participant.trials.order_by("index"))
    for trial in trials[:3]:
        services.record_response(participant=participant, body=answer_to(trial))
    Participant.objects.update(answered_below=0)
    asked = find_asked(trials[3].name), find_asked(trials[4].name)
    assert [trial.earlier_open for trial in asked if trial] == [False, True]


def overtaken(monkeypatch: pytest.MonkeyPatch, participant: Participant, other: Trial) -> list[str]:
    """Let another answer of the participant be stored after the first read of the next one."""
    reads: list[str] = []

    def read(name: str) -> Any:
        reads.append(name)
        asked = find_asked(name)
        if len(reads) == 1:
            services.record_response(participant=participant, body=answer_to(other))
        return asked

    monkeypatch.setattr("ratings.services.recording.find_asked", read)
    return reads


def test_an_answer_that_another_has_overtaken_looks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    study = make_study()
    participant = services.join(study=study).participant
    first, second = participant.trials.order_by("index")[:2]
    reads = overtaken(monkeypatch, participant, second)
    recorded = services.record_response(participant=participant, body=answer_to(first))
    assert (recorded.outcome, reads) == ("stored", [first.name, second.name, first.name])
    assert set(Response.objects.values_list("trial", flat=True)) == {first.pk, second.pk}
    assert list(verify_study(study)) == []


def test_the_first_of_two_answers_to_a_trial_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    study = make_study()
    participant = services.join(study=study).participant
    trial = participant.trials.get(index=0)
    overtaken(monkeypatch, participant, trial)
    body = answer_to(trial)
    recorded = services.record_response(participant=participant, body=body)
    assert recorded.outcome == "duplicate"
    assert str(recorded.response.response_id) != body["response_id"]
    assert list(verify_study(study)) == []


def test_an_id_of_another_trial_is_refused_and_the_attempt_written_down() -> None:
    study = make_study()
    one, other = (services.join(study=study).participant for _ in range(2))
    first = answer_to(one.trials.get(index=0))
    services.record_response(participant=one, body=first)
    again = answer_to(other.trials.get(index=0), response_id=first["response_id"])
    with pytest.raises(Malformed, match="used for another trial"):
        services.record_response(participant=other, body=again)
    assert Attempt.objects.get(participant=other).outcome == "refused"
    assert list(verify_study(study)) == []


def test_a_violated_constraint_that_is_nobodys_answer_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    participant = services.join(study=make_study()).participant
    body = answer_to(participant.trials.get(index=0))

    def violate(*arguments: Any, **named: Any) -> None:
        raise IntegrityError("reaction_time_not_negative")

    monkeypatch.setattr("ratings.services.recording.store_seen", violate)
    with pytest.raises(IntegrityError, match="reaction_time_not_negative"):
        services.record_response(participant=participant, body=body)


# Rows that are written together


def attempts(participant: Participant, *statuses: int) -> list[Attempt]:
    return [Attempt(participant=participant, outcome="refused", status=status) for status in statuses]


def test_rows_are_stored_with_the_change_and_know_their_keys() -> None:
    participant = services.join(study=make_study()).participant
    rows = attempts(participant, 400, 403)
    assert write_together(SEEN, [participant.pk], rows)
    stored = {row.pk: (row.status, row.at) for row in participant.attempts.all()}
    assert stored == {row.pk: (row.status, row.at) for row in rows}
    participant.refresh_from_db()
    assert participant.attempts_over == 1


def test_nothing_is_stored_where_the_change_hits_no_row() -> None:
    participant = services.join(study=make_study()).participant
    assert not write_together(SEEN, [-1], attempts(participant, 400))
    assert not Attempt.objects.exists()


def test_nothing_is_stored_where_a_row_is_refused_and_the_transaction_goes_on() -> None:
    participant = services.join(study=make_study()).participant
    wrong = StudyLog.objects.last_of(participant.study_id, participant.name)
    assert wrong is not None
    again = StudyLog(study_id=wrong.study_id, chain=wrong.chain, number=wrong.number, content="0" * 64)
    with pytest.raises(IntegrityError):
        write_together(SEEN, [participant.pk], [*attempts(participant, 400), again])
    participant.refresh_from_db()
    assert (participant.attempts_over, Attempt.objects.count()) == (0, 0)


# The log


def test_an_entry_that_numbers_its_attempt_as_earlier_versions_did_is_verified() -> None:
    study = make_study()
    participant = services.join(study=study).participant
    services.record_response(participant=participant, body=answer_to(participant.trials.get(index=0)))
    response, attempt = Response.objects.get(), Attempt.objects.get()
    entry = StudyLog.objects.filter(kind="response")
    for contents, problems in ((logging.answered_numbered(response, attempt), 0), ({"another": 1}, 1)):
        with erasing.permitted():
            entry.update(content=digest_json(contents))
        assert len(list(verify_study(study))) == problems


# The connection


@pytest.fixture
def usual() -> Iterator[Any]:
    """The connection of this thread, opened and outside of any transaction."""
    connections["default"].ensure_connection()
    yield connections["default"]
    connections["default"].close()


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_connection_that_stands_is_not_asked_and_one_that_was_ended_is_opened_anew(usual: Any) -> None:
    assert usual.is_usable()
    own = usual.connection.info.backend_pid
    other = usual.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", [own])
        assert "SELECT 1" not in cursor.fetchone()[0]
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [own])
        assert cursor.fetchone() == (True,)
    other.close()
    assert not usual.is_usable()
    usual.health_check_enabled, usual.health_check_done = True, False
    assert Participant.objects.count() == 0
    assert usual.connection.info.backend_pid != own


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_connection_with_a_notice_waiting_is_asked_and_still_stands(usual: Any) -> None:
    with usual.cursor() as cursor:
        cursor.execute("LISTEN almond_test")
    other = usual.copy()
    with other.cursor() as cursor:
        cursor.execute("NOTIFY almond_test")
    other.close()
    assert usual.is_usable()


def test_moments_are_stored_as_the_log_says_them() -> None:
    """The digest of an entry holds its moment; what is read back is the same to the microsecond."""
    participant = services.join(study=make_study()).participant
    before = timezone.now()
    services.record_response(participant=participant, body=answer_to(participant.trials.get(index=0)))
    participant.refresh_from_db()
    response = Response.objects.get()
    assert before <= response.received_at == participant.last_seen_at <= timezone.now()
