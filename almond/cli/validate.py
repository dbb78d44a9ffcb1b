"""``python -m almond validate CONFIG``: fitted encoders on images with published norms."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from almond.encoding.artifacts.catalogue import collect
from almond.encoding.config.fit_config import load_config
from almond.errors import InputError
from almond.progress import Console, Silent


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG", help="YAML file, see docs/amod.md")
    parser.add_argument(
        "--out", type=Path, help="folder of the report (default: `validation.out`, or OUTPUT/validation)"
    )
    parser.add_argument("--json", action="store_true", help="print result.json on standard output")


def run(arguments: argparse.Namespace) -> int:
    """Predict, test, write the report, say the answer; returns 0."""
    from almond.norms.sections import validation_answers
    from almond.norms.validate import validate_norms

    config = load_config(arguments.config)
    settings = config.validation
    if settings is None:
        raise InputError(arguments.config, "has no section validation", "sets of images with norms")
    out = arguments.out or settings.out or config.output / "validation"
    out = Path(out).resolve()
    model = settings.model or (config.models[0] if config.encoders is None else None)
    stored = collect(config, [model] if model else None)
    progress = Silent() if arguments.json else Console()
    data: dict[str, Any] = validate_norms(config, stored, out=out, progress=progress)
    if arguments.json:
        json.dump(data, sys.stdout, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
        sys.stdout.write("\n")
        return 0
    for sentence in validation_answers(data):
        print(sentence)
    print(f"Report: {out / 'report.html'}")
    return 0
