"""What the fault run kills, and the gate at which people wait for a kill that is due."""

from __future__ import annotations

import contextlib
import math
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import psutil

from benchmarks.ratings_servers import ROOT, Lab, ending_with_us, stop
from scripts.services import Server

SEED = 9
AGAIN_SECONDS = 0.2


@dataclass
class Gate:
    """Posts begin up to a number: on a busy machine people would else be done before the last kill."""

    limit: float = math.inf
    begun: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def enter(self) -> None:
        """Begin a post, once this many may."""
        with self.changed:
            self.begun += 1
            number = self.begun
            self.changed.wait_for(lambda: number <= self.limit)

    def open_up_to(self, limit: float) -> None:
        with self.changed:
            self.limit = limit
            self.changed.notify_all()


@dataclass
class Victims:
    """The processes of a run; each kill is survived by what starts the dead ones again."""

    lab: Lab
    server: subprocess.Popen[bytes]
    database: Server | None
    rng: random.Random
    worker: subprocess.Popen[bytes] | None = None
    killed: dict[str, int] = field(default_factory=dict)
    worker_ends: int = 0

    def kill_next(self) -> None:
        """Kill a server process, the worker, or PostgreSQL, which then recovers from its log."""
        kinds = {"server": self.kill_server, "worker": self.kill_worker}
        if self.database is not None:
            kinds["postgresql"] = self.crash_database
        name = list(kinds)[sum(self.killed.values()) % len(kinds)]
        kinds[name]()
        self.killed[name] = self.killed.get(name, 0) + 1

    def kill_server(self) -> None:
        while not (living := self._living()):  # the next one has not started yet
            time.sleep(AGAIN_SECONDS)
        with contextlib.suppress(psutil.NoSuchProcess):
            self.rng.choice(living).kill()

    def _living(self) -> list[psutil.Process]:
        """Find the processes that serve; one that was killed is there until its parent has taken note."""
        living = []
        for child in psutil.Process(self.server.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if child.status() != psutil.STATUS_ZOMBIE:
                    living.append(child)
        return living

    def kill_worker(self) -> None:
        if self.worker is not None:
            self.worker.kill()
            self.worker.wait()
        self.start_worker()

    def start_dead_worker(self) -> None:
        """Start the worker again that ended by itself, as one does that finds no database at its start."""
        if self.worker is not None and self.worker.poll() is not None:
            self.worker_ends += 1
            self.start_worker()

    def start_worker(self) -> None:
        self.worker = subprocess.Popen(
            [sys.executable, "manage.py", "worker"],
            cwd=ROOT, env=self.lab.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True, preexec_fn=ending_with_us,  # noqa: PLW1509
        )  # fmt: skip

    def crash_database(self) -> None:
        assert self.database is not None
        self.database.stop(signal.SIGQUIT)
        self.database.start()


@contextmanager
def victims(lab: Lab, database: Server | None) -> Iterator[tuple[int, Victims]]:
    """The server and the worker until the end of the block; yields the port too."""
    with ExitStack() as stack:
        port, process = stack.enter_context(lab.served())
        processes = Victims(lab, process, database, random.Random(SEED))
        processes.start_worker()
        try:
            yield port, processes
        finally:
            if processes.worker is not None:
                stop(processes.worker)
