"""Answers per second, processor time per answer (ours, bare inserts, oTree); what the size of plans costs."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from benchmarks.ratings_load import (
    Load,
    Request,
    Visitor,
    answers,
    dealt,
    drive,
    expect,
    get,
    post,
    post_form,
)
from benchmarks.ratings_servers import Lab, otree_served
from scripts.services import Server

TRIALS, LISTS = 60, 8
PEOPLE_PER_CLIENT = 8
WARM_SECONDS = 1.0
OTREE_ROUNDS = 300
FEW, MANY = 20, 2000
RATIO_PAIRS, RATIO_CLIENTS, RATIO_POSTS = 3, 4, 60


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


@dataclass(frozen=True)
class System:
    """What is measured: where it listens, its first process, and who visits it in a turn."""

    port: int
    process: subprocess.Popen[bytes]
    visitors: Callable[[], Sequence[Visitor]]


def processor_seconds(process: subprocess.Popen[bytes] | None) -> float:
    """Processor time of a process and its living children until now."""
    first = psutil.Process(process.pid if process else None)
    times = [each.cpu_times() for each in (first, *first.children(recursive=True))]
    return sum(time.user + time.system for time in times)


@dataclass
class Turns:
    """Systems measured in turn: each makes its visitors anew; loads are added up."""

    database: Server
    loads: dict[str, list[Load]] = field(default_factory=dict)
    processor: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """Milliseconds per answer of the site's processes and of PostgreSQL's, in each turn."""

    def take(self, name: str, system: System, seconds: float | None) -> None:
        visitors, watched = system.visitors(), (system.process, self.database.process)
        before = [processor_seconds(process) for process in watched]
        load = drive(system.port, visitors, seconds=seconds)
        after = [processor_seconds(process) for process in watched]
        site, database = (
            1000 * (late - early) / len(load.latencies["answer"])
            for early, late in zip(before, after, strict=True)
        )
        self.loads.setdefault(name, []).append(load)
        self.processor.setdefault(name, []).append((site, database))
        worked = f"{site:.2f} + {database:.2f} ms of processor each, load {os.getloadavg()[0]:.1f}"
        sys.stderr.write(f"{name}: {load.per_second('answer'):.0f} a second, {worked}\n")

    def per_second(self, name: str) -> float:
        return round(statistics.median(load.per_second("answer") for load in self.loads[name]), 1)

    def p95_ms(self, name: str) -> float:
        total = Load()
        for load in self.loads[name]:
            total.add(load)
        return total.p95_ms("answer")

    def own_share(self, name: str) -> float:
        return round(statistics.median(load.own_share for load in self.loads[name]), 3)

    def processor_ms(self, name: str) -> dict[str, float]:
        site, database = (statistics.median(part) for part in zip(*self.processor[name], strict=True))
        return {"site": round(site, 2), "database": round(database, 2), "both": round(site + database, 2)}


def throughput(
    labs: dict[str, Lab], database: Server, options: argparse.Namespace, folder: Path
) -> dict[str, Any]:
    """Answers per second of every system, in turn."""
    turns = Turns(database)
    systems: dict[str, System] = {}
    with ExitStack() as servers:
        for name, lab in labs.items():
            people = options.clients * PEOPLE_PER_CLIENT
            study = lab.ask("make", **study_of(f"answers-{name}", TRIALS, TRIALS, people))
            systems[name] = almonds(servers, lab, study, options.clients)
            if name == "postgresql":
                systems["bare"] = bare(servers, lab, study, options.clients)
        if options.otree:
            address = create_database(database, "otree")
            served = otree_served(options.otree, folder, address, options.clients, OTREE_ROUNDS)
            systems |= otrees(*servers.enter_context(served))
        for system in systems.values():  # what is loaded late, and oTree's first pages
            drive(system.port, system.visitors(), seconds=WARM_SECONDS)
        for turn in range(options.rounds):
            for name, system in list(systems.items())[:: -1 if turn % 2 else 1]:
                turns.take(name, system, options.seconds)
    return figures_of(turns)


def almonds(servers: ExitStack, lab: Lab, study: dict[str, Any], clients: int) -> System:
    """People of a study who post one answer after the other."""
    queues = dealt(study["people"], clients)
    return System(*servers.enter_context(lab.served()), lambda: [answers(queue) for queue in queues])


def bare(servers: ExitStack, lab: Lab, study: dict[str, Any], clients: int) -> System:
    """The same server, and a view that inserts one row."""
    row = post("/bare", json.dumps({"study": study["study"]}).encode(), "answer")
    served = servers.enter_context(lab.served(bare=True))
    return System(*served, lambda: [answers(itertools.repeat(row)) for _ in range(clients)])


def otrees(port: int, process: subprocess.Popen[bytes], codes: Sequence[str]) -> dict[str, System]:
    """OTree, as a browser uses it, and its posts alone."""
    return {
        "otree": System(port, process, lambda: otree_visitors(port, codes, pages=True)),
        "otree_posts": System(port, process, lambda: otree_visitors(port, codes, pages=False)),
    }


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
        "processor_ms_per_answer": {name: turns.processor_ms(name) for name in turns.loads},
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
        "processor_ratio_to_otree": round(
            turns.processor_ms("otree")["both"] / turns.processor_ms("postgresql")["both"], 2
        ),
    }


def study_of(slug: str, stimuli: int, trials: int, people: int, **more: Any) -> dict[str, Any]:
    usual = {"places": max(people, LISTS), "lists": LISTS, "people": people}
    return {"slug": slug, "stimuli": stimuli, "trials": trials, **usual, **more}


def plan_ratio(lab: Lab, database: Server) -> dict[str, Any]:
    """Time per answer with many stimuli over that with few, in pairs; first trials, and last.

    The time is what people wait for (the median) and, apart, what the processors work for.
    """
    plans = {"few": (FEW, 0), "many": (MANY, 0), "many_late": (MANY, MANY - RATIO_PAIRS * RATIO_POSTS)}
    queues = {}
    for name, (stimuli, answered) in plans.items():
        people = RATIO_CLIENTS if stimuli == MANY else RATIO_CLIENTS * RATIO_PAIRS * RATIO_POSTS // FEW
        slug = f"plan-{name}".replace("_", "-")
        study = lab.ask("make", **study_of(slug, stimuli, stimuli, people, lists=2, answered=answered))
        queues[name] = dealt(study["people"], RATIO_CLIENTS)
    turns = Turns(database)
    with lab.served() as (port, process):
        for turn in range(RATIO_PAIRS):
            for name, of in list(queues.items())[:: -1 if turn % 2 else 1]:
                part = partial(first_answers, of)
                turns.take(name, System(port, process, part), None)
    waited = {
        name: [statistics.median(load.latencies["answer"]) for load in loads]
        for name, loads in turns.loads.items()
    }
    worked = {name: list(map(sum, times)) for name, times in turns.processor.items()}
    return {
        "plan_ratio": paired_ratio(waited, "many_late"),
        "plan_ratio_first_trials": paired_ratio(waited, "many"),
        "plan_ratio_processor": paired_ratio(worked, "many_late"),
        "plan_ratio_processor_first_trials": paired_ratio(worked, "many"),
    }


def first_answers(queues: Sequence[Iterator[Request]]) -> list[Visitor]:
    """Visitors who post the next few answers of their queues."""
    return [answers(itertools.islice(queue, RATIO_POSTS)) for queue in queues]


def paired_ratio(times: dict[str, list[float]], name: str) -> float:
    """Median over the pairs of the time with many stimuli over that with few."""
    return round(
        statistics.median(many / few for many, few in zip(times[name], times["few"], strict=True)), 3
    )


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
