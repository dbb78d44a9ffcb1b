"""``python -m almond power PLAN|EXPORT``: how often a planned study will find an effect, by simulation."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from almond.cli.plan import read_plan
from almond.progress import Console, Silent

# As in ``almond analyse``: the matrices are small, and threads of the algebra library would only wait.
os.environ.setdefault("OMP_NUM_THREADS", "1")

EXAMPLE = "numbers with commas between, such as 20,40,80"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("plan", type=Path, help="the folder of an export, or a file plan.json")
    parser.add_argument(
        "--raters", type=Path, metavar="FILE", help="YAML: what people and images are like (docs/power.md)"
    )
    parser.add_argument(
        "--effects", type=numbers(float), default=(0.35,), help="in SD of one rating (default: 0.35)"
    )
    parser.add_argument(
        "--people", type=numbers(int), default=(), help="numbers of participants beside the plan's"
    )
    parser.add_argument("--themes", type=numbers(int), default=(), help="numbers of themes beside the plan's")
    parser.add_argument(
        "--studies", type=int, default=200, help="simulated studies of each design and effect (default: 200)"
    )
    parser.add_argument("--lists", type=int, default=8, help="lists of trials that are dealt (default: 8)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")
    parser.add_argument("--out", type=Path, help="folder for the report (default: PLAN-power beside it)")
    parser.add_argument("--json", action="store_true", help="print power.json on standard output")


def numbers(kind: type[int] | type[float]) -> Callable[[str], tuple[float, ...]]:
    """Make a reader of numbers that stand in one argument, with commas between."""

    def read(text: str) -> tuple[float, ...]:
        try:
            return tuple(kind(part) for part in text.split(","))
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r} is not {EXAMPLE}") from error

    return read


def run(arguments: argparse.Namespace) -> int:
    """Simulate, write the report, say the answer; an interrupted run goes on where it was."""
    from almond.design.power_settings import check_settings
    from almond.power.curve import run_power
    from almond.power.rater_file import read_rater_model
    from almond.power.report import RESULT, check_power_folder, write_power

    path = Path(arguments.plan)
    plan = read_plan(path)
    settings = check_settings(
        plan,
        read_rater_model(arguments.raters),
        people=arguments.people,
        themes=arguments.themes,
        effects=arguments.effects,
        studies=arguments.studies,
        seed=arguments.seed,
        lists=arguments.lists,
    )
    resolved = path.resolve()
    out = arguments.out or resolved.with_name(f"{resolved.stem if path.is_file() else resolved.name}-power")
    check_power_folder(out)
    keep = out.with_name(f".{out.name}-{settings.digest[:12]}.jsonl")
    result = run_power(settings, keep=keep, progress=Silent() if arguments.json else Console())
    page = write_power(result, out)
    keep.unlink(missing_ok=True)
    if arguments.json:
        sys.stdout.write((out / RESULT).read_text(encoding="utf-8"))
        return 0
    for sentence in result.headline:
        print(sentence)
    print(f"Report: {page}")
    return 0
