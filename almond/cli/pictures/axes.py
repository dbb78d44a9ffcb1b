"""``python -m almond axes CONFIG``: the axes of score space, with pictures pushed along each, both ways."""

from __future__ import annotations

import argparse
from pathlib import Path

from almond.axes.configuration import AxesConfig
from almond.digest import printed_json
from almond.generating.configuration import read_generation
from almond.progress import Console, Silent
from almond.report.write import check_report_folder


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG", help="YAML file, see docs/trajectories.md")
    parser.add_argument("--out", type=Path, help="folder of the report (overrides `axes.report`)")
    parser.add_argument("--json", action="store_true", help="print result.json on standard output")


def run(arguments: argparse.Namespace) -> int:
    """Draw what is missing, read, calibrate, write the report, say how far each side goes; returns 0."""
    from almond.axes.explore import explore_axes
    from almond.axes.report import KIND, write_axes

    config = read_generation(arguments.config, AxesConfig)
    out = Path(arguments.out or arguments.config.resolve().parent / config.axes.report).resolve()
    check_report_folder(out, KIND)
    findings = explore_axes(config, Silent() if arguments.json else Console())
    result = write_axes(findings, out)
    if arguments.json:
        print(printed_json(result))
        return 0
    for sentence in findings.headline:
        print(sentence)
    print(f"Report: {out / 'report.html'}")
    return 0
