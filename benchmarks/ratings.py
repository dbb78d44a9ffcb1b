"""How many answers the site takes, how fast, and what is left of them when its processes are killed.

``python -m benchmarks.ratings --json`` prints one JSON object. All is measured on this machine, through the
loopback, with the server that ``make run`` starts (two processes of four threads) and a PostgreSQL of its own
that writes as in service (fsync). Clients, servers and database share the processor. The systems that are
compared take turns, ``--rounds`` of ``--seconds`` each:

- ``responses_per_second``, ``p95_ms``: ``--clients`` people who post one answer after the other;
- ``sqlite_per_second``: the same with the default database;
- ``bare_per_second``: the same server, middleware and PostgreSQL, and a view that inserts one row: no answer
  could be cheaper in this stack;
- ``otree_per_second``: oTree in its production mode on the same PostgreSQL, one slider page repeated, where
  an answer is a post and the next page, as in a browser; ``otree_posts_per_second``: without fetching the
  page. Needs ``--otree PYTHON``, the Python of an environment with oTree and psycopg2.

``--faults N`` kills N server processes, workers and PostgreSQLs in turn while ``--people`` join and post each
answer twice, from two windows, out of order, and again later; receipts are then compared with rows.

``--only arrivals stalled`` measures these parts alone. Every part has a limit of time, and whatever was
started ends with this process. What could not be measured is null, with the reason in ``not_measured``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.page import measure_page
from benchmarks.ratings_faults import fault_run
from benchmarks.ratings_load import Load, Reply, Request, Visitor, drive, get, post, post_form
from benchmarks.ratings_servers import Lab, otree_served
from scripts.services import Server, postgresql_server

TRIALS = 60
PEOPLE_PER_CLIENT = 6
WARM_SECONDS = 1.0
OTREE_ROUNDS = 300
ARRIVALS, LISTS, DROP_OUT = 200, 8, 0.2
SPREAD_SECONDS = 10.0
FEW, MANY = 20, 2000
FAULT_TRIALS = 5
RATIO_PAIRS, RATIO_CLIENTS, RATIO_POSTS = 3, 4, 60
STALLED, STALL_CLIENTS = 50, 10
STALLED_POST = b"POST /take/nobody/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 300\r\n\r\n{"
PARTS = {
    "answers": (
        "responses_per_second", "p95_ms", "otree_per_second", "sqlite_per_second", "bare_per_second",
    ),
    "arrivals": ("join_p95_ms", "imbalance", "imbalance_after_dropout"),
    "stalled": ("stalled_p95_ratio",),
    "plan": ("plan_ratio",),
    "page": ("page_kb", "requests", "first_trial_ms"),
    "faults": ("lost", "duplicates", "overwrites", "stuck", "drift"),
}  # fmt: skip
"""What can be measured alone, and the figures that come of it."""
LIMITS = {"answers": 1800, "arrivals": 300, "stalled": 300, "plan": 600, "page": 600, "faults": 2400}
"""Seconds after which a part is given up."""


def answers(posts: Iterator[Request]) -> Visitor:
    """Post one answer after the other."""
    for request in posts:
        expect(200, (yield request))


def expect(status: int, reply: Reply) -> Reply:
    if reply.status != status:
        raise RuntimeError(f"expected {status}, got {reply.head}\n{reply.body[:500]!r}")
    return reply


def posts_of(person: dict[str, Any]) -> Iterator[Request]:
    for body in person["posts"]:
        yield post(f"/take/{person['token']}/responses", json.dumps(body).encode(), "answer")


def dealt(people: Sequence[dict[str, Any]], clients: int) -> list[Iterator[Request]]:
    """Give every client people whose answers it posts, one person after the other."""
    return [
        itertools.chain.from_iterable(map(posts_of, people[number::clients])) for number in range(clients)
    ]


def otree_visitors(port: int, codes: Sequence[str], *, pages: bool) -> list[Visitor]:
    """Participants of oTree, each brought to the page where they are, which is not timed."""
    paths: list[str] = []
    drive(port, [otree_arrival(code, paths) for code in codes])
    return [otree_answers(path, pages=pages) for path in paths]


def otree_arrival(code: str, paths: list[str]) -> Visitor:
    path = f"/InitializeParticipant/{code}"
    while (reply := (yield get(path, "begin"))).status != 200:
        path = reply.header("location")
    paths.append(path)


def otree_answers(path: str, *, pages: bool) -> Visitor:
    """Answer slider pages; ``pages`` fetches each next one, as a browser does."""
    while "/Rate/" in path:
        path = expect(302, (yield post_form(path, {"threat": "50"}, "answer"))).header("location")
        if pages:
            expect(200, (yield get(path, "page")))


@dataclass
class Turns:
    """Systems measured in turn: each makes its visitors anew; loads are added up."""

    loads: dict[str, list[Load]] = field(default_factory=dict)

    def take(self, name: str, port: int, visitors: Sequence[Visitor], seconds: float) -> None:
        load = drive(port, visitors, seconds=seconds)
        self.loads.setdefault(name, []).append(load)
        sys.stderr.write(f"{name}: {load.per_second('answer'):.0f} a second, load {os.getloadavg()[0]:.1f}\n")

    def per_second(self, name: str) -> float:
        return round(statistics.median(load.per_second("answer") for load in self.loads[name]), 1)

    def p95_ms(self, name: str) -> float:
        total = Load()
        for load in self.loads[name]:
            total.add(load)
        return total.p95_ms("answer")

    def own_share(self, name: str) -> float:
        return round(statistics.median(load.own_share for load in self.loads[name]), 3)


def throughput(
    labs: dict[str, Lab], database: Server, options: argparse.Namespace, folder: Path
) -> dict[str, Any]:
    """Answers per second of every system, in turn."""
    turns, clients, numbers = Turns(), options.clients, {}
    with ExitStack() as servers:
        systems: dict[str, Callable[[], tuple[int, list[Visitor]]]] = {}
        for name, lab in labs.items():
            study = lab.ask("make", **study_of(name, TRIALS, TRIALS, clients * PEOPLE_PER_CLIENT))
            queues, port = dealt(study["people"], clients), servers.enter_context(lab.served())[0]
            systems[name] = lambda port=port, queues=queues: (port, [answers(queue) for queue in queues])
            numbers[name] = study["study"]
        bare = servers.enter_context(labs["postgresql"].served(bare=True))[0]
        row = post("/bare", json.dumps({"study": numbers["postgresql"]}).encode(), "answer")
        systems["bare"] = lambda: (bare, [answers(itertools.repeat(row)) for _ in range(clients)])
        if options.otree:
            address = create_database(database, "otree")
            served = otree_served(options.otree, folder, address, clients, OTREE_ROUNDS)
            peer, codes = servers.enter_context(served)
            systems["otree"] = lambda: (peer, otree_visitors(peer, codes, pages=True))
            systems["otree_posts"] = lambda: (peer, otree_visitors(peer, codes, pages=False))
        for make in systems.values():  # what is loaded late, and oTree's first pages
            port, visitors = make()
            drive(port, visitors, seconds=WARM_SECONDS)
        for turn in range(options.rounds):
            for name, make in list(systems.items())[:: -1 if turn % 2 else 1]:
                turns.take(name, *make(), options.seconds)
    return figures_of(turns)


def figures_of(turns: Turns) -> dict[str, Any]:
    ours, sqlite, bare = (turns.per_second(name) for name in ("postgresql", "sqlite", "bare"))
    figures = {
        "responses_per_second": ours,
        "p95_ms": turns.p95_ms("postgresql"),
        "sqlite_per_second": sqlite,
        "sqlite_p95_ms": turns.p95_ms("sqlite"),
        "bare_per_second": bare,
        "bare_p95_ms": turns.p95_ms("bare"),
        "ratio_to_bare": round(ours / bare, 3),
        "clients_own_share_of_a_core": turns.own_share("postgresql"),
    }
    if "otree" not in turns.loads:
        return figures
    otree = turns.per_second("otree")
    return figures | {
        "otree_per_second": otree,
        "otree_p95_ms": turns.p95_ms("otree"),
        "otree_posts_per_second": turns.per_second("otree_posts"),
        "ratio_to_otree": round(ours / otree, 2),
        "sqlite_ratio_to_otree": round(sqlite / otree, 2),
    }


def study_of(slug: str, stimuli: int, trials: int, people: int, **more: Any) -> dict[str, Any]:
    usual = {"places": max(people, LISTS), "lists": LISTS, "people": people}
    return {"slug": slug, "stimuli": stimuli, "trials": trials, **usual, **more}


def arrivals(lab: Lab, database: Server) -> dict[str, Any]:
    """People who join: all at once, and spread; how evenly the lists fill, also after drop-out.

    Beside them as many single inserts at once, in the same server and database.
    """
    figures: dict[str, Any] = {"arrivals": ARRIVALS, "spread_seconds": SPREAD_SECONDS}
    for name, over in (("join", 0.0), ("join_spread", SPREAD_SECONDS)):
        slug = f"arrivals-{over:.0f}"
        study = lab.ask("make", **study_of(slug, TRIALS, TRIALS, 0, places=ARRIVALS, lists=LISTS))
        with lab.served() as (port, server):
            forms: list[tuple[str, str]] = []
            drive(port, [consent_form(slug, forms) for _ in range(ARRIVALS)], over=1.0)
            before = processor_seconds(server), processor_seconds(database.process)
            load = drive(port, [joining(slug, *form) for form in forms], over=over)
            used = processor_seconds(server) - before[0], processor_seconds(database.process) - before[1]
        figures[f"{name}_p95_ms"] = load.p95_ms("join")
        figures[f"{name}_site_processor_ms"] = round(1000 * used[0] / ARRIVALS, 1)
        figures[f"{name}_database_processor_ms"] = round(1000 * used[1] / ARRIVALS, 1)
        if not over:
            taken = lab.ask("places", study=study["study"])["taken"]
            figures["imbalance"] = max(taken) - min(taken)
            completed = lab.ask("drop-out", study=study["study"], share=DROP_OUT)["finished"]
            figures["imbalance_after_dropout"] = max(completed) - min(completed)
            figures |= single_inserts(lab, study["study"])
    return figures


def single_inserts(lab: Lab, study: int) -> dict[str, float]:
    """As many people at once, each of whom has one row inserted."""
    row = post("/bare", json.dumps({"study": study}).encode(), "answer")
    with lab.served(bare=True) as (port, _):
        drive(port, [answers(iter([row])) for _ in range(LISTS)])
        load = drive(port, [answers(iter([row])) for _ in range(ARRIVALS)])
    return {"bare_burst_p95_ms": load.p95_ms("answer")}


def processor_seconds(process: subprocess.Popen[bytes] | None) -> float:
    """Processor time of a process and its living children until now."""
    first = psutil.Process(process.pid if process else None)
    times = [each.cpu_times() for each in (first, *first.children(recursive=True))]
    return sum(time.user + time.system for time in times)


def consent_form(slug: str, forms: list[tuple[str, str]]) -> Visitor:
    page = expect(200, (yield get(f"/study/{slug}/", "form")))
    match = re.search(rb'name="begin_token" value="([^"]+)"', page.body)
    if match is None:
        raise RuntimeError("the consent page holds no form")
    forms.append((match[1].decode(), page.header("set-cookie").partition(";")[0]))


def joining(slug: str, begin_token: str, cookie: str) -> Visitor:
    fields = {"begin_token": begin_token, "agreed": "yes"}
    expect(302, (yield post_form(f"/study/{slug}/", fields, "join", cookie)))


def plan_ratio(lab: Lab) -> dict[str, Any]:
    """Time per answer with many stimuli over that with few, in pairs; first trials, and last."""
    plans = {"few": (FEW, 0), "many": (MANY, 0), "many_late": (MANY, MANY - RATIO_PAIRS * RATIO_POSTS)}
    queues = {}
    for name, (stimuli, answered) in plans.items():
        people = RATIO_CLIENTS if stimuli == MANY else RATIO_CLIENTS * RATIO_PAIRS * RATIO_POSTS // FEW
        slug = f"plan-{name}".replace("_", "-")
        study = lab.ask("make", **study_of(slug, stimuli, stimuli, people, lists=2, answered=answered))
        queues[name] = dealt(study["people"], RATIO_CLIENTS)
    seconds: dict[str, list[float]] = {name: [] for name in plans}
    with lab.served() as (port, _):
        for _ in range(RATIO_PAIRS):
            for name, of in queues.items():
                load = drive(port, [answers(itertools.islice(queue, RATIO_POSTS)) for queue in of])
                seconds[name].append(statistics.median(load.latencies["answer"]))
    early, late = (
        statistics.median(many / few for many, few in zip(seconds[name], seconds["few"], strict=True))
        for name in ("many", "many_late")
    )
    return {"plan_ratio": round(late, 3), "plan_ratio_first_trials": round(early, 3)}


def stalled_ratio(lab: Lab) -> dict[str, Any]:
    """95 % of others' answers while posts stall in the middle, over that without, in pairs."""
    study = lab.ask("make", **study_of("stalled", 60, 60, STALL_CLIENTS * 8))
    queues, ratios = dealt(study["people"], STALL_CLIENTS), []
    with lab.served() as (port, _):
        for _ in range(3):
            before = drive(port, [answers(queue) for queue in queues], seconds=2).p95_ms("answer")
            with ExitStack() as stalled:
                for _ in range(STALLED):
                    link = stalled.enter_context(socket.create_connection(("127.0.0.1", port)))
                    link.sendall(STALLED_POST)
                ratios.append(
                    drive(port, [answers(queue) for queue in queues], seconds=2).p95_ms("answer") / before
                )
    return {"stalled_p95_ratio": round(statistics.median(ratios), 2)}


def create_database(server: Server, name: str) -> str:
    """A further database of the server; its address."""
    import psycopg

    with psycopg.connect(server.address, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server.address.rpartition('/')[0]}/{name}"


def statements(lab: Lab) -> dict[str, int]:
    study = lab.ask("make", **study_of("statements", FEW, 3, 1))
    person = study["people"][0]
    counts: dict[str, int] = lab.ask(
        "statements", path=f"/take/{person['token']}/responses", bodies=person["posts"]
    )
    return counts


def report(options: argparse.Namespace) -> dict[str, Any]:
    """Measure what ``--only`` names, or everything, on servers that end with the block."""
    result: dict[str, Any] = {"load_at_start": round(os.getloadavg()[0], 2), "processors": os.cpu_count()}
    wanted = options.only or list(PARTS)
    late: dict[str, str] = {}
    with postgresql_server(durable=True) as database, tempfile.TemporaryDirectory() as name:
        if database is None:
            raise SystemExit("benchmarks.ratings: needs PostgreSQL (Debian: apt-get install postgresql)")
        folder = Path(name)
        kinds = ("postgresql", "sqlite") if "answers" in wanted else ("postgresql",)
        labs = {kind: new_lab(folder / kind, database, kind) for kind in kinds}
        lab = labs["postgresql"]
        parts: dict[str, Callable[[], dict[str, Any]]] = {
            "answers": lambda: {
                "statements_per_answer": statements(lab),
                **throughput(labs, database, options, folder),
            },
            "arrivals": lambda: arrivals(lab, database),
            "stalled": lambda: stalled_ratio(lab),
            "plan": lambda: plan_ratio(lab),
            "page": lambda: measure_page(lab),
            "faults": lambda: faults(lab, database, options),
        }
        for part in wanted:
            try:
                with time_limit(LIMITS[part]):
                    figures = parts[part]()
            except OutOfTime as error:
                figures, late = {}, late | dict.fromkeys(PARTS[part], str(error))
            sys.stderr.write(f"{json.dumps(figures)}\n")
            result |= figures
    result |= {"load_at_end": round(os.getloadavg()[0], 2)}
    left_out = {key: "not among --only" for part in PARTS if part not in wanted for key in PARTS[part]}
    return {
        **dict.fromkeys(key for keys in PARTS.values() for key in keys),
        **result,
        "not_measured": not_measured(result, options, left_out | late),
    }


class OutOfTime(Exception):
    """A part took longer than its limit."""


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """End a block that takes too long.

    :raises OutOfTime: so that its servers end and the next part goes on.
    """

    def end(*signal_and_frame: Any) -> None:
        raise OutOfTime(f"did not end within {seconds} s")

    signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def end_when_asked() -> None:
    """Let SIGTERM and SIGHUP unwind as Ctrl-C does, so that every server that was started ends."""

    def end(number: int, frame: Any) -> None:
        for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)  # asked once is enough: what ends the servers goes on
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)


def faults(lab: Lab, database: Server, options: argparse.Namespace) -> dict[str, Any]:
    if not options.faults:
        return {}
    return fault_run(lab, database, kills=options.faults, people=options.people, trials=FAULT_TRIALS)


def new_lab(home: Path, database: Server, kind: str) -> Lab:
    (home / "staticfiles").mkdir(parents=True)
    lab = Lab(home, database.address if kind == "postgresql" else f"sqlite:///{home / 'db.sqlite3'}")
    lab.ask("migrate")
    return lab


def not_measured(
    result: dict[str, Any], options: argparse.Namespace, reasons: dict[str, str]
) -> dict[str, str]:
    """Say why a figure is missing."""
    reasons = {"otree_per_second": "without --otree", **result.pop("page_not_measured", {}), **reasons}
    if not options.faults:
        reasons |= dict.fromkeys(PARTS["faults"], "with --faults 0")
    return {name: why for name, why in reasons.items() if result.get(name) is None}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each turn of each system")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--faults", type=int, default=9, help="kills, of server processes, worker and PostgreSQL in turn"
    )
    parser.add_argument("--people", type=int, default=24, help="who take part during the faults")
    parser.add_argument(
        "--otree", type=Path, metavar="PYTHON", help="of an environment with oTree and psycopg2"
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), help="parts to measure; all without it")
    options = parser.parse_args()
    end_when_asked()
    result = report(options)
    print(json.dumps(result) if options.json else json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
