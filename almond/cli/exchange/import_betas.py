"""``python -m almond import-betas FOLDER``: encoders of mean weights that somebody else fitted."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from almond.cli.exchange.pairs import read_pairs
from almond.digest import printed_json
from almond.encoding.artifacts.mean_weights import import_betas, read_betas
from almond.encoding.config.features import FeatureSpec, network_kinds
from almond.encoding.config.paths import BASE
from almond.encoding.config.prediction import SUFFIX
from almond.encoding.features.card import FeatureSpaceCard
from almond.encoding.features.open import open_space
from almond.encoding.features.space import card_of_space
from almond.errors import InputError
from almond.shapes import read


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="files meanbeta_sub-<subject>_<region>_….csv"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of encoders (`encoders` in a CONFIG)")
    parser.add_argument(
        "--features", default="emonet", choices=network_kinds(), help="the network of the weights (emonet)"
    )
    parser.add_argument("--weights", help="the network's own weights file, where it needs one")
    parser.add_argument("--layer", help="the network's layer, where it is not the usual one")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a further key of the network (docs/features.md), such as model=lab.nets:alexnet or resize=224; "
        "may be repeated",
    )
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
    names = dict(read_pairs("--name", arguments.name, "OURS=THEIRS, such as LB=Amygdala_LB"))
    betas = read_betas(arguments.folder, suffix=arguments.suffix, names=names)
    made = import_betas(betas, card_of(arguments), arguments.out)
    rows = [
        {"subject": beta.subject, "region": beta.region, "file": beta.path.name, "digest": digest}
        for beta, (digest, _) in zip(betas, made, strict=True)
    ]
    if arguments.json:
        print(printed_json({"encoders": str(arguments.out), "imported": rows}))
    else:
        lines = [
            f"sub-{row['subject']:<4} {row['region']:<12} {row['digest'][:12]}  {row['file']}" for row in rows
        ]
        print("\n".join([*lines, f"{len(rows)} encoders in {arguments.out}"]))
    return 0


def parse_settings(texts: Sequence[str]) -> list[tuple[str, Any]]:
    """Read ``["resize=224"]`` as keys and values; values are YAML, as in a configuration."""
    settings = []
    for name, value in read_pairs("--set", texts, "KEY=VALUE, such as resize=224"):
        try:
            settings.append((name, yaml.safe_load(value)))
        except yaml.YAMLError as error:
            raise InputError("--set", f"{name} is not YAML: {value!r}", "a value as in a CONFIG") from error
    return settings


def card_of(arguments: argparse.Namespace) -> FeatureSpaceCard:
    """The feature space that the weights belong to; its network is loaded, so that its digest is known."""
    value: dict[str, Any] = {"kind": arguments.features}
    short = {"weights": arguments.weights, "layer": arguments.layer}
    for name, setting in [*short.items(), *parse_settings(arguments.set)]:
        if setting is not None and name in value:
            raise InputError("--set", f"says {name} again", "each key once")
        if setting is not None:
            value[name] = setting
    return card_of_space(open_space(read(FeatureSpec, value, source="features", context={BASE: Path.cwd()})))
