"""``python -m almond diagnose CONFIG``: whether guidance moves what it claims to, before money is spent."""

from __future__ import annotations

import argparse
from pathlib import Path

from almond.diagnosis.configuration import DiagnosisConfig
from almond.digest import printed_json
from almond.generating.configuration import read_generation
from almond.progress import Console, Silent
from almond.report.write import check_report_folder


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG", help="YAML file, see docs/diagnosis.md")
    parser.add_argument("--out", type=Path, help="folder of the report (overrides `diagnosis.report`)")
    parser.add_argument("--json", action="store_true", help="print result.json on standard output")


def run(arguments: argparse.Namespace) -> int:
    """Draw, read, write the report, say the verdict with its reasons; returns 0."""
    from almond.diagnosis.diagnose import KIND
    from almond.diagnosis.from_config import diagnose_config
    from almond.diagnosis.report import write_diagnosis

    config = read_generation(arguments.config, DiagnosisConfig)
    folder = arguments.out or arguments.config.resolve().parent / config.diagnosis.report
    out = Path(folder).resolve()
    check_report_folder(out, KIND)
    diagnosis = diagnose_config(config, Silent() if arguments.json else Console())
    write_diagnosis(diagnosis, out)
    if arguments.json:
        print(printed_json(diagnosis.data))
        return 0
    for sentence in diagnosis.headline:
        print(sentence)
    print(f"Report: {out / 'report.html'}")
    return 0
