"""The web server as a process: stalled visitors stop nobody, a dead process comes back, asking ends it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from config.server import main
from ratings import services
from ratings.services.presentation import addresses
from tests.site.small_study import make_study
from tests.site.test_jobs_processes import test_database_url

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 60.0
STALLED = 64
"""More than twice the threads of all processes."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def served(home: Path, collected_files: Path) -> Iterator[str]:
    """The server with two processes, in front of the database of this test; yields its address."""
    (home / "staticfiles").symlink_to(collected_files)
    port = free_port()
    environment = {**os.environ, "DATABASE_URL": test_database_url(), "ALMOND_HOME": str(home)}
    words = [sys.executable, "-m", "config.server", "--port", str(port)]
    with subprocess.Popen(words, env=environment, stderr=subprocess.PIPE) as process:
        try:
            here = f"http://127.0.0.1:{port}"
            wait_until(lambda: answers(here) is not None, "the server's first answer")
            assert process.poll() is None
            yield here
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0


@pytest.fixture
def address(tmp_path: Path, collected_files: Path) -> Iterator[str]:
    with served(tmp_path, collected_files) as here:
        yield here


def wait_until(condition: Any, what: str) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, f"waited {PATIENCE:.0f} s in vain for {what}"
        time.sleep(0.05)


def answers(address: str) -> int | None:
    try:
        with urllib.request.urlopen(f"{address}/admin/login/", timeout=10) as reply:
            return int(reply.status)
    except OSError:
        return None


def server_processes(address: str) -> list[psutil.Process]:
    """The first process of the server and those that it started and that live."""
    port = address.rpartition(":")[2]
    own = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has ended meanwhile
            if process.status() != psutil.STATUS_ZOMBIE and port in process.cmdline():
                own.append(process)
    return sorted(own, key=lambda process: process.create_time())


@pytest.mark.parametrize("kind", ["bodies", "headers"])
def test_visitors_who_stall_stop_nobody(address: str, kind: str) -> None:
    joined = services.join(study=make_study())
    path = addresses(joined.token)["responses"]
    rest = "Content-Length: 300\r\n\r\n{" if kind == "bodies" else "Content-Len"
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{rest}".encode()
    port = int(address.rpartition(":")[2])
    stalled = []
    for _ in range(STALLED):
        link = socket.create_connection(("127.0.0.1", port))
        link.sendall(head)
        stalled.append(link)
    time.sleep(0.5)
    assert [answers(address) for _ in range(3)] == [200] * 3
    for link in stalled:
        link.close()


def test_a_process_that_dies_is_started_again_and_asking_ends_all(address: str) -> None:
    wait_until(lambda: len(server_processes(address)) == 3, "two serving processes")
    _, *serving = server_processes(address)
    for process in serving:
        process.kill()
    wait_until(lambda: len(server_processes(address)) == 3 and answers(address) == 200, "new processes")
    assert not {process.pid for process in serving} & {process.pid for process in server_processes(address)}


def test_a_port_in_use_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"almond: port {port} of 127.0.0.1: Address already in use"
    ]


def test_a_server_without_the_pages_files_says_so(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "config.server", "--port", str(free_port())]
    environment = {**os.environ, "ALMOND_HOME": str(tmp_path)}
    ended = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)
    missing = tmp_path / "staticfiles" / "staticfiles.json"
    line = f"almond: {missing}: the pages' files are not there (run manage.py collectstatic)"
    assert (ended.returncode, ended.stderr.splitlines()[-1]) == (1, line)
