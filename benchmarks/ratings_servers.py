"""The servers that the benchmark of answers starts on this machine: Almond's, a bare one, and oTree's."""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.services import free_port

ROOT = Path(__file__).parents[1]
START_SECONDS = 180.0
STOP_SECONDS = 30.0
PR_SET_PDEATHSIG = 1
OTREE_SETTINGS = """
SESSION_CONFIGS = [dict(name="sliders", app_sequence=["sliders"], num_demo_participants=1)]
SESSION_CONFIG_DEFAULTS = dict(real_world_currency_per_point=1.0, participation_fee=0.0, doc="")
LANGUAGE_CODE, REAL_WORLD_CURRENCY_CODE, USE_POINTS = "en", "USD", True
ADMIN_USERNAME, ADMIN_PASSWORD, SECRET_KEY = "admin", "benchmark", "benchmark"
"""
OTREE_APP = """
from otree.api import *

class C(BaseConstants):
    NAME_IN_URL, PLAYERS_PER_GROUP, NUM_ROUNDS = "sliders", None, {rounds}

class Subsession(BaseSubsession): pass
class Group(BaseGroup): pass
class Player(BasePlayer):
    threat = models.IntegerField(min=0, max=100)

class Rate(Page):
    form_model, form_fields = "player", ["threat"]

page_sequence = [Rate]
"""
OTREE_PAGE = """
{{ block title }}How threatening?{{ endblock }}
{{ block content }}<input type="range" name="threat" min="0" max="100">{{ next_button }}{{ endblock }}
"""
OTREE_SESSION = """
import otree.main
otree.main.setup()
from otree.session import create_session
from otree.database import db
session = create_session("sliders", num_participants={people})
codes = [participant.code for participant in session.get_participants()]
db.commit()
print("CODES", *codes)
"""


@dataclass(frozen=True)
class Lab:
    """A lab of Almond's for the benchmark: where its data lie."""

    home: Path
    database: str

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ALMOND_")}
        own = {"DATABASE_URL": self.database, "ALMOND_HOME": str(self.home), "ALMOND_LOG_LEVEL": "ERROR"}
        return {**inherited, **own, "DJANGO_SETTINGS_MODULE": "config.settings", "OMP_NUM_THREADS": "1"}

    def ask(self, verb: str, **wanted: Any) -> dict[str, Any]:
        """Let a process of its own do something in the lab (``benchmarks.ratings_lab``)."""
        words = [sys.executable, "-m", "benchmarks.ratings_lab", verb]
        done = subprocess.run(
            words,
            cwd=ROOT,
            env=self.environment,
            input=json.dumps(wanted).encode(),
            stdout=subprocess.PIPE,
            check=True,
        )
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    @contextmanager
    def served(self, *, bare: bool = False) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
        """Start the server, or the bare one; yields its port and its first process."""
        port = free_port()
        module = (
            ["benchmarks.ratings_lab", "serve-bare", str(port)]
            if bare
            else ["config.server", "--port", str(port)]
        )
        with running([sys.executable, "-m", *module], ROOT, self.environment, port) as process:
            yield port, process


@contextmanager
def running(
    words: Sequence[str], folder: Path, environment: Mapping[str, str], port: int
) -> Iterator[subprocess.Popen[bytes]]:
    """A server until the end of the block, from its first reply."""
    process = subprocess.Popen(
        words,
        cwd=folder,
        env=dict(environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=ending_with_us,  # noqa: PLW1509  # started before any thread
    )
    try:
        wait_until_it_answers(process, port)
        yield process
    finally:
        stop(process)


def ending_with_us() -> None:
    """Let a child be asked to end when the benchmark dies, also of SIGKILL; Linux alone can do so."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask a process and its children to end; kill what has not after half a minute."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until_it_answers(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait for a first reply, of whatever kind: a server listens before it has loaded its pages."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
        try:
            connection.request("GET", "/")
            connection.getresponse().read()
        except OSError:
            time.sleep(0.1)
        else:
            return
        finally:
            connection.close()
    raise RuntimeError(f"{process.args!r} does not answer on port {port}")


@contextmanager
def otree_served(
    python: Path, folder: Path, database: str, people: int, rounds: int
) -> Iterator[tuple[int, subprocess.Popen[bytes], list[str]]]:
    """OTree in its production mode, with one slider page repeated; yields port, process and codes."""
    app = folder / "otree" / "sliders"
    app.mkdir(parents=True)
    (app.parent / "_static").mkdir()  # oTree does not start without it
    (app.parent / "settings.py").write_text(OTREE_SETTINGS)
    (app / "__init__.py").write_text(OTREE_APP.format(rounds=rounds))
    (app.parent / "session.py").write_text(OTREE_SESSION.format(people=people))
    (app / "Rate.html").write_text(OTREE_PAGE)
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    inherited = {
        name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}
    }
    environment = {**inherited, "DATABASE_URL": database, "OTREE_PRODUCTION": "1", "PATH": path}
    program = str(python.with_name("otree"))
    quiet: dict[str, Any] = {"cwd": app.parent, "env": environment}
    reset = [program, "resetdb", "--noinput"]
    subprocess.run(reset, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **quiet)
    made = subprocess.run([python, "session.py"], check=True, stdout=subprocess.PIPE, text=True, **quiet)
    codes = made.stdout.split("CODES")[1].split()
    port = free_port()
    words = [program, "prodserver1of2", f"127.0.0.1:{port}"]
    with running(words, app.parent, environment, port) as process:
        yield port, process, codes
