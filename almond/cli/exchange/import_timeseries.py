"""``python -m almond import-timeseries TABLE …``: fit regions whose time series are columns of tables."""

from __future__ import annotations

import argparse
from pathlib import Path

from almond.cli.exchange.pairs import read_pairs
from almond.digest import printed_json
from almond.encoding.regions.timeseries import SETTINGS, find_tables, import_timeseries


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "tables",
        type=Path,
        nargs="+",
        metavar="TABLE",
        help="tables such as sub-01_run-1_timeseries.tsv, a row per volume, or folders of them",
    )
    parser.add_argument("--tr", type=float, required=True, help="repetition time in seconds")
    parser.add_argument("--out", type=Path, required=True, help="new folder of images, masks and runs.yaml")
    parser.add_argument(
        "--region",
        action="append",
        default=[],
        metavar="NAME=COLUMNS",
        help="a region and its columns, such as LB=LB_*; may be repeated (default: every column a region)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Import and say what to write next; returns 0."""
    patterns = dict(read_pairs("--region", arguments.region, "NAME=COLUMNS, such as LB=LB_*")) or None
    settings = import_timeseries(
        find_tables(arguments.tables), arguments.out, tr=arguments.tr, patterns=patterns
    )
    if arguments.json:
        print(printed_json({"folder": str(arguments.out), **settings}))
        return 0
    print(
        f"{len(settings['runs'])} runs, regions {', '.join(settings['regions'])}: "
        f"{arguments.out / SETTINGS}\nNext: add features to a copy of it, then python -m almond fit CONFIG"
    )
    return 0
