"""How many answers the site takes, how fast, and what is left of them when its processes are killed.

``python -m benchmarks.ratings --json`` prints one JSON object. All is measured on this machine, through the
loopback, with the server that ``make run`` starts (two processes of four threads) and a PostgreSQL of its own
that writes as in service (fsync). Clients, servers and database share the processor. The systems that are
compared take turns, ``--rounds`` of ``--seconds`` each:

- ``responses_per_second``, ``p95_ms``: ``--clients`` people who post one answer after the other;
- ``sqlite_per_second``: the same with the default database;
- ``bare_per_second``: the same server, middleware and PostgreSQL, and a view that inserts one row: no answer
  could be cheaper in this stack;
- ``processor_ms_per_answer``: of the site's processes and of the database's, for each system; unlike answers
  per second it says the same on a machine that others use too;
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
import json
import os
import re
import signal
import socket
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.page import measure_page
from benchmarks.ratings_answers import (
    LISTS,
    TRIALS,
    plan_ratio,
    processor_seconds,
    statements,
    study_of,
    throughput,
)
from benchmarks.ratings_faults import fault_run
from benchmarks.ratings_load import Visitor, answers, dealt, drive, expect, get, post, post_form
from benchmarks.ratings_servers import Lab
from scripts.services import Server, postgresql_server

ARRIVALS, DROP_OUT = 200, 0.2
SPREAD_SECONDS = 10.0
FAULT_TRIALS = 5
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


def consent_form(slug: str, forms: list[tuple[str, str]]) -> Visitor:
    page = expect(200, (yield get(f"/study/{slug}/", "form")))
    match = re.search(rb'name="begin_token" value="([^"]+)"', page.body)
    if match is None:
        raise RuntimeError("the consent page holds no form")
    forms.append((match[1].decode(), page.header("set-cookie").partition(";")[0]))


def joining(slug: str, begin_token: str, cookie: str) -> Visitor:
    fields = {"begin_token": begin_token, "agreed": "yes"}
    expect(302, (yield post_form(f"/study/{slug}/", fields, "join", cookie)))


def stalled_ratio(lab: Lab) -> dict[str, Any]:
    """95 % of others' answers while posts stall in the middle, over that without, in pairs."""
    study = lab.ask("make", **study_of("stalled", TRIALS, TRIALS, STALL_CLIENTS * 30))
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
            "plan": lambda: plan_ratio(lab, database),
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
