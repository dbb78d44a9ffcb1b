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
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent
LOGIN = "experimenter"
# How long children may take to end by themselves after Ctrl-C, in seconds.
GRACE = 20.0
LOCK = "run.lock"


class Failed(Exception):
    """A step did not work, in one line."""


def say(text: str) -> None:
    with suppress(OSError):  # the lab goes on when nobody reads this any more
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
    """Run a ``manage.py`` command; its progress goes to this terminal, and of its log what matters.

    It says itself why it ends.
    """
    quieter = {"ALMOND_LOG_LEVEL": "WARNING", **os.environ}
    done = subprocess.run([sys.executable, "manage.py", *words], cwd=ROOT, env=quieter, check=False)
    if done.returncode < 0:
        raise Failed(f"manage.py {words[0]} was ended by signal {-done.returncode}")
    if done.returncode > 0:
        sys.exit(1)


def home() -> Path:
    from django.conf import settings

    folder: Path = settings.ALMOND_HOME
    return folder


@contextmanager
def locked_lab() -> Iterator[FileIO]:
    """Keep the lab's folder to ourselves; yields the file in which the next who comes reads who we are."""
    from almond.files.writing import locked

    with ExitStack() as held:
        path = home() / LOCK
        try:
            stream = held.enter_context(locked(path, wait=False))
        except BlockingIOError:
            holder = path.read_text(encoding="utf-8", errors="replace").strip() or "another process"
            raise Failed(
                f"{path}: the lab is open already: {holder} (stop that one with Ctrl-C, or name another"
                " folder in ALMOND_HOME)"
            ) from None
        sign(stream, "it is starting")
        yield stream


def sign(stream: FileIO, text: str) -> None:
    """Write into the lock's file who holds it."""
    from almond.files.writing import refusals_named

    with refusals_named(home() / LOCK):
        stream.seek(0)
        stream.truncate()
        stream.write(f"process {os.getpid()} on {socket.gethostname()}, {text}\n".encode())


def check_pages() -> None:
    """Make sure that what participants' pages load from npm is there."""
    from scripts.vendor_js import broken

    for path in broken():
        raise Failed(f"{path} is missing or empty: participants' pages need it (run `make setup`)")


def prepare() -> None:
    """Bring the database up to date and fill an empty lab with the example."""
    from django.core.management import call_command

    from jobs.services.schema import check_schema

    check_pages()
    with step("preparing the database"):
        check_schema(complete=False)
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
            except PermissionError:
                raise Failed(f"PORT is {port}: not for this user (expected 1024 or more)") from None
            except OSError:
                continue
        if port != wanted:
            say(f"port {wanted} is taken, using {port}")
        return port
    raise Failed(f"no free port from {wanted} to {wanted + 99}")


def wanted_port() -> int:
    text = os.environ.get("PORT") or "8000"
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= 65435:
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

    def last_words(self) -> str:
        """Return the last line of its log, and where the log is."""
        lines = self.log.read_text(errors="replace").splitlines()
        told = [line.strip() for line in lines if line.strip()]
        return f"{told[-1] if told else 'without a word'} (see {self.log})"


def site(port: int) -> Child:
    words = [sys.executable, "-m", "config.server", "--port", str(port)]
    return Child("site", words, home() / "logs" / "site.log")


def worker() -> Child:
    return Child("worker", [sys.executable, "manage.py", "worker"], home() / "logs" / "worker.log")


def wait_until_it_answers(child: Child, address: str, stop: threading.Event) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy stands before ourselves
    for _ in range(600):
        if stop.is_set():
            return
        if child.ended():
            raise Failed(f"the {child.name} did not start: {child.last_words()}")
        try:
            with direct.open(address, timeout=5):
                return
        except urllib.error.HTTPError as error:
            if error.code < 500:  # it answers, though only to the names in ALMOND_HOSTS
                return
            raise Failed(f"the {child.name} answers with {error.code}: {child.last_words()}") from None
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
            process.kill()
            process.wait()
            say(f"process {process.pid} did not end and was stopped. Its job is taken up again next time")


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


def serve(port: int, stop: threading.Event) -> None:
    """Site and worker until ``stop``; ``Failed`` when one of them ends by itself."""
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
                    raise Failed(f"the {child.name} ended by itself: {child.last_words()}")
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


def run() -> None:
    """Prepare the lab and serve it until Ctrl-C."""
    import django

    wanted = wanted_port()
    with locked_lab() as lock:
        try:
            django.setup()
            prepare()
        except KeyboardInterrupt:
            say("stopped; the next `make run` goes on from here")
            return
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        port = free_port(wanted)
        sign(lock, f"http://127.0.0.1:{port}")
        serve(port, stop)


def explain(error: Exception) -> str | None:
    """Return what to tell of an error that a person can mend, None of a fault of the program."""
    if isinstance(error, Failed):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and error.name in ("django", "numpy"):
        return f"{sys.executable} lacks {error.name} (expected .venv/bin/python, as `make run` takes it)"
    from config.frame import explain

    return explain(error)


def main() -> int:
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    own_the_terminal()
    signal.signal(signal.SIGTERM, interrupt)
    from almond.cli.output.frame import framed

    return framed(run, "almond", explain)


if __name__ == "__main__":
    sys.exit(main())
