"""A study that the mock of Prolific drives through everything that can become of its people."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent
from almond.errors import InputError
from jobs.models import Job
from jobs.services import run_now
from ratings import services
from ratings.models import QUOTA_IS_FULL, PanelEvent, Participant, Submission, token_digest
from ratings.recruiting.mock import MockServer, MockSubmission, ProlificMock, Webhook
from ratings.recruiting.outcomes import Outcome
from ratings.recruiting.prolific_api import ProlificApi
from ratings.services import slots
from ratings.services.joining import Joined
from ratings.services.leaving import screen_out
from ratings.services.recruiting.approvals import approval_table
from ratings.services.recruiting.panels import reconcile
from ratings.services.visits.screening import end_visit
from studies.models import Study
from studies.services import close
from tests.site.recruited_study import recruit_by
from tests.site.small_study import answer_all, make_study

pytestmark = pytest.mark.django_db
Status = Participant.Status
THERE = "6500aa"
CODES = {str(outcome): f"CODE{number}" for number, outcome in enumerate(Outcome)}
SECRET = "a secret of webhooks"


@pytest.fixture(autouse=True)
def settings_of_prolific(settings: Any) -> Any:
    settings.PROLIFIC_TOKEN, settings.PROLIFIC_SECRET = "token", SECRET
    settings.PROLIFIC_APP = "https://app.prolific.com"
    return settings


@pytest.fixture
def mock() -> ProlificMock:
    return ProlificMock(token="token", secret=SECRET, page_size=3)


@pytest.fixture
def served(mock: ProlificMock, settings: Any) -> Iterator[ProlificMock]:
    """The mock behind an address that the site asks."""
    with MockServer(mock) as server:
        settings.PROLIFIC_API = server.address
        yield mock


@pytest.fixture(scope="module")
def study_pk(module_database: None) -> int:
    made = make_study(rating_trials=1, choice_trials=1, participants_planned=12, n_lists=2)
    pay = {"finished": "2.00", "screened_out": "0.20"}
    return recruit_by(made, "prolific", settings={"study_id": THERE}, codes=CODES, pay=pay).pk


@pytest.fixture
def study(study_pk: int) -> Study:
    return Study.objects.get(pk=study_pk)


def link_of(study: Study, mock: ProlificMock, row: MockSubmission) -> str:
    return mock.link(study.recruiting.source().link(study.join_path), row)


def arrive(study: Study, mock: ProlificMock) -> tuple[MockSubmission, Joined]:
    """Somebody comes from Prolific and agrees."""
    row = mock.arrive(THERE)
    client, address = Client(), link_of(study, mock, row)
    form = {"begin_token": client.get(address).context["begin_token"], "agreed": "yes"}
    token = client.post(address, form)["Location"].rstrip("/").split("/")[-1]
    return row, Joined(Participant.objects.get(token_digest=token_digest(token)), token)


def post(mock: ProlificMock, webhook: Webhook, **changes: str) -> Any:
    headers = {**mock.headers(webhook), **changes}
    kind = headers.pop("Content-Type")
    return Client().post(reverse("prolific_events"), webhook.body, content_type=kind, headers=headers)


def taken(study: Study) -> int:
    return sum(study.lists.values_list("taken", flat=True))


def holding(study: Study) -> int:
    return Participant.objects.filter(study=study).holding_a_slot().count()


def page_of(joined: Joined) -> Any:
    return Client().get(f"/take/{joined.token}/", follow=True)


def test_each_outcome_leaves_by_its_own_link_and_has_one_line_for_approval(
    study: Study, mock: ProlificMock, client: Any, settings: Any
) -> None:
    people = {outcome: arrive(study, mock) for outcome in Outcome if outcome is not Outcome.DECLINED}
    finished = people[Outcome.FINISHED][1]
    answer_all(finished.participant)
    services.finish(participant=finished.participant)
    screen_out(participant=people[Outcome.SCREENED_OUT][1].participant, reason="failed both checks")
    with transaction.atomic():
        end_visit(people[Outcome.QUOTA_FULL][1].participant, QUOTA_IS_FULL, Outcome.QUOTA_FULL)
    timed_out_row, timed_out = people[Outcome.TIMED_OUT]
    post(mock, mock.move(timed_out_row, "TIMED-OUT"))
    left = client.post(f"/take/{people[Outcome.WITHDRAWN][1].token}/withdraw")
    declined_row = mock.arrive(THERE)
    address = link_of(study, mock, declined_row)
    form = {"begin_token": client.get(address).context["begin_token"], "decline": "yes"}
    declined = client.post(address, form, follow=True)
    close(study=study, by=None)
    Study.objects.filter(pk=study.pk).update(grace_minutes=0)
    pages = {
        Outcome.FINISHED: page_of(finished),
        Outcome.SCREENED_OUT: page_of(people[Outcome.SCREENED_OUT][1]),
        Outcome.QUOTA_FULL: page_of(people[Outcome.QUOTA_FULL][1]),
        Outcome.DECLINED: declined,
        Outcome.TIMED_OUT: page_of(timed_out),
        Outcome.CLOSED: page_of(people[Outcome.CLOSED][1]),
        Outcome.WITHDRAWN: left,
    }
    assert set(pages) == set(Outcome)
    for outcome, page in pages.items():
        assert page.status_code == 200
        assert page.context["end"].outcome is outcome
        way = f"https://app.prolific.com/submissions/complete?cc={CODES[outcome]}"
        assert f'href="{way}"' in page.content.decode()
        assert CODES[outcome] in page.content.decode()
    # Who withdrew and who declined is known by the code that they hand in, and by nothing else.
    mock.complete(people[Outcome.WITHDRAWN][0], CODES["withdrawn"])
    mock.complete(declined_row, CODES["declined"])
    with MockServer(mock) as server:
        settings.PROLIFIC_API = server.address
        reconcile(study)
    study.refresh_from_db()
    lines = list(csv.DictReader(io.StringIO(approval_table(study))))
    assert len(lines) == len(mock.submissions) == 7
    known = [row.participant for row in mock.submissions.values()]
    assert sorted(line["id"] for line in lines) == sorted(known)
    by_id = {line["id"]: line for line in lines}
    told = {outcome: by_id[row.participant] for outcome, (row, _) in people.items()}
    assert [told[Outcome.FINISHED][name] for name in ("outcome", "decision", "pay", "code")] == [
        *("finished", "approve", "2.00", CODES["finished"])
    ]
    assert (told[Outcome.SCREENED_OUT]["decision"], told[Outcome.SCREENED_OUT]["pay"]) == ("approve", "0.20")
    assert told[Outcome.QUOTA_FULL]["outcome"] == "quota full"
    assert told[Outcome.TIMED_OUT]["decision"] == "timed out there, nothing to pay"
    assert told[Outcome.CLOSED]["decision"] == "ask to return"
    assert (told[Outcome.WITHDRAWN]["outcome"], told[Outcome.WITHDRAWN]["participant"]) == ("withdrawn", "")
    assert by_id[declined_row.participant]["outcome"] == "no consent"
    assert timed_out.participant.name in {line["participant"] for line in lines}


def test_who_timed_out_at_the_panel_gets_the_page_for_it(study: Study, mock: ProlificMock) -> None:
    row, joined = arrive(study, mock)
    assert post(mock, mock.move(row, "TIMED-OUT")).json() == {"taken": True, "effect": "applied"}
    page = page_of(joined)
    assert page.context["end"].outcome is Outcome.TIMED_OUT
    assert f"cc={CODES['timed_out']}" in page.content.decode()
    assert "quote this ID" in page.content.decode()


@pytest.mark.parametrize("said", ["RETURNED", "TIMED-OUT", "REJECTED"])
@pytest.mark.parametrize("has_finished", [False, True], ids=["inside", "finished"])
def test_a_place_that_the_panel_offers_again_is_free_once(
    study: Study, mock: ProlificMock, said: str, has_finished: bool
) -> None:
    arrive(study, mock)
    row, joined = arrive(study, mock)
    if has_finished:
        answer_all(joined.participant)
        services.finish(participant=joined.participant)
        post(mock, mock.complete(row, CODES["finished"]))
    assert taken(study) == holding(study) == 2
    webhook = mock.move(row, said)
    for _ in range(3):  # at least once is what Prolific promises
        assert post(mock, webhook).status_code == 200
    assert taken(study) == holding(study) == 1
    joined.participant.refresh_from_db()
    assert joined.participant.status == (Status.FINISHED_LATE if has_finished else Status.TIMED_OUT)
    if has_finished:
        assert joined.participant.completion_code == CODES["finished"]
    assert PanelEvent.objects.filter(event_id=webhook.event_id).count() == 1
    assert AuditEvent.objects.filter(verb="reopen place").count() == 1
    # What they go on to do is stored, and takes no place from whoever came instead.
    if not has_finished:
        answer_all(joined.participant)
        done = services.finish(participant=joined.participant)
        assert done.status == Status.FINISHED_LATE
    assert taken(study) == holding(study) == 1


def test_a_rejection_that_is_taken_back_takes_a_place_again_where_there_is_one(
    study: Study, mock: ProlificMock
) -> None:
    row, joined = arrive(study, mock)
    answer_all(joined.participant)
    services.finish(participant=joined.participant)
    for status, at in (("AWAITING REVIEW", 10), ("REJECTED", 20), ("APPROVED", 30)):
        webhook = mock.move(row, status)
        webhook.at += at
        post(mock, webhook)
    joined.participant.refresh_from_db()
    assert joined.participant.status == Status.FINISHED
    assert taken(study) == holding(study) == 1
    assert not slots.restore_slot(joined.participant)
    assert taken(study) == 1


ALL = ("RESERVED", "ACTIVE", "AWAITING REVIEW", "APPROVED")
ENDINGS = [
    (*ALL[:2], "RETURNED"),
    (*ALL[:2], "TIMED-OUT"),
    (*ALL[:3], "REJECTED"),
    (*ALL[:3], "RETURNED"),
    (*ALL[:3], "SCREENED OUT"),
    ALL,
    (*ALL[:3], "REJECTED", "APPROVED"),
]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("statuses", ENDINGS, ids=lambda statuses: " ".join(statuses[2:]))
def test_webhooks_in_any_order_and_more_than_once_end_as_in_their_own(
    study: Study, mock: ProlificMock, statuses: tuple[str, ...], seed: int
) -> None:
    row, joined = arrive(study, mock)
    answer_all(joined.participant)
    services.finish(participant=joined.participant)
    webhooks = [mock.move(row, status) for status in statuses]
    for second, webhook in enumerate(webhooks):
        # Two of them in one second: then a later stage of a visit counts.
        webhook.at += (second // 2) * 1 if statuses[-1] == "APPROVED" else second
    shuffled = [*webhooks, *webhooks]
    random.Random(seed).shuffle(shuffled)  # the order of the test alone
    for webhook in shuffled:
        assert post(mock, webhook).status_code == 200
    submission = Submission.objects.get()
    final = statuses[-1].lower().replace("-", "_").replace(" ", "_")
    assert submission.status == final
    assert PanelEvent.objects.count() == len(webhooks)
    gone = final in Submission.GIVEN_BACK
    joined.participant.refresh_from_db()
    assert joined.participant.status == (Status.FINISHED_LATE if gone else Status.FINISHED)
    assert taken(study) == holding(study) == (0 if gone else 1)


def test_a_late_webhook_overrides_nothing_that_asking_found(study: Study, served: ProlificMock) -> None:
    row, joined = arrive(study, served)
    early = served.move(row, "RETURNED")
    early.at -= 3600
    served.move(row, "APPROVED")
    reconcile(study)
    assert post(served, early).json()["effect"] == "stale"
    assert Submission.objects.get().status == "approved"
    joined.participant.refresh_from_db()
    assert joined.participant.status == Status.ACTIVE


def test_asking_finds_what_no_webhook_said_on_every_page(study: Study, served: ProlificMock) -> None:
    people = [arrive(study, served) for _ in range(8)]
    for number, (row, _) in enumerate(people):
        if number % 2:
            served.move(row, "RETURNED")
    strangers = [served.arrive(THERE), served.arrive("another study")]
    first = reconcile(study)
    assert (first.listed, first.news) == (9, 9)
    assert Submission.objects.count() == 9
    assert taken(study) == holding(study) == 4
    assert reconcile(study).news == 0
    assert strangers[1].participant not in approval_table(study)
    out = io.StringIO()
    call_command("reconcile", stdout=out)
    assert out.getvalue() == "scenes: 9 submissions, 0 with news\n"


def test_the_page_asks_in_a_job(study: Study, served: ProlificMock, staff_client: Any) -> None:
    arrive(study, served)
    staff_client.post(reverse("admin:ratings_recruiting_ask", args=[study.pk]))
    job = run_now(Job.objects.get(kind="ratings.reconcile"))
    assert job.state == "done", job.error
    assert job.result == {"listed": 1, "news": 1, "statuses": {"active": 1}}


FORGED = {
    "another body": (403, {}),
    "no signature": (403, {"X-Prolific-Request-Signature": ""}),
    "another time": (403, {"X-Prolific-Request-Timestamp": "1700000000"}),
    "no time": (403, {"X-Prolific-Request-Timestamp": ""}),
}


@pytest.mark.parametrize("forgery", FORGED)
def test_a_webhook_that_is_not_prolifics_changes_nothing(
    study: Study, mock: ProlificMock, forgery: str
) -> None:
    row, _ = arrive(study, mock)
    webhook = mock.move(row, "RETURNED")
    status, changes = FORGED[forgery]
    changed = Webhook(webhook.event_id, webhook.at, webhook.body.replace(b"RETURNED", b"APPROVED"))
    signature = mock.headers(webhook)["X-Prolific-Request-Signature"]
    if forgery == "another body":
        webhook, changes = changed, {"X-Prolific-Request-Signature": signature}
    reply = post(mock, webhook, **changes)
    assert reply.status_code == status
    assert not PanelEvent.objects.exists()
    assert taken(study) == 1


def test_a_webhook_of_long_ago_is_refused_however_well_it_is_signed(study: Study, mock: ProlificMock) -> None:
    row, _ = arrive(study, mock)
    webhook = mock.move(row, "RETURNED")
    now = timezone.now().timestamp()
    mock.clock = lambda: now - 700
    assert post(mock, webhook).status_code == 403
    mock.clock = lambda: now
    assert post(mock, webhook).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "effect"),
    [
        ({"event_type": "study.status.change", "resource_id": "x", "status": "COMPLETED"}, 200, "ignored"),
        ({"event_type": "submission.status.change", "resource_id": "x", "participant_id": "nobody",
          "status": "RETURNED"}, 200, "unknown"),
        ({"event_type": "submission.status.change", "resource_id": "x", "participant_id": "y",
          "status": "A NEW ONE"}, 200, "ignored"),
        ({"event_type": "submission.status.change", "resource_id": "x"}, 400, None),
    ],
)  # fmt: skip
def test_webhooks_about_nobody_here_are_taken_and_do_nothing(
    study: Study, mock: ProlificMock, body: dict[str, str], status: int, effect: str | None
) -> None:
    webhook = Webhook("an event", int(timezone.now().timestamp()), json.dumps(body).encode())
    reply = post(mock, webhook)
    assert reply.status_code == status
    assert reply.json().get("effect") == effect
    assert not Submission.objects.exists()


def test_without_a_secret_there_is_no_webhook(study: Study, mock: ProlificMock, settings: Any) -> None:
    row, _ = arrive(study, mock)
    settings.PROLIFIC_SECRET = ""
    assert post(mock, mock.move(row, "RETURNED")).status_code == 404


def test_somebody_in_two_studies_is_not_mixed_up(study: Study, served: ProlificMock) -> None:
    other = make_study(slug="other", rating_trials=1, choice_trials=1, matched_set=study.matched_set)
    other = recruit_by(other, "prolific", settings={"study_id": "another"})
    row, joined = arrive(study, served)
    again = served.arrive("another", row.participant)
    client, address = Client(), link_of(other, served, again)
    client.post(address, {"begin_token": client.get(address).context["begin_token"], "agreed": "yes"})
    assert post(served, served.move(row, "RETURNED")).json()["effect"] == "unknown"
    reconcile(study)
    reconcile(other)
    joined.participant.refresh_from_db()
    assert joined.participant.status == Status.TIMED_OUT
    assert other.participants.get().status == Status.ACTIVE
    assert post(served, served.move(again, "RETURNED")).json()["effect"] == "applied"
    assert other.participants.get().status == Status.TIMED_OUT


def test_what_prolific_answers_wrongly_is_said_in_words(served: ProlificMock, settings: Any) -> None:
    with pytest.raises(InputError, match=r"status 401 \(expected a valid token in ALMOND_PROLIFIC_TOKEN\)"):
        list(ProlificApi(settings.PROLIFIC_API, "wrong").submissions(THERE))
    with pytest.raises(InputError, match="ALMOND_PROLIFIC_TOKEN: is not set"):
        ProlificApi(settings.PROLIFIC_API, "")
    with pytest.raises(InputError, match=r"cannot be reached at http://127\.0\.0\.1:9 "):
        list(ProlificApi("http://127.0.0.1:9", "token").submissions(THERE))


def test_the_mock_serves_no_site_that_speaks_to_the_real_prolific(study: Study, settings: Any) -> None:
    settings.PROLIFIC_API = "https://api.prolific.com"
    with pytest.raises(InputError, match=r"ALMOND_PROLIFIC_API: is https://api\.prolific\.com"):
        call_command("mock_prolific", study.slug)
    with pytest.raises(InputError, match="'nowhere' is not known"):
        call_command("mock_prolific", "nowhere")


def test_no_id_is_in_any_export_or_readable_in_the_database(study: Study, served: ProlificMock) -> None:
    row, joined = arrive(study, served)
    answer_all(joined.participant)
    services.finish(participant=joined.participant)
    reconcile(study)
    post(served, served.move(row, "APPROVED"))
    tables = json.dumps(services.export_tables(study), default=str)
    dumped = io.StringIO()
    call_command("dumpdata", "ratings", "studies", "accounts", stdout=dumped)
    for secret in (row.participant, row.id):
        assert secret not in tables
        assert secret not in dumped.getvalue()
    Study.objects.filter(pk=study.pk).update(
        state="closed", closed_at=timezone.now() - timedelta(days=9), retention_days=7
    )
    PanelEvent.objects.create(source="prolific", event_id="old", at=timezone.now(), kind="x", effect="stale")
    PanelEvent.objects.filter(event_id="old").update(received_at=timezone.now() - timedelta(days=91))
    call_command("prune", stdout=io.StringIO())
    assert not Submission.objects.exists()
    assert list(PanelEvent.objects.values_list("effect", flat=True)) == ["applied"]
