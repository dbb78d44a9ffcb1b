"""``python -m almond attribute CONFIG``: what a target's score looked at, over the steps of one picture."""

from __future__ import annotations

import argparse
from pathlib import Path

from almond.attribution.methods import DEFAULT_METHOD, METHODS
from almond.digest import printed_json
from almond.errors import InputError
from almond.generating.configuration import GenerationConfig, read_generation
from almond.generating.expand import Planned
from almond.progress import Console, Silent
from almond.report.write import check_report_folder

STEPS = 7


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG", help="YAML file, see docs/generation.md")
    parser.add_argument("--target", help="whose score is attributed (default: what the picture is guided to)")
    parser.add_argument(
        "--picture",
        metavar="DIGEST",
        help="beginning of a recipe's digest, as its file is called (default: the strongest push upwards)",
    )
    parser.add_argument(
        "--methods",
        nargs="+",
        default=[DEFAULT_METHOD, "occlusion"],
        choices=METHODS.names(),
        metavar="METHOD",
    )
    parser.add_argument("--steps", type=int, default=STEPS, help=f"steps that are shown ({STEPS})")
    parser.add_argument("--seed", type=int, default=0, help="draws shuffled weights and orders")
    parser.add_argument("--out", type=Path, help="folder of the report (default: attribution, beside CONFIG)")
    parser.add_argument("--json", action="store_true", help="print result.json on standard output")


def run(arguments: argparse.Namespace) -> int:
    """Replay one picture, attribute its steps, write the report, say the answer; returns 0."""
    from almond.attribution.output import KIND, attribution_sentences, write_attribution
    from almond.attribution.through_steps import attribute_recipe, steps_to_show
    from almond.generating.sources import load_sources

    config = read_generation(arguments.config, GenerationConfig)
    out = Path(arguments.out or arguments.config.resolve().parent / "attribution").resolve()
    check_report_folder(out, KIND)
    sources = load_sources(config)
    planned = sources.planned(config)
    picture = picked(planned, arguments.picture, arguments.target)
    made = attribute_recipe(
        picture.recipe,
        sources.generator,
        sources.scorer,
        target=arguments.target or picture.target,
        methods=arguments.methods,
        at=steps_to_show(picture.recipe.steps, arguments.steps),
        seed=arguments.seed,
        progress=Silent() if arguments.json else Console(),
    )
    result = write_attribution(made, arguments.methods, out)
    if arguments.json:
        print(printed_json(result))
        return 0
    for sentence in attribution_sentences(result):
        print(sentence)
    print(f"Report: {out / 'report.html'}")
    return 0


def picked(planned: list[Planned], digest: str | None, target: str | None) -> Planned:
    """Pick one picture of a configuration: by its digest, or the strongest push upwards of a target.

    :raises InputError: no picture, or several, begin so; an unguided picture without ``--target``.
    """
    if digest is not None:
        found = [one for one in planned if one.recipe.digest.startswith(digest)]
        if len(found) != 1:
            expected = "the beginning of one file's name in images/"
            raise InputError(
                "--picture", f"{digest!r} begins {len(found)} of {len(planned)} digests", expected
            )
        if not found[0].target and target is None:
            raise InputError("--target", "is not given, and the picture is not guided", "a target's name")
        return found[0]
    upwards = [one for one in planned if one.recipe.direction > 0 and target in (None, one.target)]
    if not upwards:
        known = ", ".join(sorted({one.target for one in planned if one.target}))
        raise InputError(
            "--target", f"no picture is pushed up for {target!r}", f"one of {known}, or --picture"
        )
    return max(upwards, key=lambda one: one.recipe.strength)
