"""``python -m almond analyse EXPORT``: repeat a study's analysis from its export."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from almond.cli.output.frame import tell
from almond.progress import Console, Silent
from almond.shapes import is_digest

# The matrices of an analysis are small: threads of the linear algebra library would only wait for each other.
# It reads this when it is first imported, which is why the statistics are imported when they are needed.
os.environ.setdefault("OMP_NUM_THREADS", "1")


OTHER_PLAN = 2
"""Exit status where the plan is not the deposited one."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("export", type=Path, help="folder of the export (with manifest.json)")
    parser.add_argument("--out", type=Path, help="folder for the report (default: EXPORT-report beside it)")
    parser.add_argument(
        "--permutations", type=int, help="instead of the plan's: results are then exploratory"
    )
    parser.add_argument("--seed", type=int, help="instead of the plan's: results are then exploratory")
    parser.add_argument(
        "--plan",
        type=digest,
        metavar="DIGEST",
        help="digest of the plan as it was deposited: an export of any other plan is refused (exit status 2)",
    )
    parser.add_argument("--pdf", action="store_true", help="write report.pdf, of A4 pages, too")
    parser.add_argument("--json", action="store_true", help="print result.json on standard output")


def digest(text: str) -> str:
    """Read a digest from the command line."""
    if not is_digest(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a SHA-256 digest of 64 hexadecimal digits")
    return text


def run(arguments: argparse.Namespace) -> int:
    """Analyse, write the report, say the answer."""
    from almond.analysis.analyse import analyse_export
    from almond.analysis.registration.label import OtherPlan
    from almond.analysis.report import write_report

    export = Path(arguments.export)
    try:
        result = analyse_export(
            export,
            permutations=arguments.permutations,
            seed=arguments.seed,
            deposited=arguments.plan,
            progress=Silent() if arguments.json else Console(),
        )
    except OtherPlan as error:
        tell(f"almond analyse: {export}: {error}")
        return OTHER_PLAN
    resolved = export.resolve()
    folder = arguments.out or resolved.with_name(f"{resolved.name}-report")
    path = write_report(result, folder, pdf=arguments.pdf)
    if arguments.json:
        sys.stdout.write((folder / "result.json").read_text(encoding="utf-8"))
        return 0
    for sentence in result.headline:
        print(sentence)
    if arguments.plan:
        print("The plan is the deposited one.")
    print(f"Report: {path}")
    return 0
