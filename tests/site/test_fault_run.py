"""The benchmark's fault run, small: processes die while people answer; what it started ends with it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from django.conf import settings
from django.db import connection

from benchmarks.ratings_faults import fault_run
from benchmarks.ratings_servers import Lab
from scripts.services import Server, free_port, postgresql_server
from tests.site.test_jobs_processes import wait_for

ZERO = (
    "lost", "duplicates", "overwrites", "stuck", "ghosts", "drift", "verify_problems",
    "jobs_not_done", "robots_missing", "unanswered_requests", "two_visits_of_one_browser",
)  # fmt: skip
WITH_A_CHILD = """
import http.server, sys, time
from pathlib import Path
from benchmarks.ratings import end_when_asked
from benchmarks.ratings_servers import running
end_when_asked()
words = [sys.executable, "-m", "http.server", sys.argv[1], "--bind", "127.0.0.1"]
with running(words, Path(sys.argv[2]), {"PATH": ""}, int(sys.argv[1])) as process:
    print(process.pid, flush=True)
    time.sleep(600)
"""


@contextmanager
def database_of_its_own(home: Path) -> Iterator[tuple[str, Server | None]]:
    """A database that may be killed, of the kind that these tests run on."""
    if connection.vendor == "sqlite":
        yield f"sqlite:///{home / 'db.sqlite3'}", None
        return
    with postgresql_server(durable=True) as server:
        assert server is not None
        yield server.address, server


def test_nothing_is_lost_while_processes_are_killed(
    tmp_path: Path, schema: Path, collected_files: Path
) -> None:
    shutil.copytree(collected_files, tmp_path / "staticfiles")
    shutil.copyfile(schema, tmp_path / "db.sqlite3")
    with database_of_its_own(tmp_path) as (address, server):
        lab = Lab(tmp_path, address)
        lab.ask("migrate")
        figures = fault_run(lab, server, kills=3, people=4, trials=2, robots=1)
    assert {name: figures[name] for name in ZERO} == dict.fromkeys(ZERO, 0)
    assert figures["kills"] == 3
    assert set(figures["kills_by_kind"]) == {"server", "worker"} | ({"postgresql"} if server else set())
    assert figures["rows"] == figures["planned"] == 8
    assert figures["receipts"] >= 32


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_a_benchmark_that_is_ended_leaves_no_server(number: signal.Signals, tmp_path: Path) -> None:
    if number == signal.SIGKILL and sys.platform != "linux":
        pytest.skip("only Linux ends the children of a process that was killed")
    words = [sys.executable, "-c", WITH_A_CHILD, str(free_port()), str(tmp_path)]
    with subprocess.Popen(words, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, text=True) as benchmark:
        assert benchmark.stdout is not None
        child = psutil.Process(int(benchmark.stdout.readline()))
        benchmark.send_signal(number)
        assert benchmark.wait(30) == (-number if number == signal.SIGKILL else 128 + number)
    wait_for(lambda: not child.is_running(), "the end of the server")
