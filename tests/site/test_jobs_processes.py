"""Jobs between real processes: two workers, a worker that is killed, a Celery worker behind a real Redis.

The database is the one of the test run: a SQLite file, or PostgreSQL when ``DATABASE_URL`` names one.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.db import connection

from jobs import services
from jobs.models import Job, State
from tests.site import job_kinds

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 60.0


@pytest.fixture(autouse=True)
def test_kinds() -> Iterator[None]:
    with job_kinds.registered():
        yield


def wait_for(condition: Callable[[], Any], what: str) -> None:
    """Look again and again, at most ``PATIENCE`` seconds; nothing here depends on how long it takes."""
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.05)):
        if condition():
            return
        pause.wait(0.05)
    raise AssertionError(f"waited {PATIENCE:.0f} s in vain for {what}")


def test_database_url() -> str:
    """The address under which another process finds the database of this test."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    parts = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(parts._replace(path=f"/{name}"))


test_database_url.__test__ = False  # type: ignore[attr-defined]


class Processes:
    """Worker processes on the test's database, all ended when the test ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, *words: str, **environment: str) -> subprocess.Popen[bytes]:
        log = (self.folder / f"process-{len(self.started)}.log").open("wb")
        with log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.site.job_kinds", *words],
                cwd=settings.BASE_DIR,
                env={
                    **os.environ,
                    "DATABASE_URL": test_database_url(),
                    "DJANGO_SETTINGS_MODULE": "config.settings",
                    **environment,
                },
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.started.append(process)
        return process

    def logs(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("process-*.log")))

    def stop(self) -> None:
        for process in self.started:
            process.kill()
            process.wait()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    found = Processes(tmp_path)
    yield found
    found.stop()


def waiting(kind: str, **arguments: Any) -> Job:
    return Job.objects.create(kind=kind, arguments={name: str(value) for name, value in arguments.items()})


def state(job: Job) -> str:
    job.refresh_from_db()
    return job.state


def long_job(folder: Path) -> Job:
    return waiting("test.wait", file=folder / "ran", began=folder / "began", until=folder / "until")


def test_two_workers_run_each_job_once(processes: Processes, tmp_path: Path) -> None:
    jobs = [waiting("test.note", file=tmp_path / "ran") for _ in range(40)]
    workers = [processes.start("worker", "--once") for _ in range(2)]
    assert [worker.wait(PATIENCE) for worker in workers] == [0, 0], processes.logs()
    assert {state(job) for job in jobs} == {State.DONE}
    ran = [int(line.split()[0]) for line in (tmp_path / "ran").read_text().splitlines()]
    assert sorted(ran) == [job.pk for job in jobs]
    assert {job.attempts for job in jobs} == {1}


def test_a_killed_workers_job_is_taken_up_again_and_done_once(processes: Processes, tmp_path: Path) -> None:
    job = long_job(tmp_path)
    first = processes.start("worker")
    wait_for((tmp_path / "began").exists, "the first worker to begin")
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert state(job) == State.RUNNING

    (tmp_path / "until").touch()
    assert processes.start("worker", "--once").wait(PATIENCE) == 0, processes.logs()
    assert state(job) == State.DONE
    assert job.attempts == 2
    assert len((tmp_path / "ran").read_text().splitlines()) == 1


def test_a_worker_that_is_told_to_stop_gives_its_job_back(processes: Processes, tmp_path: Path) -> None:
    job = long_job(tmp_path)
    worker = processes.start("worker")
    wait_for((tmp_path / "began").exists, "the worker to begin")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE) == 0, processes.logs()
    assert state(job) == State.QUEUED
    assert job.attempts == 0


def test_a_running_job_is_cancelled_from_elsewhere(processes: Processes, tmp_path: Path) -> None:
    job = long_job(tmp_path)
    worker = processes.start("worker")
    wait_for((tmp_path / "began").exists, "the worker to begin")
    services.cancel(job=job, by=None)
    wait_for(lambda: state(job) == State.CANCELLED, "the job to be cancelled")
    assert not (tmp_path / "ran").exists()

    after = waiting("test.note", file=tmp_path / "ran")
    wait_for(lambda: state(after) == State.DONE, "the worker to go on with the next job")
    worker.send_signal(signal.SIGINT)
    assert worker.wait(PATIENCE) == 0, processes.logs()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    """A real Redis behind a socket of its own."""
    found = shutil.which("redis-server")
    if found is None:
        pytest.skip("redis-server is not installed (Debian: redis-server)")
    path = tmp_path / "redis.sock"
    with subprocess.Popen(
        [found, "--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
    ) as server:
        wait_for(path.exists, "Redis")
        yield f"redis+socket://{path}"
        server.terminate()


def test_a_celery_worker_runs_what_the_broker_brings_and_what_it_lost(
    processes: Processes, broker: str, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobs.tasks import app

    settings.JOBS_DISPATCHER = "celery"
    monkeypatch.setitem(app.conf, "broker_url", broker)
    unheard = waiting("test.note", file=tmp_path / "ran")  # no message was ever sent for this one
    command = ["celery", "-A", "config.celery", "worker", "--pool", "solo", "--loglevel", "INFO"]
    worker = processes.start(
        *command, "--without-mingle", "--without-gossip", ALMOND_BROKER=broker, ALMOND_JOBS="celery"
    )
    wait_for(lambda: state(unheard) == State.DONE or worker.poll() is not None, "the waiting job")
    assert worker.poll() is None, processes.logs()

    sent = services.enqueue(
        kind="test.note", arguments={"file": str(tmp_path / "ran")}, by=None, key="once only"
    )
    wait_for(lambda: state(sent) == State.DONE, "the sent job")
    app.send_task("jobs.tasks.run_job", args=[sent.pk])  # the same message again
    last = services.enqueue(kind="test.note", arguments={"file": str(tmp_path / "ran")}, by=None)
    wait_for(lambda: state(last) == State.DONE, "the job after the repeated message")
    ran = [int(line.split()[0]) for line in (tmp_path / "ran").read_text().splitlines()]
    assert ran == [unheard.pk, sent.pk, last.pk]
    app.pool.force_close_all()
