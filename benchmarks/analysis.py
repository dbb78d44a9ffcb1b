"""What analyses and exports cost: ``python -m benchmarks.analysis --json``.

- ``permutation_seconds``: 10 000 permutations of the classification of 80 images in 20 themes into four
  targets, from the profiles of ``--people`` people on ten scales, themes held out, in one process;
- ``power_seconds``: a power curve of ``--studies`` studies with an effect of .35 and as many without one, of
  40 people and 12 themes (96 images, four targets, two scales, 48 pairs), both tests, in one process;
- ``export_rows_per_second``: rows of ratings that the export of ``--responses`` responses writes, from
  PostgreSQL to the whole folder (CSV, Parquet, images, manifest), ``copy_rows_per_second``: rows that
  PostgreSQL alone sends of them, joined and sorted (``COPY (...) TO STDOUT``), ``ratio``: of the two;
- ``export_peak_mb``: the largest resident set while an export is written and its chain is walked, over
  that of the worker's process when it begins (its modules loaded); ``write_peak_mb`` and
  ``verify_peak_mb`` apart.

The same is measured with SQLite, but for ``COPY``. PostgreSQL is one of its own, in a temporary place, and
ends with the benchmark. What could not be measured is null, with the reason in ``not_measured``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from almond.design.plan import StudyPlan
from benchmarks.ratings_servers import ROOT, Lab
from scripts.services import postgresql_server

TRIALS = 100
PERMUTATIONS, STIMULI, SCALES, TARGETS = 10_000, 80, 10, 4


def ask(lab: Lab, verb: str, **wanted: Any) -> dict[str, Any]:
    """Let a process of its own do something in the lab (``benchmarks.analysis_lab``)."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.analysis_lab", verb],
        cwd=ROOT,
        env=lab.environment,
        input=json.dumps(wanted).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def measure_export(lab: Lab, responses: int) -> dict[str, Any]:
    """Fill a lab, let its database send the rows, then write and walk the export."""
    lab.ask("migrate")
    filled = ask(lab, "fill", responses=responses, trials=TRIALS)
    sent = ask(lab, "copy", study=filled["study"]) if lab.database.startswith("postgres") else {}
    written = ask(lab, "export", study=filled["study"], folder=str(lab.home / "exports" / "benchmark"))
    rows = filled["responses"]
    rates = {"export_rows_per_second": rows / written["write_seconds"]}
    if sent:
        rates["copy_rows_per_second"] = rows / sent["copy_seconds"]
        rates["ratio"] = rates["export_rows_per_second"] / rates["copy_rows_per_second"]
    peak = {"export_peak_mb": max(written["write_peak_mb"], written["verify_peak_mb"])}
    measured = {**filled, **sent, **written, **rates, **peak}
    print(measured, file=sys.stderr, flush=True)
    return measured


def exports(wanted: argparse.Namespace) -> dict[str, Any]:
    """Measure exports from each database, in a temporary place; PostgreSQL's keys stand at the top."""
    results: dict[str, Any] = dict.fromkeys(
        ("export_rows_per_second", "copy_rows_per_second", "ratio", "export_peak_mb")
    )
    with tempfile.TemporaryDirectory(prefix="almond-benchmark-") as folder:
        if "postgresql" in wanted.databases:
            with postgresql_server(durable=True) as server:
                if server is None:
                    results["not_measured"] = {"export": "no PostgreSQL on this machine"}
                else:
                    lab = Lab(Path(folder) / "postgresql", server.address)
                    lab.home.mkdir()
                    measured = measure_export(lab, wanted.responses)
                    results |= {name: measured[name] for name in results} | {"postgresql": measured}
        if "sqlite" in wanted.databases:
            home = Path(folder) / "sqlite"
            home.mkdir()
            results["sqlite"] = measure_export(
                Lab(home, f"sqlite:///{home / 'db.sqlite3'}"), wanted.responses
            )
    return results


def permutations(wanted: argparse.Namespace) -> dict[str, Any]:
    """Classify noise: the cost does not depend on whether there is an effect."""
    from almond.rng import generator
    from almond.stats.classification import classify

    rng = generator(1, "benchmark")
    values = rng.normal(size=(wanted.people, STIMULI, SCALES)).mean(axis=0)
    targets = [f"T{number % TARGETS}" for number in range(STIMULI)]
    themes = [f"theme {number // TARGETS}" for number in range(STIMULI)]
    seconds = {}
    for method in ("lda", "pls"):
        begin = time.perf_counter()
        classify(
            values,
            targets,
            themes,
            permutations=wanted.permutations,
            rng=generator(2, method),
            seed=2,
            method=method,
        )
        seconds[method] = time.perf_counter() - begin
    return {
        "permutation_seconds": seconds["lda"],
        "permutation_seconds_pls": seconds["pls"],
        "permutations": wanted.permutations,
    }


def planned_study() -> StudyPlan:
    """Plan a study of 12 themes of one scene each, two images for each of four targets."""
    scenes, targets = range(12), ("LB", "CM", "SF", "AStr")
    images = [(scene, target, way) for scene in scenes for target in targets for way in (1, -1)]
    stimuli = [
        {
            "id": f"s{scene}-{target}-{way}",
            "sha256": f"{number:064x}",
            "base_scene": f"s{scene}",
            "theme": f"t{scene}",
            "prompt": f"prompt {scene}",
            "target": target,
            "direction": way,
            "strength": 1.0,
            "width": 64,
            "height": 64,
        }
        for number, (scene, target, way) in enumerate(images)
    ]
    pairs = [
        {
            "id": f"p{scene}-{target}",
            "base_scene": f"s{scene}",
            "target": target,
            "construct": "threat",
            "question": "Which is more threatening?",
            "high": f"s{scene}-{target}-1",
            "low": f"s{scene}-{target}--1",
        }
        for scene in scenes
        for target in targets
    ]
    scales = ("threat", "urgency")
    blocks = [
        {"kind": "rating", "name": "ratings", "trials": len(stimuli), "constructs": list(scales)},
        {"kind": "choice", "name": "choices", "trials": len(pairs)},
    ]
    constructs = [{"name": name, "question": f"How {name}?", "low": "not", "high": "very"} for name in scales]
    plan = {
        "format": "almond-plan/1",
        "title": "benchmark",
        "seed": 1,
        "participants": 40,
        "constructs": constructs,
        "blocks": blocks,
    }
    return StudyPlan.from_json({**plan, "stimuli": stimuli, "pairs": pairs})


def power(wanted: argparse.Namespace) -> dict[str, Any]:
    """Simulate the studies of one point of a curve, with and without an effect."""
    from almond.power import power_curve

    begin = time.perf_counter()
    result = power_curve(planned_study(), effects=(0.35,), studies=wanted.studies, seed=1)
    seconds = time.perf_counter() - begin
    return {"power_seconds": seconds, "power_studies": wanted.studies, "power_rows": result.data["rows"]}


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "permutations": permutations,
    "power": power,
    "export": exports,
}


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS), default=tuple(PARTS))
    parser.add_argument("--responses", type=int, default=1_000_000, help="of the study that is exported")
    parser.add_argument("--studies", type=int, default=200, help="of a power curve")
    parser.add_argument("--permutations", type=int, default=PERMUTATIONS)
    parser.add_argument("--people", type=int, default=200, help="whose ratings are classified")
    parser.add_argument(
        "--databases", nargs="+", choices=("sqlite", "postgresql"), default=("postgresql", "sqlite")
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    wanted = parser.parse_args(words)
    results: dict[str, Any] = {"processors": os.cpu_count(), "load": os.getloadavg()[0]}
    for name in wanted.only:
        results |= PARTS[name](wanted)
    if wanted.json:
        print(json.dumps(results, indent=2))
        return 0
    for name, value in results.items():
        print(f"{name:24} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
