"""Jobs: states and their ways, what the database refuses, who may run what."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import AuditEvent
from almond.errors import Cancelled, InputError
from jobs import services
from jobs.management.loop import work
from jobs.models import Job, State
from jobs.services import claims
from jobs.services.execution import HoldLost, Released, RunningJob, execute
from jobs.services.workers import Worker, this_machine
from tests.site import job_kinds

pytestmark = pytest.mark.django_db

HERE = Worker.this_process()
ELSEWHERE = Worker("another-machine/1", 1, 1)


@pytest.fixture(autouse=True)
def test_kinds() -> Iterator[None]:
    with job_kinds.registered():
        yield


def waiting(kind: str = "test.count", **fields: Any) -> Job:
    return Job.objects.create(kind=kind, **fields)


def running(worker: Worker = ELSEWHERE, **fields: Any) -> tuple[Job, claims.Claim]:
    job = waiting(**fields)
    taken = claims.claim(job, worker)
    assert taken is not None
    job.refresh_from_db()
    return job, taken


def silent_since(job: Job, seconds: float) -> None:
    Job.objects.filter(pk=job.pk).update(heartbeat=timezone.now() - timedelta(seconds=seconds))


class Heard:
    def __init__(self) -> None:
        self.said: list[tuple[float, str]] = []

    def report(self, fraction: float, message: str = "") -> None:
        self.said.append((fraction, message))


# -- asking


def test_a_job_is_asked_for_by_someone_and_waits(experimenter: Any) -> None:
    job = services.enqueue(kind="test.count", arguments={"a": 1}, by=experimenter)
    job.refresh_from_db()
    assert (job.state, job.arguments, job.requested_by) == (State.QUEUED, {"a": 1}, experimenter)
    assert AuditEvent.objects.filter(verb="enqueue", actor=experimenter, subject_id=str(job.pk)).exists()


def test_an_unknown_kind_is_refused_and_named() -> None:
    with pytest.raises(InputError, match=r"kind of job: 'encoder.fitt' is not known .*encoder\.fit,"):
        services.enqueue(kind="encoder.fitt", arguments={}, by=None)
    assert not Job.objects.exists()


def test_a_key_gives_the_same_job_while_it_is_active() -> None:
    first = services.enqueue(kind="test.count", arguments={}, by=None, key="fit:1")
    assert services.enqueue(kind="test.count", arguments={}, by=None, key="fit:1") == first
    services.run_now(first)
    assert services.enqueue(kind="test.count", arguments={}, by=None, key="fit:1") != first


def test_jobs_without_a_key_do_not_exclude_each_other() -> None:
    ask = {"kind": "test.count", "arguments": {}, "by": None}
    assert services.enqueue(**ask) != services.enqueue(**ask)


def test_the_job_is_handed_over_when_the_transaction_commits(
    settings: Any, django_capture_on_commit_callbacks: Any
) -> None:
    settings.JOBS_DISPATCHER = "inline"
    with django_capture_on_commit_callbacks(execute=True):
        job = services.enqueue(kind="test.count", arguments={}, by=None)
        assert Job.objects.get(pk=job.pk).state == State.QUEUED
    job.refresh_from_db()
    assert (job.state, job.result) == (State.DONE, {"steps": 1000})


# -- running


def test_a_job_runs_to_its_end() -> None:
    heard = Heard()
    job = services.run_now(waiting(), also=heard)
    assert (job.state, job.progress, job.result, job.attempts) == (State.DONE, 1.0, {"steps": 1000}, 1)
    assert job.worker == ""
    assert job.duration() == job.finished_at - job.started_at  # type: ignore[operator]
    assert len(heard.said) == 1000
    assert heard.said[500] == (0.5, "step 500")


def test_a_finished_job_is_not_run_again() -> None:
    job = services.run_now(waiting())
    finished = job.finished_at
    assert services.run_now(job).finished_at == finished
    assert job.attempts == 1


def test_a_users_mistake_is_told_in_their_words() -> None:
    job = services.run_now(waiting("test.mistake"))
    assert job.state == State.FAILED
    assert job.error == "mask.nii.gz: is empty (expected at least one voxel)"
    assert "looking at the mask" in job.log


def test_our_own_mistake_keeps_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    job = services.run_now(waiting("test.poison"))
    assert job.state == State.FAILED
    assert job.error.startswith("Something went wrong inside Almond (ZeroDivisionError: division by zero).")
    assert "job_kinds.py" in job.traceback
    assert "failed" in caplog.text


def test_a_result_that_is_no_json_fails_the_job() -> None:
    job = services.run_now(waiting("test.unpresentable"))
    assert job.state == State.FAILED
    assert "TypeError" in job.error


def test_a_kind_that_is_gone_fails_the_job_by_name() -> None:
    job = services.run_now(waiting("test.forgotten"))
    assert job.state == State.FAILED
    assert "'test.forgotten' is not known" in job.error


def test_a_poison_job_does_not_stop_the_loop() -> None:
    jobs = [waiting(kind) for kind in ("test.poison", "test.mistake", "test.count")]
    assert work(HERE, stopping=lambda: False, pause=lambda seconds: None, once=True) == 3
    assert [Job.objects.get(pk=job.pk).state for job in jobs] == [State.FAILED, State.FAILED, State.DONE]


def test_the_loop_waits_when_nothing_is_to_do_and_ends_when_told() -> None:
    stop = threading.Event()
    waits: list[float] = []

    def pause(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            stop.set()

    assert work(HERE, stopping=stop.is_set, pause=pause) == 0
    assert len(waits) == 3


# -- progress


def test_progress_is_written_now_and_then_and_told_always(django_assert_max_num_queries: Any) -> None:
    job, taken = running()
    at_work = RunningJob(job, taken)
    with django_assert_max_num_queries(20):
        for step in range(1000):
            at_work.report(step / 1000, "counting")
    at_work.flush()
    job.refresh_from_db()
    assert (job.progress, job.message) == (0.999, "counting")


def test_progress_outside_its_range_is_cut() -> None:
    job, taken = running()
    at_work = RunningJob(job, taken)
    at_work.report(1.0000001, "x" * 1000)
    job.refresh_from_db()
    assert job.progress == 1.0
    assert len(job.message) == 300


# -- cancelling, releasing, losing


def test_a_waiting_job_is_cancelled_at_once(experimenter: Any) -> None:
    job = services.cancel(job=waiting(), by=experimenter)
    assert job.state == State.CANCELLED
    assert job.finished_at is not None
    assert AuditEvent.objects.filter(verb="cancel", actor=experimenter).exists()


def test_a_running_job_hears_of_it_at_its_next_report() -> None:
    job, taken = running()
    services.cancel(job=job, by=None)
    with pytest.raises(Cancelled):
        RunningJob(job, taken).report(0.1)
    execute(taken)
    job.refresh_from_db()
    assert job.state == State.CANCELLED


def test_a_finished_job_cannot_be_cancelled() -> None:
    job = services.run_now(waiting())
    with pytest.raises(InputError, match=r"is done \(expected a waiting or running job\)"):
        services.cancel(job=job, by=None)


def test_a_stopping_worker_puts_its_job_back_without_counting_it() -> None:
    job, taken = running()
    execute(taken, stopping=lambda: True)
    job.refresh_from_db()
    assert (job.state, job.attempts, job.worker) == (State.QUEUED, 0, "")
    with pytest.raises(Released):
        RunningJob(job, taken, stopping=lambda: True).report(0.2)


def test_ctrl_c_puts_the_job_back_without_counting_it() -> None:
    class Impatient:
        def report(self, fraction: float, message: str = "") -> None:
            raise KeyboardInterrupt

    job = waiting()
    with pytest.raises(KeyboardInterrupt):
        services.run_now(job, also=Impatient())
    job.refresh_from_db()
    assert (job.state, job.attempts) == (State.QUEUED, 0)


def test_a_job_of_a_dead_process_is_run_here_and_now() -> None:
    job, _ = running(Worker(this_machine(), HERE.pid, HERE.began - 10_000), kind="test.count")
    assert services.run_now(job).state == State.DONE


@pytest.mark.parametrize("seconds", [59, 61])
def test_a_silent_worker_on_another_machine_loses_its_job_after_the_lease(seconds: float) -> None:
    job, _ = running()
    silent_since(job, seconds)
    assert claims.take_back_lost() == (seconds > 60)
    job.refresh_from_db()
    assert job.state == (State.QUEUED if seconds > 60 else State.RUNNING)
    assert job.attempts == 1


def test_a_dead_process_on_this_machine_loses_its_job_at_once() -> None:
    job, _ = running(Worker(this_machine(), HERE.pid, HERE.began - 10_000))
    assert claims.take_back_lost() == 1
    job.refresh_from_db()
    assert job.state == State.QUEUED


def test_a_living_process_keeps_its_job() -> None:
    running(HERE)
    assert claims.take_back_lost() == 0


def test_a_job_is_given_up_after_its_last_attempt() -> None:
    job, _ = running(max_attempts=1)
    silent_since(job, 100)
    claims.take_back_lost()
    job.refresh_from_db()
    assert job.state == State.FAILED
    assert "stopped once while it ran this job" in job.error


def test_a_lost_job_that_was_to_be_cancelled_is() -> None:
    job, _ = running()
    services.cancel(job=job, by=None)
    silent_since(job, 100)
    claims.take_back_lost()
    job.refresh_from_db()
    assert job.state == State.CANCELLED


def test_a_worker_that_lost_its_job_writes_nothing_more() -> None:
    job, late = running()
    silent_since(job, 100)
    claims.take_back_lost()
    job.refresh_from_db()
    assert claims.claim(job, HERE) is not None
    with pytest.raises(HoldLost):
        RunningJob(job, late).report(0.9, "still here")
    assert not late.done({"from": "the dead"})
    execute(late)
    job.refresh_from_db()
    assert (job.state, job.result, job.attempts) == (State.RUNNING, None, 2)


def test_only_one_of_two_claims_wins() -> None:
    job = waiting()
    first, second = (claims.claim(job, worker) for worker in (HERE, ELSEWHERE))
    assert first is not None
    assert second is None


# -- trying again


def test_a_failed_job_is_tried_again_from_the_start(experimenter: Any) -> None:
    job = services.run_now(waiting("test.mistake"))
    again = services.retry(job=job, by=experimenter)
    assert (again.state, again.attempts, again.error, again.finished_at) == (State.QUEUED, 0, "", None)
    assert "looking at the mask" in again.log


def test_a_done_job_is_not_tried_again() -> None:
    with pytest.raises(InputError, match="is done"):
        services.retry(job=services.run_now(waiting()), by=None)


def test_a_job_whose_key_was_taken_since_is_not_tried_again() -> None:
    job = services.cancel(job=services.enqueue(kind="test.count", arguments={}, by=None, key="k"), by=None)
    services.enqueue(kind="test.count", arguments={}, by=None, key="k")
    with pytest.raises(InputError, match="queued again since"):
        services.retry(job=job, by=None)


# -- what the database refuses

NOW = timezone.now()
HELD = {"state": "running", "worker": "m:1:1", "heartbeat": NOW, "started_at": NOW, "attempts": 1}


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("job_state_known|job_finished_has_time", {"state": "paused"}),
        ("job_progress_share", {"progress": 1.5}),
        ("job_progress_share", {"progress": -0.1}),
        ("job_attempts_bounded", {"attempts": 4, "max_attempts": 3}),
        ("job_attempts_bounded", {"max_attempts": 0}),
        ("job_running_is_held", {**HELD, "worker": ""}),
        ("job_running_is_held", {**HELD, "heartbeat": None}),
        ("job_running_is_held", {**HELD, "attempts": 0}),
        ("job_running_is_held", {"worker": "m:1:1"}),
        ("job_finished_has_time", {"state": "done"}),
        ("job_finished_has_time", {"state": "queued", "finished_at": NOW}),
        ("job_failed_says_why", {"state": "failed", "finished_at": NOW}),
    ],
)
def test_the_database_refuses(constraint: str, fields: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        waiting(**fields)


@pytest.mark.parametrize("state", ["queued", "running"])
def test_the_database_refuses_a_second_active_job_of_a_key(state: str) -> None:
    waiting(key="k", **(HELD if state == "running" else {}))
    with pytest.raises(IntegrityError), transaction.atomic():
        waiting(key="k")


def test_the_database_accepts_a_held_job() -> None:
    assert waiting(**HELD).pk


# -- workers


def test_a_worker_knows_its_own_name() -> None:
    assert Worker.parse(str(HERE)) == HERE
    assert not HERE.is_dead()
    assert not ELSEWHERE.is_dead()
    assert Worker(this_machine(), 2**22 + 1, HERE.began).is_dead()
