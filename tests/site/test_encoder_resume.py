"""Ten subjects, a worker process that is killed in the middle, and another that goes on: each subject is
fitted exactly once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as site

from encoder import services
from encoder.models import Encoder, EncoderVersion
from jobs.models import Job, State
from tests.site.encoder_rows import SETTINGS, add_encoder, write_bids
from tests.site.test_jobs_processes import test_database_url, wait_for

pytestmark = pytest.mark.django_db(transaction=True)

SUBJECTS = [f"{number:02d}" for number in range(1, 11)]


@pytest.fixture
def encoder(tmp_path: Path, settings: Any) -> Encoder:
    settings.ALMOND_HOME = tmp_path / "home"
    root = write_bids(tmp_path / "bids", subjects=SUBJECTS)
    return add_encoder(root, config={**SETTINGS, "permutations": 8})


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[Any]:
    """Starts ``manage.py worker`` on the test's database; every worker is ended when the test ends."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> subprocess.Popen[bytes]:
        with (tmp_path / f"worker-{len(started)}.log").open("wb") as log:
            started.append(
                subprocess.Popen(
                    [sys.executable, "manage.py", "worker", *words],
                    cwd=site.BASE_DIR,
                    env={
                        **os.environ,
                        "DATABASE_URL": test_database_url(),
                        "ALMOND_HOME": str(tmp_path / "home"),
                    },
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def done() -> set[str]:
    jobs = Job.objects.filter(kind="encoder.fit", state=State.DONE)
    return {job.arguments["subject"] for job in jobs}


def written(home: Path) -> dict[Path, tuple[int, int, int]]:
    """Inode, time and size of every file of an artifact: a file written again has others."""
    files = [path for path in home.glob("artifacts/*/*") if len(path.parent.name) == 64]
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns, path.stat().st_size) for path in files}


def test_a_killed_worker_costs_no_fit_and_none_is_done_twice(
    encoder: Encoder, start_worker: Any, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    services.start_fit(encoder=encoder, by=None)
    first = start_worker()
    # In the middle of a subject: three are done, and of a fourth a region is on disk while its job runs.
    wait_for(lambda: len(done()) >= 3 and first.poll() is None, "three subjects")
    wait_for(lambda: Job.objects.running().filter(kind="encoder.fit").exists(), "a fourth to begin")
    first.send_signal(signal.SIGKILL)
    first.wait()
    finished, kept = done(), written(home)
    broken = Job.objects.running().get()
    assert 3 <= len(finished) < len(SUBJECTS)
    assert broken.arguments["subject"] not in finished
    rows = set(EncoderVersion.objects.values_list("pk", "digest", "created_at"))

    second = start_worker()
    wait_for(lambda: done() == set(SUBJECTS) or second.poll() is not None, "the other subjects")
    assert second.poll() is None, (tmp_path / "worker-1.log").read_text()
    broken.refresh_from_db()
    assert (broken.state, broken.attempts) == (State.DONE, 2)
    attempts = Job.objects.filter(kind="encoder.fit").exclude(pk=broken.pk).values_list("attempts", flat=True)
    assert set(attempts) == {1}

    found = [(one.subject, one.region.name) for one in EncoderVersion.objects.select_related("region")]
    assert sorted(found) == sorted((subject, name) for subject in SUBJECTS for name in ("LB", "CM"))
    digests = set(EncoderVersion.objects.values_list("digest", flat=True))
    folders = {path.name for path in (home / "artifacts").iterdir() if len(path.name) == 64}
    assert folders == digests
    assert len(digests) == 2 * len(SUBJECTS)
    assert rows <= set(EncoderVersion.objects.values_list("pk", "digest", "created_at"))
    assert {path: found for path, found in written(home).items() if path in kept} == kept
