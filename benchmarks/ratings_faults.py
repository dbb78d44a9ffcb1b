"""Answers while processes are killed: receipts are compared with the rows, and these with the log.

Every person joins (some post the form twice at once), and answers from two windows at the same time, each
with response ids of its own (the first that is stored wins), out of order, with delays, some posts twice, and
all of them again at the end. Whatever brings no answer of ours is repeated, as a browser does. A worker lets
simulated people take part in the same study meanwhile. Server processes, the worker and PostgreSQL are killed
in turn, spread over the run by how much of it is done; the last posts wait until the last kill has come.
"""

from __future__ import annotations

import http.client
import json
import math
import random
import re
import sys
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

from benchmarks.ratings_servers import Lab
from benchmarks.ratings_victims import AGAIN_SECONDS, SEED, Gate, Victims, victims
from benchmarks.visits import unpacked
from scripts.services import Server

PATIENCE_SECONDS = 240.0
JOBS_PATIENCE_SECONDS = 240.0
WINDOWS = 2
AT_ONCE = 16
REORDERED = 4
DOUBLED = 0.3
DELAYED, LONGEST_DELAY = 0.02, 0.5
KILLING_ENDS = 0.95
"""Of all posts: the last kill comes before them."""
ROBOTS_PER_JOB = 4
PIXELS = 64
BEGIN_TOKEN = re.compile(rb'name="begin_token" value="([^"]+)"')
Taken = TypeVar("Taken")


class Reply(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    data: bytes

    @property
    def is_ours(self) -> bool:
        """A reply of the site in JSON that is no passing trouble."""
        return self.headers.get_content_type() == "application/json" and self.status in {200, 409}


@dataclass
class Run:
    """What the people of a run were told, and what they had sent."""

    receipts: list[tuple[str, str]] = field(default_factory=list)
    posted: dict[str, Any] = field(default_factory=dict)
    gate: Gate = field(default_factory=Gate)
    answered: int = 0
    repeats: int = 0
    unanswered: int = 0
    two_visits: int = 0


@dataclass
class Browser:
    """One window: its connection is opened anew when it breaks."""

    port: int
    run: Run
    cookie: str = ""
    connection: http.client.HTTPConnection | None = None

    def ask(
        self, take: Callable[[Reply], Taken | None], method: str, path: str, body: str = "", kind: str = ""
    ) -> Taken | None:
        """Ask until ``take`` makes something of the reply; None when it never did."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            reply = self._once(method, path, body, kind)
            if reply is not None and (taken := take(reply)) is not None:
                return taken
            self.run.repeats += 1
            time.sleep(AGAIN_SECONDS)
        self.run.unanswered += 1
        return None

    def _once(self, method: str, path: str, body: str, kind: str) -> Reply | None:
        self.connection = self.connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        headers = {"Content-Type": kind} if kind else {}
        try:
            self.connection.request(
                method, path, body or None, headers | ({"Cookie": self.cookie} if self.cookie else {})
            )
            reply = self.connection.getresponse()
            return Reply(reply.status, reply.headers, reply.read())
        except (OSError, http.client.HTTPException):
            self.close()
            return None

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        def take(reply: Reply) -> dict[str, Any] | None:
            return json.loads(reply.data) if reply.is_ours else None

        return self.ask(take, "POST", path, json.dumps(body), "application/json")

    def answer(self, path: str, body: dict[str, Any]) -> None:
        self.run.gate.enter()
        self.run.posted[body["response_id"]] = body["values"]
        reply = self.post(path, body)
        self.run.answered += 1
        if reply is not None and reply["acknowledged"]:
            kept = reply["kept"]
            self.run.receipts.append((kept["trial_id"], kept["response_id"]))


def consent_form(reply: Reply) -> tuple[str, str] | None:
    """Read the form's token and the cookie, of a page that came whole."""
    match = BEGIN_TOKEN.search(reply.data)
    if reply.status != 200 or match is None:
        return None
    return match[1].decode(), str(reply.headers["set-cookie"]).partition(";")[0]


def led_on(reply: Reply) -> str | None:
    """Return where a consent form led; a refusal is final, and led nowhere."""
    if reply.status == 302:
        return str(reply.headers["location"])
    return "" if reply.status == 409 else None


def join(port: int, slug: str, run: Run, *, twice: bool) -> str | None:
    """Read the consent form and post it, or post it twice at once; return the address of the trials."""
    with closing(Browser(port, run)) as first:
        form = first.ask(consent_form, "GET", f"/study/{slug}/")
    if form is None:
        return None
    body, kind = urlencode({"begin_token": form[0], "agreed": "yes"}), "application/x-www-form-urlencoded"
    places: list[str | None] = []

    def post_form() -> None:
        with closing(Browser(port, run, form[1])) as browser:
            places.append(browser.ask(led_on, "POST", f"/study/{slug}/", body, kind))

    in_parallel([post_form] * (2 if twice else 1))
    run.two_visits += len(set(places)) - 1
    return places[0]


def in_parallel(tasks: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def bodies_of(trials: list[dict[str, Any]], number: int, rng: random.Random) -> list[dict[str, Any]]:
    """The posts of one window: its own ids and values, out of order by a few, some twice."""
    bodies = []
    for place, trial in enumerate(trials):
        own = {
            "response_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
            "trial_id": trial["id"],
            "rt_ms": 812.5,
            "images": trial["images"],
            "values": dict.fromkeys(trial["constructs"], (number * 50 + place) % 101),
        }
        bodies += [own] * (2 if rng.random() < DOUBLED else 1)
    return [body for _, body in sorted(enumerate(bodies), key=lambda at: at[0] + rng.uniform(0, REORDERED))]


def window_rng(seed: int, number: int) -> random.Random:
    return random.Random(f"{SEED} {seed} {number}")


def answer_in_window(
    port: int, visit: str, run: Run, bodies: list[dict[str, Any]], rng: random.Random
) -> None:
    """Post everything, now and then after a while, and all of it again in another order."""
    with closing(Browser(port, run)) as window:
        for body in [*bodies, *rng.sample(bodies, len(bodies))]:
            if rng.random() < DELAYED:
                time.sleep(rng.uniform(0, LONGEST_DELAY))
            window.answer(f"{visit}responses", body)


def take_part(port: int, slug: str, run: Run, seed: int) -> None:
    """Join, answer everything from all windows, then finish."""
    rng = random.Random(f"{SEED} {seed}")
    visit = join(port, slug, run, twice=rng.random() < DOUBLED)
    if not visit:
        return
    with closing(Browser(port, run)) as browser:
        state = browser.ask(
            lambda reply: json.loads(reply.data) if reply.status == 200 else None, "GET", f"{visit}state"
        )
    if state is None:
        return
    windows: list[Callable[[], None]] = []
    for number in range(WINDOWS):
        own = window_rng(seed, number)
        bodies = bodies_of(unpacked(state)["trials"], number, own)
        windows.append(partial(answer_in_window, port, visit, run, bodies, own))
    in_parallel(windows)
    with closing(Browser(port, run)) as browser:
        browser.post(f"{visit}finish", {})


def posts_of(people: int, trials: int) -> int:
    """Count the posts of all windows, which depend on the seeds alone."""
    blank = {"id": "", "images": [], "constructs": []}
    windows = [(seed, number) for seed in range(people) for number in range(WINDOWS)]
    return sum(
        2 * len(bodies_of([blank] * trials, number, window_rng(seed, number))) for seed, number in windows
    )


def kill_in_turn(processes: Victims, run: Run, visits: list[Future[None]], *, kills: int, total: int) -> None:
    """Kill at so many points of the run, each before the posts that follow it."""
    under_way = min(AT_ONCE, len(visits)) * WINDOWS
    for killed in range(kills):
        due = KILLING_ENDS * total * (killed + processes.rng.random()) / kills
        # Others are under way when it comes, but not all that there are.
        run.gate.open_up_to(max(math.ceil(due), min(due + under_way, total - 1)))
        while run.answered < due and not all(visit.done() for visit in visits):
            processes.start_dead_worker()
            time.sleep(0.05)
        processes.kill_next()
        sys.stderr.write(f"kill {killed + 1} of {kills}, {run.answered} of {total} posts\n")


def fault_run(
    lab: Lab, database: Server | None, *, kills: int, people: int, trials: int, robots: int = ROBOTS_PER_JOB
) -> dict[str, Any]:
    """Let people answer while so many processes are killed; what became of their receipts.

    :param robots: simulated people of each of the worker's jobs, of which there is one per three kills.
    """
    size = {"stimuli": trials, "trials": trials, "places": people, "lists": 4, "pixels": PIXELS}
    study = lab.ask("make", slug="faults", rehearsal=True, people=0, **size)
    jobs = max(1, kills // 3)
    lab.ask("simulate", study=study["study"], jobs=jobs, robots=robots)
    run, total = Run(), posts_of(people, trials)
    with victims(lab, database) as (port, processes):
        with ThreadPoolExecutor(AT_ONCE) as pool:
            visits = [pool.submit(take_part, port, study["slug"], run, number) for number in range(people)]
            try:
                kill_in_turn(processes, run, visits, kills=kills, total=total)
            finally:
                run.gate.open_up_to(math.inf)
            while not all(visit.done() for visit in visits):
                processes.start_dead_worker()
                time.sleep(0.05)
            for visit in visits:
                visit.result()
        processes.start_dead_worker()
        jobs_left = lab.ask("await-jobs", seconds=JOBS_PATIENCE_SECONDS)
    checked = lab.ask("check", study=study["study"], receipts=run.receipts, posted=run.posted, people=people)
    for problem in checked.pop("problems"):
        sys.stderr.write(f"verify_study: {problem}\n")
    return {
        **checked,
        **jobs_left,
        "robots_missing": jobs * robots - checked["robots"],
        "kills": sum(processes.killed.values()),
        "kills_by_kind": processes.killed,
        "worker_ends": processes.worker_ends,
        "receipts": len(run.receipts),
        "repeated_requests": run.repeats,
        "unanswered_requests": run.unanswered,
        "two_visits_of_one_browser": run.two_visits,
    }
