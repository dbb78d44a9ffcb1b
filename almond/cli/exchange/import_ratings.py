"""``python -m almond import-ratings TABLE --map FILE``: analyse ratings that were collected elsewhere."""

from __future__ import annotations

import argparse
import dataclasses
from datetime import UTC, datetime
from pathlib import Path

from almond.digest import printed_json
from almond.errors import InputError
from almond.progress import Console, Silent


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "table", type=Path, metavar="TABLE", help="a CSV or TSV file, one judgement per cell or row"
    )
    parser.add_argument(
        "--map",
        type=Path,
        required=True,
        metavar="FILE",
        help="YAML: what the columns mean (docs/external.md)",
    )
    parser.add_argument("--out", type=Path, help="folder of the export (default: TABLE-export beside it)")
    parser.add_argument("--report", type=Path, metavar="FOLDER", help="also analyse it and write the report")
    parser.add_argument("--pdf", action="store_true", help="with --report: write report.pdf too")
    parser.add_argument(
        "--key", type=Path, metavar="FILE", help="write who has which name in the export (CSV)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Import, and analyse where a report is asked for; returns 0."""
    from almond.analysis.analyse import analyse_export
    from almond.analysis.report import write_report
    from almond.evidence.external.importing import import_table
    from almond.evidence.external.table_map import read_table_map

    if arguments.pdf and not arguments.report:
        raise InputError("--pdf", "is given without --report", "the folder of the report it belongs to")
    table = Path(arguments.table)
    out = arguments.out or table.resolve().with_name(f"{table.stem}-export")
    imported = import_table(
        table, read_table_map(arguments.map), out, created=datetime.now(UTC), key=arguments.key
    )
    facts = {**dataclasses.asdict(imported), "folder": str(imported.folder)}
    answers: list[str] = []
    if arguments.report:
        result = analyse_export(out, progress=Silent() if arguments.json else Console())
        facts["report"] = str(write_report(result, arguments.report, pdf=arguments.pdf))
        facts["headline"] = answers = result.headline
    if arguments.json:
        print(printed_json(facts))
        return 0
    print(
        f"{imported.judgements} judgements by {imported.people} people of {imported.stimuli} stimuli on "
        f"{', '.join(imported.constructs)}; {imported.repeats} repeated, {imported.empty} cells without a "
        f"value, {imported.ignored} ignored, {imported.images} images."
    )
    last = f"Report: {facts['report']}" if arguments.report else f"Next: python -m almond analyse {out}"
    print("\n".join([f"Export: {imported.folder}", *answers, last]))
    return 0
