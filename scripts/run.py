"""``make run``: a working lab on this machine: database, example lab, site and worker, until Ctrl-C.

Runs inside ``.venv``. Everything it makes lies in ``ALMOND_HOME`` (``var/``) and is kept for the next time.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent
LOGIN = "experimenter"
# How long children may take to end by themselves after Ctrl-C, in seconds.
GRACE = 20.0


class Failed(Exception):
    """A step did not work, in one line."""


def say(text: str) -> None:
    print(f"almond: {text}", flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    say(f"{text} …")
    began = time.monotonic()
    yield
    seconds = time.monotonic() - began
    if seconds > 2:
        say(f"{text}: done in {seconds:.0f} s")


def manage(*words: str) -> None:
    """Run a ``manage.py`` command; its progress goes to this terminal, and of its log what matters."""
    quieter = {"ALMOND_LOG_LEVEL": "WARNING", **os.environ}
    done = subprocess.run([sys.executable, "manage.py", *words], cwd=ROOT, env=quieter, check=False)
    if done.returncode != 0:
        raise Failed(f"manage.py {words[0]} ended with status {done.returncode}")


def home() -> Path:
    return Path(os.environ.get("ALMOND_HOME", ROOT / "var")).resolve()


def prepare() -> None:
    """Bring the database up to date and fill an empty lab with the example."""
    from django.core.management import call_command

    with step("preparing the database"):
        call_command("migrate", interactive=False, verbosity=0)
    with step("collecting the pages' files"):
        call_command("collectstatic", interactive=False, verbosity=0)
    make_experimenter()
    built = home() / "example-lab.built"
    if not built.exists():
        with step("building the example lab (a few minutes, once)"):
            manage("example_lab", "--by", LOGIN)
        built.touch()


def make_experimenter() -> None:
    """The experimenter who owns the example lab; the password comes when it can be shown."""
    from accounts.models import User

    if not User.objects.filter(username=LOGIN).exists():
        User.objects.create_superuser(LOGIN, password=None)


def new_password() -> str | None:
    """A password for the experimenter of this machine, or None when there is one already."""
    from accounts.models import User

    user = User.objects.get(username=LOGIN)
    if user.has_usable_password():
        return None
    password = secrets.token_urlsafe(12)
    user.set_password(password)
    user.save(update_fields=["password"])
    return password


def study_paths() -> list[tuple[str, str]]:
    """Title and address of every study that takes participants now."""
    from studies.models import Study

    return [(study.title, study.join_path) for study in Study.objects.joinable()]


def free_port(wanted: int) -> int:
    for port in range(wanted, wanted + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port != wanted:
            say(f"port {wanted} is taken, using {port}")
        return port
    raise Failed(f"no free port from {wanted} to {wanted + 99}")


def wanted_port() -> int:
    text = os.environ.get("PORT", "8000")
    if not text.isdigit() or not 1 <= int(text) <= 65435:
        raise Failed(f"PORT is {text!r} (expected a number from 1 to 65435)")
    return int(text)


@dataclass
class Child:
    """A process of ours with its log file, in a session of its own: Ctrl-C reaches it only through us."""

    name: str
    words: list[str]
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        stream: IO[bytes]
        with self.log.open("ab") as stream:
            self.process = subprocess.Popen(
                self.words, cwd=ROOT, stdout=stream, stderr=stream, start_new_session=True
            )

    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])


def site(port: int) -> Child:
    words = [sys.executable, "-m", "config.server", "--port", str(port)]
    return Child("site", words, home() / "logs" / "site.log")


def worker() -> Child:
    return Child("worker", [sys.executable, "manage.py", "worker"], home() / "logs" / "worker.log")


def wait_until_it_answers(child: Child, address: str, stop: threading.Event) -> None:
    for _ in range(600):
        if stop.is_set():
            return
        if child.ended():
            raise Failed(f"the {child.name} did not start:\n{child.tail()}")
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            stop.wait(0.1)
    raise Failed(f"the {child.name} did not answer within a minute; see {child.log}")


def stop_all(children: list[Child]) -> None:
    """Ask all to end, wait, and end by force what does not; ends quietly when all are gone already."""
    living = [child.process for child in children if child.process and child.process.poll() is None]
    for process in living:
        process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    for process in living:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            say(f"process {process.pid} does not end; stopping it. Its job is taken up again next time")
            process.kill()
            process.wait()


def welcome(port: int) -> None:
    here = f"http://127.0.0.1:{port}"
    password = new_password()
    print()
    print(f"  experimenters   {here}/admin/")
    if password:
        print(f"  login           {LOGIN}   password {password}   (shown only now)")
    else:
        print(f"  login           {LOGIN}   (forgotten? .venv/bin/python manage.py changepassword {LOGIN})")
    for title, path in study_paths():
        print(f"  take part       {here}{path}   {title}")
    print(f"  data and logs   {home()}")
    print("  Ctrl-C stops everything; the next `make run` goes on from here.")
    print(flush=True)


def serve(stop: threading.Event) -> None:
    """Site and worker until ``stop``; ``Failed`` when one of them ends by itself."""
    port = free_port(wanted_port())
    children = [site(port), worker()]
    try:
        for child in children:
            child.start()
        with step("starting the site and the worker"):
            wait_until_it_answers(children[0], f"http://127.0.0.1:{port}/admin/login/", stop)
        if not stop.is_set():
            welcome(port)
        while not stop.wait(0.5):
            for child in children:
                if child.ended():
                    raise Failed(f"the {child.name} ended by itself:\n{child.tail()}")
    finally:
        say("stopping …")
        stop_all(children)
    say("stopped; all data are kept")


def own_the_terminal() -> None:
    """Let Ctrl-C reach this process alone: ``make`` above would end at once and call it an error."""
    if not sys.stdin.isatty() or os.getsid(0) == os.getpid():
        return
    for number in (signal.SIGTTOU, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    os.setpgid(0, 0)
    os.tcsetpgrp(sys.stdin.fileno(), os.getpgrp())


def interrupt(*signal_and_frame: Any) -> None:
    raise KeyboardInterrupt


def main() -> int:
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    own_the_terminal()
    signal.signal(signal.SIGTERM, interrupt)
    stop = threading.Event()
    try:
        import django

        django.setup()
        prepare()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        serve(stop)
    except Failed as failed:
        sys.stderr.write(f"almond: {failed}\n")
        return 1
    except KeyboardInterrupt:
        say("stopped; the next `make run` goes on from here")
    return 0


if __name__ == "__main__":
    sys.exit(main())
