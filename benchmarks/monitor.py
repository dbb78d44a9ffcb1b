"""What a look at the monitor costs at a million responses: ``python -m benchmarks.monitor --json``.

A study of ``--responses`` responses (100 trials each, an event and an attempt per answer) is written by bulk
SQL into SQLite and into a PostgreSQL of its own that writes as in service (fsync), both in a temporary place.
Then everything is counted once from nothing (``rebuild_s``), and the monitor is looked at ``--looks`` times:

- ``monitor_ms``: median of a whole request for what its page shows, after 40 people answered a trial each;
- ``processor_ms``: what of ``monitor_ms`` the site's process used; SQLite's work is in it, PostgreSQL's not;
- ``idle_ms``: the same as ``monitor_ms`` when nothing came since the last look;
- ``count_ms``: ``SELECT count(*)`` over the responses, in turns with the looks; ``ratio`` is of
  ``monitor_ms`` to it;
- ``rows``: how many responses there were; ``statements``: SQL statements of a look.

What could not be measured is null, with the reason in ``not_measured``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.ratings_servers import ROOT, Lab
from scripts.services import postgresql_server

TRIALS = 100


def ask(lab: Lab, verb: str, **wanted: Any) -> dict[str, Any]:
    """Let a process of its own do something in the lab (``benchmarks.monitor_lab``)."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.monitor_lab", verb],
        cwd=ROOT,
        env=lab.environment,
        input=json.dumps(wanted).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def measure(lab: Lab, responses: int, looks: int) -> dict[str, Any]:
    lab.ask("migrate")
    filled = ask(lab, "fill", responses=responses, trials=TRIALS)
    measured = {**filled, **ask(lab, "measure", study=filled["study"], looks=looks)}
    print(measured, file=sys.stderr, flush=True)
    return measured


def run(responses: int, looks: int, databases: Sequence[str]) -> dict[str, Any]:
    """Measure each database, in a temporary place."""
    results: dict[str, Any] = {"processors": os.cpu_count(), "load": os.getloadavg()[0], "not_measured": {}}
    with tempfile.TemporaryDirectory(prefix="almond-benchmark-") as folder:
        if "sqlite" in databases:
            home = Path(folder) / "sqlite"
            home.mkdir()
            results["sqlite"] = measure(Lab(home, f"sqlite:///{home / 'db.sqlite3'}"), responses, looks)
        if "postgresql" in databases:
            with postgresql_server(durable=True) as server:
                if server is None:
                    results["not_measured"]["postgresql"] = "no PostgreSQL on this machine"
                else:
                    home = Path(folder) / "postgresql"
                    home.mkdir()
                    results["postgresql"] = measure(Lab(home, server.address), responses, looks)
    return results


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--responses", type=int, default=1_000_000)
    parser.add_argument("--looks", type=int, default=15)
    parser.add_argument(
        "--databases", nargs="+", choices=("sqlite", "postgresql"), default=("sqlite", "postgresql")
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    wanted = parser.parse_args(words)
    results = run(wanted.responses, wanted.looks, wanted.databases)
    if wanted.json:
        print(json.dumps(results, indent=2))
        return 0
    for database in wanted.databases:
        for name, value in (results.get(database) or {}).items():
            print(f"{database:12} {name:12} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
