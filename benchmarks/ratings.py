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

``--faults N`` kills N server processes and PostgreSQLs in turn while people post each answer twice, from two
windows, out of order, and again later; receipts are then compared with rows. What could not be measured is
null, with the reason in ``not_measured``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.ratings_answers import FEW, LISTS, plan_ratio, statements, study_of, throughput
from benchmarks.ratings_faults import fault_run
from benchmarks.ratings_load import Visitor, answers, dealt, drive, expect, get, post_form
from benchmarks.ratings_page import measure_page
from benchmarks.ratings_servers import Lab
from scripts.services import Server, postgresql_server

ARRIVALS, DROP_OUT = 200, 0.2
SPREAD_SECONDS = 10.0
STALLED, STALL_CLIENTS = 50, 10
STALLED_POST = b"POST /take/nobody/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 300\r\n\r\n{"
KEYS = (
    "responses_per_second", "p95_ms", "otree_per_second", "sqlite_per_second", "bare_per_second",
    "join_p95_ms", "imbalance", "imbalance_after_dropout",
    "lost", "duplicates", "overwrites", "stuck", "drift",
    "page_kb", "requests", "first_trial_ms", "plan_ratio", "stalled_p95_ratio",
)  # fmt: skip


def arrivals(lab: Lab) -> dict[str, Any]:
    """People who join: all at once, and spread; how evenly the lists fill, also after drop-out."""
    found: dict[str, Any] = {}
    for name, over in (("join_p95_ms", 0.0), ("join_p95_ms_spread", SPREAD_SECONDS)):
        study = lab.ask("make", **study_of(name.replace("_", "-"), FEW, 3, 0, places=ARRIVALS, lists=LISTS))
        with lab.served() as (port, _):
            forms: list[tuple[str, str]] = []
            drive(port, [consent_form(study["slug"], forms) for _ in range(ARRIVALS)], over=1.0)
            load = drive(port, [joining(study["slug"], *form) for form in forms], over=over)
        found[name] = load.p95_ms("join")
        if not over:
            taken = lab.ask("places", study=study["study"])["taken"]
            found["imbalance"] = max(taken) - min(taken)
            completed = lab.ask("drop-out", study=study["study"], share=DROP_OUT)["finished"]
            found["imbalance_after_dropout"] = max(completed) - min(completed)
    return {**found, "arrivals": ARRIVALS, "spread_seconds": SPREAD_SECONDS}


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


def report(options: argparse.Namespace) -> dict[str, Any]:
    """Measure everything, on servers that end with the block."""
    result: dict[str, Any] = {"load_at_start": round(os.getloadavg()[0], 2), "processors": os.cpu_count()}
    with postgresql_server(durable=True) as database, tempfile.TemporaryDirectory() as name:
        if database is None:
            raise SystemExit("benchmarks.ratings: needs PostgreSQL (Debian: apt-get install postgresql)")
        folder = Path(name)
        labs = {kind: new_lab(folder / kind, database, kind) for kind in ("postgresql", "sqlite")}
        lab = labs["postgresql"]
        parts: list[Callable[[], dict[str, Any]]] = [
            lambda: {"statements_per_answer": statements(lab)},
            lambda: throughput(labs, database, options, folder),
            lambda: arrivals(lab),
            lambda: stalled_ratio(lab),
            lambda: plan_ratio(lab, database),
            lambda: measure_page(lab),
            lambda: faults(lab, database, options),
        ]
        for part in parts:
            figures = part()
            sys.stderr.write(f"{json.dumps(figures)}\n")
            result |= figures
    result |= {"load_at_end": round(os.getloadavg()[0], 2)}
    return {**dict.fromkeys(KEYS), **result, "not_measured": not_measured(result, options)}


def faults(lab: Lab, database: Server, options: argparse.Namespace) -> dict[str, Any]:
    if not options.faults:
        return {}
    return fault_run(lab, database, kills=options.faults, people=options.people, trials=FEW)


def new_lab(home: Path, database: Server, kind: str) -> Lab:
    (home / "staticfiles").mkdir(parents=True)
    lab = Lab(home, database.address if kind == "postgresql" else f"sqlite:///{home / 'db.sqlite3'}")
    lab.ask("migrate")
    return lab


def not_measured(result: dict[str, Any], options: argparse.Namespace) -> dict[str, str]:
    """Say why a figure is missing."""
    reasons = {"otree_per_second": "without --otree", **result.pop("page_not_measured", {})}
    if not options.faults:
        reasons |= dict.fromkeys(("lost", "duplicates", "overwrites", "stuck", "drift"), "with --faults 0")
    missing = {name: why for name, why in reasons.items() if result.get(name) is None}
    return {**missing, "worker kills": "no job's worker runs during the faults: answers need none"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each turn of each system")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--faults", type=int, default=9, help="kills, of server processes and PostgreSQL in turn"
    )
    parser.add_argument("--people", type=int, default=24, help="who take part during the faults")
    parser.add_argument(
        "--otree", type=Path, metavar="PYTHON", help="of an environment with oTree and psycopg2"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = report(options)
    print(json.dumps(result) if options.json else json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
