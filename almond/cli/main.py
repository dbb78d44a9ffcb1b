"""``python -m almond COMMAND``: the chain without a database.

Each command is a module of ``almond.cli`` with ``HELP``, ``configure(parser)`` and ``run(arguments)``; it is
imported only when it is asked for, so that ``--help`` stays instant.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from almond import __version__
from almond.cli.output.frame import framed

COMMANDS: dict[str, str] = {
    "fit": "fit encoding models of brain regions from a YAML configuration",
    "evaluate": "test fitted encoders over subjects: group maps, regions compared, controls",
    "predict": "predict the responses of fitted regions to a folder of images",
    "validate": "test predictions on images with published ratings of valence and arousal",
    "map": "map how well every voxel of a whole brain is predicted, with bounded memory",
    "export-betas": "write the mean weights of fitted regions as CSV files",
    "import-betas": "make encoders of mean weights in CSV files",
    "import-timeseries": "make runs and regions of time series in tables, to be fitted",
    "schema": "print the JSON Schema of a configuration, or the table of a section's keys",
    "generate": "make guided images of a YAML configuration, all or one shard of them",
    "diagnose": "say whether guidance moves what it claims to move, before money is spent",
    "trajectory": "find pictures of one scene at equal distances of a target's score",
    "axes": "find the axes of score space, push pictures along each, calibrate both sides",
    "import-images": "join the shards of `generate` in one folder, each image verified",
    "match": "choose pairs of generated images that differ in a target and in nothing trivial",
    "attribute": "show which parts of a picture a target's score comes from, step by step",
    "models": "add a pretrained text-to-image model: check it, pin it, make one image",
    "weights": "copy or fetch a network's weights and pin their digest",
    "import-ratings": "make an export of ratings that were collected elsewhere, and analyse it",
    "analyse": "repeat a study's analysis from its export",
    "plan": "print a study's plan as a document to deposit",
    "power": "simulate a planned study and count how often its tests find an effect",
    "verify": "walk the chain from every response to the encoder artifact",
    "distil": "distil guidance into a slider (LoRA) with a dial per target",
    "demo": "run the whole chain on the simulated world and print one JSON object",
}


THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def calm_threads() -> None:
    """Use one thread for linear algebra unless the user says otherwise, before anything loads it.

    The arrays here are small: more threads wait for each other, and on a busy machine took ten times as long.
    """
    for name in THREADS:
        os.environ.setdefault(name, "1")


PICTURES = ("attribute", "axes", "diagnose", "distil", "generate", "match", "models", "trajectory")
"""Commands in the folder of those about pictures."""


def module_of(command: str) -> str:
    """Return the module of a command; those that import or export, and those about pictures, have folders."""
    folder = "almond.cli"
    if command.startswith(("import-", "export-")):
        folder = "almond.cli.exchange"
    elif command in PICTURES:
        folder = "almond.cli.pictures"
    return f"{folder}.{command.replace('-', '_')}"


def build_parser(command: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="almond", description="From fMRI data to people's judgements.")
    parser.add_argument("--version", action="version", version=f"almond {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text)
        if name == command:
            module = importlib.import_module(module_of(name))
            module.configure(sub)
            sub.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the process's exit status: 0 done, 1 it failed, 2 wrong usage."""
    calm_threads()
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = next((word for word in arguments if word in COMMANDS), None)

    def run() -> int:
        parsed = build_parser(command).parse_args(arguments)
        return int(parsed.run(parsed) or 0)

    return framed(run, f"almond {command}" if command else "almond")
