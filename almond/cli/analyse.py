"""``python -m almond analyse EXPORT``: repeat a study's analysis from its export."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from almond.progress import Console, Silent

# The matrices of an analysis are small: threads of the linear algebra library would only wait for each other.
# It reads this when it is first imported, which is why the statistics are imported when they are needed.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("export", type=Path, help="folder of the export (with manifest.json)")
    parser.add_argument("--out", type=Path, help="folder for the report (default: EXPORT-report beside it)")
    parser.add_argument(
        "--permutations", type=int, help="instead of the plan's: results are then exploratory"
    )
    parser.add_argument("--seed", type=int, help="instead of the plan's: results are then exploratory")
    parser.add_argument("--json", action="store_true", help="print result.json on standard output")


def run(arguments: argparse.Namespace) -> int:
    """Analyse, write the report, say the answer."""
    from almond.analysis.analyse import analyse_export
    from almond.analysis.report import write_report

    export = Path(arguments.export)
    result = analyse_export(
        export,
        permutations=arguments.permutations,
        seed=arguments.seed,
        progress=Silent() if arguments.json else Console(),
    )
    resolved = export.resolve()
    folder = arguments.out or resolved.with_name(f"{resolved.name}-report")
    path = write_report(result, folder)
    if arguments.json:
        sys.stdout.write((folder / "result.json").read_text(encoding="utf-8"))
        return 0
    for sentence in result.headline:
        print(sentence)
    print(f"Report: {path}")
    return 0
