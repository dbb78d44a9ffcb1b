"""``python -m almond import-images FOLDER ...``: shards of ``generate`` verified and joined in one folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from almond.digest import printed_json
from almond.generating.folder import merge_generated


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folders", type=Path, nargs="+", metavar="FOLDER", help="folders that `almond generate` wrote"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder that gets the images of all of them")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a line")


def run(arguments: argparse.Namespace) -> int:
    """Verify and copy; returns 0. A folder of another generator, target or configuration is refused."""
    there, manifest = merge_generated(arguments.folders, arguments.out)
    if arguments.json:
        print(printed_json({"folder": str(arguments.out), "there": there, "planned": manifest.images}))
    else:
        print(f"{there} of {manifest.images} images, all verified, are in {arguments.out}")
    return 0
