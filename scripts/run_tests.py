"""``make test``: every check and every test, with one summary at the end.

All of them run even when one fails; the status is 0 only if none did. The checks run one after the other
beside the tests, which leave a processor idle now and then; what a check says is printed when it has ended.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from scripts import services

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"
PACKAGES = [
    "almond",
    "accounts",
    "jobs",
    "lab",
    "encoder",
    "generation",
    "studies",
    "ratings",
    "analysis",
    "config",
    "benchmarks",
    "training",
    "scripts",
]
PYTEST = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal"]
ON_POSTGRESQL = ["tests/site", "tests/browser/test_answers.py"]


@dataclass(frozen=True)
class Outcome:
    """How one check went."""

    name: str
    passed: bool
    seconds: float
    last_line: str


def environment(**more: str) -> dict[str, str]:
    """Set one thread per process and the default database.

    Compiled modules are kept: the tests start more than a hundred processes, each of which would else compile
    what it imports.
    """
    quiet = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    left_out = {"DATABASE_URL", "PYTHONDONTWRITEBYTECODE"}
    inherited = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**inherited, **quiet, **more}


def run_quietly(name: str, words: list[str]) -> Outcome:
    """Run one check and print what it said at its end; the last line that says something is kept."""
    began = time.monotonic()
    done = subprocess.run(
        words,
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(f"\n── {name}\n{done.stdout}", end="", flush=True)
    lines = done.stdout.split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return Outcome(name, done.returncode == 0, time.monotonic() - began, last)


def run(name: str, words: list[str], **more: str) -> Outcome:
    """Run the tests with their output passed on; the last line that says something is kept."""
    print(f"\n── {name}", flush=True)
    began, last = time.monotonic(), ""
    with subprocess.Popen(
        words, cwd=ROOT, env=environment(**more), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line.strip() or last
    return Outcome(name, process.returncode == 0, time.monotonic() - began, last)


def check_scripts() -> Outcome:
    """Syntax of the pages' own scripts; copied to ``.mjs``, which Node reads as modules without a guess."""
    files = sorted((ROOT / "static" / "js").rglob("*.js"))
    with tempfile.TemporaryDirectory() as folder:
        copies = [shutil.copy(path, Path(folder) / f"{path.stem}.mjs") for path in files]
        done = [subprocess.run(["node", "--check", copy], check=False).returncode for copy in copies]
    return Outcome("node --check", not any(done), 0.0, f"{len(files)} scripts")


def checks() -> list[Callable[[], Outcome]]:
    manage = [sys.executable, "manage.py"]
    steps: list[Callable[[], Outcome]] = [
        lambda: run_quietly("ruff check", [str(BIN / "ruff"), "check", "."]),
        lambda: run_quietly("ruff format", [str(BIN / "ruff"), "format", "--check", "."]),
        lambda: run_quietly("import contracts", [str(BIN / "lint-imports"), "--no-logo"]),
        lambda: run_quietly("types", [str(BIN / "mypy"), *PACKAGES]),
        lambda: run_quietly("missing migrations", [*manage, "makemigrations", "--check", "--dry-run"]),
        lambda: run_quietly("manage.py check", [*manage, "check", "--fail-level", "WARNING"]),
    ]
    if shutil.which("node"):
        steps.append(check_scripts)
    return steps


def test_on_postgresql() -> Outcome | None:
    """The site's tests and those of answers in a browser on PostgreSQL; None where there is none."""
    with services.postgresql() as address:
        if address is None:
            return None
        return run("pytest on PostgreSQL", [*PYTEST, *ON_POSTGRESQL], DATABASE_URL=address)


def summarise(outcomes: list[Outcome], missing: list[services.Tool], seconds: float) -> int:
    print("\n── summary")
    for outcome in outcomes:
        mark = "ok    " if outcome.passed else "FAILED"
        print(f"{mark} {outcome.name:22} {outcome.seconds:5.0f} s  {outcome.last_line[:110]}")
    for tool in missing:
        print(f"NOT TESTED: {tool.used_for}: {tool.program} is missing (Debian: {tool.package})")
    failed = [outcome.name for outcome in outcomes if not outcome.passed]
    print(f"{'failed: ' + ', '.join(failed) if failed else 'all passed'}, {seconds:.0f} s", flush=True)
    return 1 if failed else 0


def main() -> int:
    began = time.monotonic()
    missing = services.install_missing()
    with tempfile.TemporaryDirectory(prefix="almond-checks-") as home:
        os.environ["ALMOND_HOME"] = home  # no check touches the lab's own data
        with ThreadPoolExecutor(1) as beside:
            checked = [beside.submit(check) for check in checks()]
            tested = [run("pytest", PYTEST), test_on_postgresql()]
            outcomes = [future.result() for future in checked] + [one for one in tested if one is not None]
    return summarise(outcomes, missing, time.monotonic() - began)


if __name__ == "__main__":
    sys.exit(main())
