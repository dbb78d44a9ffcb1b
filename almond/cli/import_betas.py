"""``python -m almond import-betas FOLDER``: encoders of mean weights that somebody else fitted."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from almond.encoding.artifacts.mean_weights import import_betas, read_betas
from almond.encoding.config.checks import Checks
from almond.encoding.config.features import NETWORK_KINDS, parse_features
from almond.encoding.config.prediction import SUFFIX
from almond.encoding.features.card import FeatureSpaceCard
from almond.encoding.features.space import open_space
from almond.errors import InputError
from almond.shapes import ShapeError

HELP = "make encoders of mean weights in CSV files"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="files meanbeta_sub-<subject>_<region>_….csv"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of encoders (`encoders` in a CONFIG)")
    parser.add_argument(
        "--features", default="emonet", choices=NETWORK_KINDS, help="the network of the weights (emonet)"
    )
    parser.add_argument("--weights", help="the network's own weights file, where it needs one")
    parser.add_argument("--layer", help="the network's layer, where it is not the usual one")
    parser.add_argument("--suffix", default=SUFFIX, help=f"how the names end ({SUFFIX})")
    parser.add_argument(
        "--name",
        action="append",
        default=[],
        metavar="OURS=THEIRS",
        help="a region that the files call otherwise, such as LB=Amygdala_LB; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a list")


def run(arguments: argparse.Namespace) -> int:
    """Read every file, then write an encoder for each; returns 0."""
    betas = read_betas(arguments.folder, suffix=arguments.suffix, names=parse_names(arguments.name))
    made = import_betas(betas, card_of(arguments), arguments.out)
    rows = [
        {"subject": beta.subject, "region": beta.region, "file": beta.path.name, "digest": digest}
        for beta, (digest, _) in zip(betas, made, strict=True)
    ]
    if arguments.json:
        print(json.dumps({"encoders": str(arguments.out), "imported": rows}, indent=2))
    else:
        lines = [
            f"sub-{row['subject']:<4} {row['region']:<12} {row['digest'][:12]}  {row['file']}" for row in rows
        ]
        print("\n".join([*lines, f"{len(rows)} encoders in {arguments.out}"]))
    return 0


def parse_names(pairs: list[str]) -> dict[str, str]:
    """Read ``["LB=Amygdala_LB"]`` as a mapping of our regions to theirs."""
    names = {}
    for text in pairs:
        ours, separator, theirs = text.partition("=")
        if not (ours and separator and theirs):
            raise InputError("--name", f"is {text!r}", "OURS=THEIRS, such as LB=Amygdala_LB")
        names[ours] = theirs
    return names


def card_of(arguments: argparse.Namespace) -> FeatureSpaceCard:
    """Open the feature space of the weights; its network is loaded for its digest."""
    value: dict[str, Any] = {"kind": arguments.features}
    if arguments.weights:
        value["weights"] = arguments.weights
    if arguments.layer:
        value["layer"] = arguments.layer
    checks = Checks(Path.cwd())
    spec = parse_features(value, "features", checks)
    if spec is None or checks.problems:
        raise ShapeError("import-betas", checks.problems)
    space = open_space(spec)
    return FeatureSpaceCard(space.name, space.digest, space.dimension)
