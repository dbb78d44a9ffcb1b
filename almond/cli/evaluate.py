"""``python -m almond evaluate CONFIG``: tests over subjects of encoders that were fitted."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from almond.encoding.artifacts.catalogue import collect
from almond.encoding.config.encoding_models import with_region_weights
from almond.encoding.config.fit_config import FitConfig, load_config
from almond.progress import Console, Silent


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG", help="YAML file, see docs/evaluation.md")
    parser.add_argument(
        "--out", type=Path, help="folder of the report (default: `evaluation.out`, or OUTPUT/evaluation)"
    )
    parser.add_argument("--json", action="store_true", help="print result.json on standard output")


def with_weights(config: FitConfig) -> tuple[str, ...] | None:
    """List the models whose artifacts hold weights of regions; None: whatever the encoders are."""
    if config.encoders is not None:
        return None
    return with_region_weights(config.models) or config.models


def run(arguments: argparse.Namespace) -> int:
    """Test, write the report, say the answers and what did not run; returns 0."""
    from almond.group.evaluate import evaluate_group
    from almond.group.sections import evaluation_answers

    config = load_config(arguments.config)
    settings = config.evaluation
    out = Path(arguments.out or settings.out or config.output / "evaluation").resolve()
    stored = collect(config, settings.models or with_weights(config))
    data = evaluate_group(config, stored, out=out, progress=Silent() if arguments.json else Console())
    if arguments.json:
        json.dump(data, sys.stdout, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
        sys.stdout.write("\n")
        return 0
    for sentence in evaluation_answers(data):
        print(sentence)
    for row in data["not_run"]:
        print(f"did not run ({row['model']}): {row['analysis']}: {row['reason']}")
    print(f"Report: {out / 'report.html'}")
    return 0
