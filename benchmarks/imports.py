"""How long a fresh process takes before it does anything: the command line's help, and one web request.

``python -m benchmarks.imports --json`` prints one JSON object: seconds by the clock and of the processor,
median and least of ``--runs`` runs, each in a process of its own. ``--against FOLDER`` measures another
checkout of Almond in alternation, and gives the ratios of medians, ours to theirs.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.encoder_data import THREADS

ROOT = Path(__file__).parents[1]
REQUEST = """
import django
django.setup()
from django.test import Client
import config.wsgi
page = Client(headers={"host": "localhost"}).get("/admin/login/")
assert page.status_code == 200, page.status_code
"""
PROGRAMS: dict[str, tuple[str, ...]] = {"help": ("-m", "almond", "--help"), "request": ("-c", REQUEST)}
KINDS = ("seconds", "processor_seconds")


def environment(home: str) -> dict[str, str]:
    """The environment of the measured processes: a lab's folder of their own, one thread, no search path."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    own = {"ALMOND_HOME": home, "DJANGO_SETTINGS_MODULE": "config.settings"}
    return {**inherited, **dict.fromkeys(THREADS, "1"), **own}


def measure(words: Sequence[str], checkout: Path, variables: Mapping[str, str]) -> dict[str, float]:
    """Seconds of one fresh Python with these words, started in a checkout."""
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *words], cwd=checkout, env=dict(variables), check=True, stdout=subprocess.DEVNULL
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": time.perf_counter() - begun, "processor_seconds": used}


def measure_all(checkouts: Mapping[str, Path], runs: int) -> dict[str, dict[str, list[dict[str, float]]]]:
    """Checkout -> program -> seconds of every run, checkouts in turn, which of them is first too.

    A first run of each, which may have to compile, is not counted."""
    measured: dict[str, dict[str, list[dict[str, float]]]] = {
        name: {program: [] for program in PROGRAMS} for name in checkouts
    }
    for run in range(runs + 1):
        turns = list(checkouts.items())[:: -1 if run % 2 else 1]
        for program, words in PROGRAMS.items():
            for name, checkout in turns:
                with tempfile.TemporaryDirectory() as home:
                    (Path(home) / "staticfiles").mkdir()
                    seconds = measure(words, checkout, environment(home))
                if run:
                    measured[name][program].append(seconds)
        sys.stderr.write(f"run {run} of {runs}\n")
    return measured


def summary(measured: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Median and least of every kind of seconds."""
    values = {kind: [run[kind] for run in measured] for kind in KINDS}
    return {
        kind: {"median": round(statistics.median(of), 4), "min": round(min(of), 4)}
        for kind, of in values.items()
    }


def report(checkouts: Mapping[str, Path], runs: int) -> dict[str, Any]:
    """Summaries of every checkout, and ratios of medians where there are two."""
    measured = measure_all(checkouts, runs)
    found: dict[str, Any] = {
        name: {program: summary(of) for program, of in programs.items()}
        for name, programs in measured.items()
    }
    if "against" in found:
        found["ratio"] = {
            program: {kind: ratio(found, program, kind) for kind in KINDS} for program in PROGRAMS
        }
    return {"runs": runs, "load_at_start": round(os.getloadavg()[0], 2), **found}


def ratio(found: Mapping[str, Any], program: str, kind: str) -> float:
    ours, theirs = (found[name][program][kind]["median"] for name in ("ours", "against"))
    return round(ours / theirs, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=11)
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="another checkout of Almond")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    checkouts = {"ours": ROOT}
    if given.against:
        checkouts["against"] = given.against.resolve()
    result = report(checkouts, given.runs)
    print(json.dumps(result) if given.json else json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
