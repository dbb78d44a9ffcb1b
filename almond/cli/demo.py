"""``python -m almond demo``: the whole chain on the simulated world, without a server."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from almond.digest import printed_json
from almond.errors import InputError
from almond.guidance.generators import DEFAULT_GENERATOR, known_generators
from almond.progress import Console, Silent
from almond.world.null_forms import NULL_WORLDS


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=1, help="root seed of everything (default 1)")
    parser.add_argument("--participants", type=int, default=40, help="simulated people (default 40)")
    parser.add_argument(
        "--null",
        nargs="?",
        choices=[name for name in NULL_WORLDS if name != "none"],
        const="independent",
        default="none",
        help="a world in which judgements do not depend on the manipulation: differences are of each image "
        "alone (independent), or of people and prompts too (structured)",
    )
    parser.add_argument(
        "--generator", default=DEFAULT_GENERATOR, help=f"{known_generators('a folder')} (default %(default)s)"
    )
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep what was made here")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(arguments: argparse.Namespace) -> int:
    from almond.chain.demo import run_demo
    from almond.chain.settings import matched_sizes

    settings = matched_sizes(
        seed=arguments.seed,
        participants=arguments.participants,
        null=arguments.null,
        generator=arguments.generator,
    )
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="almond-demo-") as scratch:
        folder = arguments.keep or Path(scratch)
        if folder.exists() and any(folder.iterdir()):
            raise InputError("--keep", f"{folder} is not empty", "a new or an empty folder")
        result = run_demo(settings, folder, progress=Silent() if arguments.json else Console())
    result["seconds"] = round(time.perf_counter() - begun, 1)
    print(printed_json(result, indent=None) if arguments.json else result_lines(result))
    return 0


def result_lines(result: dict[str, object]) -> str:
    """Write the result for a person, a line for each value."""
    return "\n".join(f"{name:>20}  {printed_json(value, indent=None)}" for name, value in result.items())
