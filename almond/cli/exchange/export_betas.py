"""``python -m almond export-betas CONFIG``: mean weights as CSV files under the published names."""

from __future__ import annotations

import argparse
from pathlib import Path

from almond.digest import printed_json
from almond.encoding.artifacts.catalogue import collect
from almond.encoding.artifacts.mean_weights import export_betas
from almond.encoding.config.fit_config import load_config
from almond.encoding.config.prediction import BetasSettings
from almond.errors import InputError


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config", type=Path, metavar="CONFIG", help="the YAML file of the fit, see docs/fit.md"
    )
    parser.add_argument("--out", type=Path, help="folder of the CSV files (overrides betas.folder)")
    parser.add_argument("--model", help="which model's weights, where several were fitted")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a list")


def run(arguments: argparse.Namespace) -> int:
    """Write one file per subject and region and name them; returns 0."""
    config = load_config(arguments.config)
    settings = config.betas or BetasSettings()
    model = arguments.model or config.models[0]
    if model not in config.models:
        raise InputError("--model", f"is {model}", f"one of {', '.join(config.models)}")
    folder = arguments.out or settings.folder or config.output / "betas"
    artifacts = [stored.load() for stored in collect(config, [model])]
    files = export_betas(artifacts, folder, suffix=settings.suffix, names=settings.names)
    report = {"folder": str(folder), "model": model, "files": [path.name for path in files]}
    print(printed_json(report) if arguments.json else "\n".join(str(path) for path in files))
    return 0
