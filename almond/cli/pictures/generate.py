"""``python -m almond generate CONFIG``: guided images of a configuration, without a database."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from almond.digest import printed_json
from almond.errors import InputError
from almond.generating.configuration import GenerationConfig, read_generation
from almond.progress import Console

if TYPE_CHECKING:
    from almond.generating.make import Shard


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG", help="YAML file, see docs/generation.md")
    parser.add_argument("--out", type=Path, help="folder of the images (overrides `output`)")
    parser.add_argument("--shard", metavar="i/n", default="1/1", help="make part i of n only, such as 2/4")
    parser.add_argument("--plan", action="store_true", help="say what would be made, and make nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")


def run(arguments: argparse.Namespace) -> int:
    """Make what is missing and print where it is; returns 0."""
    from almond.generating.make import generate_shard

    config = read_generation(arguments.config, GenerationConfig)
    if arguments.out is not None:
        config = config.model_copy(update={"output": arguments.out.resolve()})
    shard = read_shard(arguments.shard)
    plan = planned_work(config)
    if not arguments.json:
        print("\n".join(plan_lines(plan)), flush=True)
    report = None if arguments.plan else generate_shard(config, shard, Console())
    done = {} if report is None else {**vars(report), "folder": str(report.folder)}
    if arguments.json:
        print(printed_json({**plan, **done}))
    elif report is not None:
        print(f"{report.made} images made; {report.there} of {report.planned} are in {report.folder}")
        for remark in report.remarks:
            print(remark)
    return 0


def read_shard(text: str) -> Shard:
    """Read ``2/4``."""
    from almond.generating.make import Shard

    ends = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if ends is None:
        raise InputError("--shard", f"is {text!r}", "i/n, such as 2/4")
    return Shard(int(ends[1]), int(ends[2]))


def planned_work(config: GenerationConfig) -> dict[str, object]:
    """Count what a configuration makes, and name the words that the generator does not know."""
    scenes = len(config.prompts) * len(config.seeds)
    return {
        "generator": config.generator,
        "scenes": scenes,
        "images": scenes * config.images_of_scene,
        "ignored_words": {prompt: list(words) for prompt, words in config.ignored_words().items()},
    }


def plan_lines(plan: dict[str, object]) -> list[str]:
    """Write for a person what will be made, before anything is."""
    lines = [f"{plan['images']} images of {plan['scenes']} scenes by the generator {plan['generator']}"]
    ignored = plan["ignored_words"]
    if isinstance(ignored, dict):
        lines += [f"{prompt!r}: does not know {', '.join(words)}" for prompt, words in ignored.items()]
    return lines
