"""``python -m almond trajectory CONFIG``: pictures of one scene at equal distances of a target's score."""

from __future__ import annotations

import argparse
from pathlib import Path

from almond.digest import printed_json
from almond.generating.configuration import read_generation
from almond.progress import Console, Silent
from almond.report.write import check_report_folder
from almond.trajectories.configuration import TrajectoryConfig


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG", help="YAML file, see docs/trajectories.md")
    parser.add_argument("--out", type=Path, help="folder of the report (overrides `trajectory.report`)")
    parser.add_argument("--json", action="store_true", help="print result.json on standard output")


def run(arguments: argparse.Namespace) -> int:
    """Draw what is missing, choose, write the report, say what was reached; returns 0."""
    from almond.trajectories.from_config import trajectories_of_config
    from almond.trajectories.report import KIND, write_trajectories

    config = read_generation(arguments.config, TrajectoryConfig)
    out = Path(arguments.out or arguments.config.resolve().parent / config.trajectory.report).resolve()
    check_report_folder(out, KIND)
    findings = trajectories_of_config(config, Silent() if arguments.json else Console())
    result = write_trajectories(findings, out)
    if arguments.json:
        print(printed_json(result))
        return 0
    for sentence in findings.headline:
        print(sentence)
    for row in findings.trajectories:
        for sentence in row.sought.sentences:
            print(f"{row.target}, {row.prompt!r}, seed {row.seed}: {sentence}")
    print(f"Report: {out / 'report.html'}")
    return 0
