"""Answers while server processes and PostgreSQL are killed: what was acknowledged is compared with the rows.

Every person answers from two windows at once, each with response ids of its own (the first that is stored
wins), out of order, some posts twice, and all of them again at the end. A post is repeated until its receipt
comes, as the page's outbox does.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import psutil

from benchmarks.ratings_servers import Lab
from scripts.services import Server

SECONDS_BETWEEN = 2.0
PATIENCE_SECONDS = 90.0
AGAIN_SECONDS = 0.2
WINDOWS = 2
AT_ONCE = 16
REORDERED = 4
DOUBLED = 0.3
SEED = 9


@dataclass
class Receipts:
    """What the people of a run were told, and what they had sent."""

    receipts: list[tuple[str, str]] = field(default_factory=list)
    posted: dict[str, Any] = field(default_factory=dict)
    repeats: int = 0
    unanswered: int = 0


@dataclass
class Window:
    """One window of one person: its connection is opened anew when it breaks."""

    port: int
    token: str
    run: Receipts
    connection: http.client.HTTPConnection | None = None

    def post(self, name: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """Post until the site answers with JSON of ours that is no refusal; None when it never did."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            reply = self._once(f"/take/{self.token}/{name}", json.dumps(body))
            if reply is not None:
                return reply
            self.run.repeats += 1
            time.sleep(AGAIN_SECONDS)
        self.run.unanswered += 1
        return None

    def _once(self, path: str, body: str) -> dict[str, Any] | None:
        self.connection = self.connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        try:
            self.connection.request("POST", path, body, {"Content-Type": "application/json"})
            reply = self.connection.getresponse()
            data = reply.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            return None
        if reply.headers.get_content_type() != "application/json" or reply.status not in {200, 409}:
            return None
        answer: dict[str, Any] = json.loads(data)
        return answer

    def answer(self, body: dict[str, Any]) -> None:
        self.run.posted[body["response_id"]] = body["values"]
        reply = self.post("responses", body)
        if reply is not None and reply["acknowledged"]:
            kept = reply["kept"]
            self.run.receipts.append((kept["trial_id"], kept["response_id"]))


def bodies_of(person: dict[str, Any], number: int, rng: random.Random) -> list[dict[str, Any]]:
    """The posts of one window: its own ids and values, out of order by a few, some twice."""
    bodies = []
    for place, body in enumerate(person["posts"]):
        values = dict.fromkeys(body["values"], (number * 50 + place) % 101)
        own = {**body, "response_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)), "values": values}
        bodies += [own] * (2 if rng.random() < DOUBLED else 1)
    return [body for _, body in sorted(enumerate(bodies), key=lambda at: at[0] + rng.uniform(0, REORDERED))]


def answer_in_window(
    port: int, person: dict[str, Any], number: int, run: Receipts, rng: random.Random
) -> None:
    window, bodies = Window(port, person["token"], run), bodies_of(person, number, rng)
    for body in [*bodies, *rng.sample(bodies, len(bodies))]:
        window.answer(body)


def take_part(port: int, person: dict[str, Any], run: Receipts, seed: int) -> None:
    """Answer everything from all windows, then finish."""
    windows = [
        threading.Thread(
            target=answer_in_window, args=(port, person, number, run, random.Random(f"{seed} {number}"))
        )
        for number in range(WINDOWS)
    ]
    for window in windows:
        window.start()
    for window in windows:
        window.join()
    Window(port, person["token"], run).post("finish", {})


def serving(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    living: list[psutil.Process] = psutil.Process(process.pid).children()
    return [child for child in living if child.status() != psutil.STATUS_ZOMBIE]


def kill(number: int, process: subprocess.Popen[bytes], database: Server, rng: random.Random) -> None:
    """Kill a server process; every third time PostgreSQL instead, which then recovers from its log."""
    if number % 3 == 2:
        database.stop(signal.SIGQUIT)
        database.start()
        return
    with contextlib.suppress(IndexError, psutil.NoSuchProcess):  # the next one has not started yet
        rng.choice(serving(process)).kill()


def fault_run(lab: Lab, database: Server, *, kills: int, people: int, trials: int) -> dict[str, Any]:
    """Let people answer while so many processes are killed; what became of their receipts."""
    study = lab.ask(
        "make", slug="faults", stimuli=trials, trials=trials, places=people, lists=4, people=people
    )
    run, rng, killed = Receipts(), random.Random(SEED), 0
    with lab.served() as (port, process), ThreadPoolExecutor(AT_ONCE) as pool:
        visits = [pool.submit(take_part, port, person, run, n) for n, person in enumerate(study["people"])]
        while killed < kills and not all(visit.done() for visit in visits):
            time.sleep(rng.uniform(0.5, 1.5) * SECONDS_BETWEEN)
            kill(killed, process, database, rng)
            killed += 1
            sys.stderr.write(f"kill {killed} of {kills}, {len(run.receipts)} receipts\n")
        for visit in visits:
            visit.result()
    checked = lab.ask("check", study=study["study"], receipts=run.receipts, posted=run.posted)
    return {
        **checked,
        "kills": killed,
        "receipts": len(run.receipts),
        "repeated_posts": run.repeats,
        "unanswered_posts": run.unanswered,
    }
