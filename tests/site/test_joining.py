"""Joining: few statements whatever the plan, exact for a form posted twice, never of an older plan."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from almond.digest import digest_json
from ratings import services
from ratings.models import Arrival, Participant
from ratings.services import logging
from ratings.services.refusals import NotNow, TooMany
from ratings.services.verifying import verify_study
from studies.models import AssignmentList, Study, StudyLog
from studies.services import close
from studies.services.dealing import deal, digest_with_trials
from tests.site.small_study import make_matched_set, make_study

pytestmark = pytest.mark.django_db(transaction=True)
ADDRESS = "192.0.2.7"
TRANSACTION = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")
TABLE = re.compile(r"(?:ratings|studies)_\w+")
STATEMENTS = [
    "SELECT ratings_arrival",
    "SELECT ratings_participant",
    "SELECT studies_study",
    "SELECT studies_assignmentlist",
    "UPDATE studies_assignmentlist",
    "INSERT ratings_participant",
    "INSERT ratings_trial",
    "SELECT studies_studylog",
    "INSERT studies_studylog",
    "INSERT ratings_arrival",
]


def arrive(study: Study, token: str = "") -> Participant:
    """Join as a page does."""
    token = token or services.new_token()
    return services.arrive(study=study, token=token, recruit=None, address=ADDRESS).participant


def statements(work: Callable[[], Any]) -> list[str]:
    """Return verb and first table of every statement."""
    with CaptureQueriesContext(connection) as queries:
        work()
    texts = [query["sql"].strip() for query in queries if not query["sql"].startswith(TRANSACTION)]
    return [f"{sql.split()[0]} {TABLE.findall(sql)[0]}" for sql in texts]


@pytest.mark.parametrize(("scenes", "rating", "choice"), [(2, 2, 2), (9, 36, 18)])
def test_joining_takes_the_same_few_statements_whatever_the_plan(
    scenes: int, rating: int, choice: int
) -> None:
    study = make_study(
        matched_set=make_matched_set(scenes=scenes), rating_trials=rating, choice_trials=choice, n_lists=1
    )
    arrive(study)  # deals the list
    assert statements(lambda: arrive(study)) == STATEMENTS


def test_texts_of_every_kind_reach_the_trials(db: None) -> None:
    study = make_study(n_lists=1)
    awkward = 'Is "this" \\u001a, \\\\ or „jenes“ %s {} 😀?\n'
    row = study.lists.get()
    trials = [{**trial, "question": awkward} for trial in row.trials]
    AssignmentList.objects.filter(pk=row.pk).update(trials=trials)
    participant = arrive(study)
    written = list(participant.trials.order_by("index"))
    assert [trial.planned for trial in written] == trials
    assert [trial.name for trial in written] == [f"{participant.name}-t{n:03d}" for n in range(len(trials))]
    assert list(verify_study(study)) == []


def test_the_digest_of_a_join_is_that_of_its_rows(db: None) -> None:
    study = make_study(n_lists=1)
    participant = arrive(study)
    rows = logging.joined(participant, participant.trials.order_by("index"))
    assert StudyLog.objects.get(study=study, chain=participant.name).content == digest_json(rows)
    assert StudyLog.objects.get(study=study, chain="list 0").content == digest_json(rows)
    with pytest.raises(ValueError, match="before trials"):
        digest_with_trials({"zone": 1}, "[]")


def test_a_list_is_dealt_anew_for_another_plan(db: None) -> None:
    """Rows of tests and of restored databases come back under numbers that were seen before."""
    study = make_study(n_lists=1)
    row = study.lists.get()
    before = deal(study, row).of("p")
    trials = [{**trial, "question": "Another?"} for trial in row.trials]
    AssignmentList.objects.filter(pk=row.pk).update(trials=trials)
    assert deal(study, row).of("p") == before
    Study.objects.filter(pk=study.pk).update(plan_digest="f" * 64)
    study.refresh_from_db()
    participant = arrive(study)
    assert {trial.planned["question"] for trial in participant.trials.all()} == {"Another?"}


def test_one_form_posted_many_times_at_once_is_one_person_in_one_place() -> None:
    study = make_study(participants_planned=2, n_lists=1)
    arrive(study)
    token, gate = services.new_token(), threading.Barrier(6)

    def post(number: int) -> int:
        try:
            gate.wait()
            return arrive(study, token).pk
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(post, range(6)))) == 1
    assert study.participants.count() == 2
    assert study.lists.get().taken == 2
    assert list(verify_study(study)) == []


def test_nobody_gets_in_once_a_study_is_closed() -> None:
    study = make_study(participants_planned=40, n_lists=2)
    gate = threading.Barrier(5)

    def come(number: int) -> bool:
        try:
            gate.wait()
            if number == 0:
                close(study=Study.objects.get(pk=study.pk), by=None)
                return True
            for _ in range(4):
                arrive(study)
            return True
        except NotNow:
            return False
        finally:
            connections.close_all()

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(come, range(5)))
    closed_at = Study.objects.get(pk=study.pk).closed_at
    assert closed_at is not None
    count = study.participants.count()
    with pytest.raises(NotNow, match="closed"):
        arrive(study)
    assert study.participants.count() == count == sum(study.lists.values_list("taken", flat=True))


def test_who_is_not_let_in_counts_for_their_address(db: None) -> None:
    study = make_study(participants_planned=1, n_lists=1, joins_per_minute=3)
    arrive(study)
    for _ in range(2):
        with pytest.raises(NotNow, match="all its participants"):
            arrive(study)
    with pytest.raises(TooMany) as refusal:
        arrive(study)
    assert 1 <= refusal.value.retry_after <= 61
    assert Arrival.objects.filter(study=study).count() == 3


def test_a_join_that_fails_leaves_no_row_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    study = make_study(n_lists=1)

    def break_down(*anything: Any, **more: Any) -> None:
        raise RuntimeError("the last statement of a join")

    monkeypatch.setattr(Arrival, "save", break_down)
    with pytest.raises(RuntimeError):
        arrive(study)
    assert study.participants.count() == 0
    assert study.lists.get().taken == 0


def test_arrivals_go_two_minutes_later(db: None) -> None:
    study = make_study(n_lists=1)
    old = timezone.now() - timedelta(minutes=3)
    Arrival.objects.create(study=study, address_digest="a" * 64, at=old)
    refused = Arrival.objects.create(study=study, address_digest="b" * 64, at=old, refusal="full")
    arrive(study)
    assert list(Arrival.objects.filter(at=old)) == [refused]


def test_the_page_of_the_trials_reads_as_much_for_a_long_plan(db: None, client: Any) -> None:
    counts = []
    for scenes in (2, 9):
        study = make_study(
            matched_set=make_matched_set(f"{scenes} scenes", scenes=scenes),
            slug=f"scenes-{scenes}", rating_trials=4, choice_trials=2, n_lists=1,
        )  # fmt: skip
        token = services.join(study=study).token
        client.get(f"/take/{token}/state")  # reads the plan
        with CaptureQueriesContext(connection) as queries:
            assert client.get(f"/take/{token}/state").status_code == 200
        counts.append((len(queries), max(len(str(query["sql"])) for query in queries) < 3000))
    assert counts == [(3, True), (3, True)]
