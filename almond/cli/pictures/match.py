"""``python -m almond match CONFIG``: pairs of images that differ in a target and in nothing trivial."""

from __future__ import annotations

import argparse
from pathlib import Path

from almond.digest import printed_json
from almond.generating.configuration import GenerationConfig, read_generation
from almond.progress import Console, Silent
from almond.stimuli.pairing.yardsticks import GROUPS, HELD, PAIRED, TOLERANCE


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG", help="the file of `python -m almond generate`")
    parser.add_argument(
        "--tolerance", type=float, default=TOLERANCE, help=f"largest mean difference, in SD ({TOLERANCE})"
    )
    parser.add_argument("--paired", type=float, default=PAIRED, help=f"largest paired d_z ({PAIRED})")
    parser.add_argument(
        "--held", nargs="+", default=list(HELD), choices=list(GROUPS), help="what is held constant (all)"
    )
    parser.add_argument("--scenes", type=int, help="base scenes kept for each target (default: all)")
    parser.add_argument("--out", type=Path, help="folder of the tables (default: OUTPUT/matching)")
    parser.add_argument("--json", action="store_true", help="print matching.json on standard output")


def run(arguments: argparse.Namespace) -> int:
    """Choose pairs, write the tables, say whether they are matched; returns 0."""
    from almond.chain.match import MatchingRequest, match_pool, matching_sentences, read_pool, write_matching
    from almond.encoding.features.open import open_space

    config = read_generation(arguments.config, GenerationConfig)
    held = tuple(dict.fromkeys(arguments.held))
    request = MatchingRequest(arguments.tolerance, arguments.paired, held, arguments.scenes)
    pool = read_pool(config.output, open_space(config.features))
    matched = match_pool(pool, request, Silent() if arguments.json else Console())
    out = Path(arguments.out or config.output / "matching").resolve()
    result = write_matching(out, matched, request)
    if arguments.json:
        print(printed_json(result))
        return 0
    for sentence in matching_sentences(result):
        print(sentence)
    print(f"Tables: {out}")
    return 0
