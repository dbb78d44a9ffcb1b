"""``python -m almond weights NAME``: put a network's weights where every configuration finds them."""

from __future__ import annotations

import argparse
from pathlib import Path

from almond.digest import printed_json
from almond.encoding.features.networks.weights import WEIGHTS_CHECKS, add_file, add_url
from almond.errors import InputError
from almond.progress import Console

HEXADECIMAL = 64


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", choices=WEIGHTS_CHECKS.names(), help="the network")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--file", type=Path, help="a .pt, .pth or .safetensors file on this machine")
    source.add_argument("--url", help="an https, http or file address")
    parser.add_argument("--sha256", metavar="HEX", help="the digest that the file must have")
    parser.add_argument("--store", type=Path, help="folder of weights (default: ALMOND_WEIGHTS)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    sha256 = _hexadecimal(arguments.sha256)
    if arguments.file is not None:
        weights = add_file(arguments.name, arguments.file, sha256=sha256, folder=arguments.store)
    else:
        weights = add_url(
            arguments.name, arguments.url, sha256=sha256, folder=arguments.store, progress=Console()
        )
    if arguments.json:
        print(printed_json({"name": weights.name, "path": str(weights.path), "sha256": weights.sha256}, None))
    else:
        print(f"{weights.name}: {weights.path}\nsha256 {weights.sha256} (pinned)")
    return 0


def _hexadecimal(text: str | None) -> str | None:
    if text is not None and (len(text) != HEXADECIMAL or set(text.lower()) - set("0123456789abcdef")):
        raise InputError("--sha256", f"{text} is no SHA-256", "64 hexadecimal digits")
    return text
