"""What the tests need beside Python: Chromium, PostgreSQL, Redis. Installed where this may be done."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Tool:
    """A program, Debian's package of it, and what is not tested without it."""

    program: str
    package: str
    used_for: str

    def find(self) -> Path | None:
        if program := shutil.which(self.program):
            return Path(program).resolve()
        hidden = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{self.program}"))
        return hidden[-1] if hidden else None


@dataclass(frozen=True)
class Library(Tool):
    """A shared library, by the name that the linker knows."""

    def find(self) -> Path | None:
        name = find_library(self.program)
        return Path(name) if name else None


TOOLS = (
    Tool("chromium", "chromium", "the browser tests"),
    Tool("initdb", "postgresql", "the tests against PostgreSQL"),
    Tool("redis-server", "redis-server", "the test of Celery workers"),
    Tool("node", "nodejs", "the syntax check of the pages' scripts"),
    Library("pango-1.0", "libpango-1.0-0", "reports as PDFs"),
    Library("pangoft2-1.0", "libpangoft2-1.0-0", "reports as PDFs"),
)


def install_missing() -> list[Tool]:
    """Install what is missing when we are root on Debian; returns what still is."""
    missing = [tool for tool in TOOLS if tool.find() is None]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        packages = [tool.package for tool in missing]
        print(f"almond: installing from Debian: {', '.join(packages)} …", flush=True)
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
            done = subprocess.run(
                ["apt-get", "-qq", *words], env=quiet, stdout=subprocess.DEVNULL, check=False
            )
            if done.returncode != 0:
                print(f"almond: apt-get {words[0]} failed with status {done.returncode}", flush=True)
    return [tool for tool in missing if tool.find() is None]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def server_user() -> str | None:
    """PostgreSQL refuses to run as root; Debian's package brings a user for it, nobody is everywhere."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@contextmanager
def postgresql(*, durable: bool = False) -> Iterator[str | None]:
    """The address of our own PostgreSQL server, which lives as long as the block; None without PostgreSQL."""
    with postgresql_server(durable=durable) as server:
        yield None if server is None else server.address


@contextmanager
def postgresql_server(*, durable: bool = False) -> Iterator[Server | None]:
    """Our own PostgreSQL server, which lives as long as the block; None without PostgreSQL.

    :param durable: write as in service, so that a figure or a crash means something; tests need it not.
    """
    initdb = TOOLS[1].find()
    if initdb is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="almond-postgresql-"))
    server = Server(initdb, folder, server_user(), free_port(), durable)
    try:
        if server.user:
            shutil.chown(folder, server.user)
        server.initialise()
        server.start()
        yield server
    finally:
        server.stop(signal.SIGINT)  # PostgreSQL's fast shutdown
        shutil.rmtree(folder)


@dataclass
class Server:
    """A PostgreSQL server in a folder of its own, which can be stopped and started again."""

    initdb: Path
    folder: Path
    user: str | None
    port: int
    durable: bool
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"postgres://almond@127.0.0.1:{self.port}/postgres"

    def initialise(self) -> None:
        words = [str(self.initdb), "-D", str(self.folder / "data"), "-A", "trust", "-U", "almond"]
        subprocess.run(
            [*words, "-E", "UTF8", "--locale", "C", "--no-sync"],
            user=self.user, cwd=self.folder, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def start(self) -> None:
        words = [str(self.initdb.with_name("postgres")), "-D", str(self.folder / "data")]
        words += ["-p", str(self.port), "-k", str(self.folder), "-h", "127.0.0.1"]
        if not self.durable:
            # Nothing of a test's database has to survive a power cut.
            words += ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(words, user=self.user, cwd=self.folder, stdout=log, stderr=log)
        wait_until_it_answers(self.process, self.port, self.folder / "log")

    def stop(self, number: int) -> None:
        """Send a signal and wait for the end: SIGINT shuts down, SIGQUIT is a crash to recover from."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(30)
            self.process = None


def wait_until_it_answers(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    import psycopg

    for _ in range(300):
        if server.poll() is not None:
            raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}")
        try:
            psycopg.connect(f"postgresql://almond@127.0.0.1:{port}/postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"PostgreSQL did not answer within 30 s:\n{log.read_text()}")
