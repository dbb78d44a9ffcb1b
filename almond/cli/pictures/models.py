"""``python -m almond models``: add a pretrained text-to-image model, or list those that were added."""

from __future__ import annotations

import argparse
from typing import Any

from almond.digest import printed_json
from almond.errors import InputError
from almond.guidance.added.store import added_names, find_added
from almond.guidance.model_settings import Adapter, ModelOptions
from almond.progress import Console
from almond.shapes import read

SETTINGS = {
    "scheduler": (str, "class of diffusers that drives the model instead of the folder's own"),
    "size": (int, "side of the images in pixels"),
    "steps": (int, "steps where a recipe says nothing else"),
    "scale": (float, "weight of the text; 1 (Z-Image: 0) is without, for Turbo, Lightning and the like"),
    "embedded": (float, "guidance that a distilled denoiser takes as an input"),
    "precision": (str, "of denoiser and text encoders: float32 or bfloat16"),
    "decoder_precision": (str, "of the autoencoder: float32 or bfloat16"),
    "weights": (str, "of the denoiser in memory: full, int8 or nf4"),
    "variant": (str, "files of weights, such as fp16"),
}


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="check a model, pin its files and make one image")
    add.add_argument("name", help="name in recipes, such as sdxl")
    add.add_argument("source", help="a folder that diffusers wrote, or OWNER/MODEL on the Hugging Face hub")
    for name, (kind, text) in SETTINGS.items():
        add.add_argument(f"--{name.replace('_', '-')}", type=kind, help=text)
    add.add_argument(
        "--lora", action="append", default=[], metavar="FILE[:WEIGHT]", help="on top; repeatable"
    )
    add.add_argument("--no-checkpointing", action="store_true", help="keep activations: faster, more memory")
    add.add_argument("--revision", help="branch, tag or commit on the hub")
    add.add_argument("--json", action="store_true", help="print one JSON object")
    listed = actions.add_parser("list", help="list the models that were added")
    listed.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    if arguments.action == "list":
        return list_models(arguments.json)
    from almond.guidance.added.add import add_model

    settings = stated_settings(arguments)
    model = add_model(
        arguments.name, arguments.source, settings, revision=arguments.revision, progress=Console()
    )
    if arguments.json:
        print(printed_json(model.model_dump(mode="json"), None))
        return 0
    own = model.own_scheduler
    named = "" if own == model.scheduler else f" (the folder names {own})"
    print(
        f"{model.name}: {model.family}, {model.size} px, {model.scheduler}{named}, "
        f"{len(model.files)} files pinned, "
        f"one image made\ndigest {model.digest}"
    )
    return 0


def stated_settings(arguments: argparse.Namespace) -> ModelOptions:
    """Read the settings that were given; all errors at once."""
    values: dict[str, Any] = {name: getattr(arguments, name) for name in SETTINGS}
    stated = {name: value for name, value in values.items() if value is not None}
    adapters = tuple(adapter_of(text) for text in arguments.lora)
    lora = [adapter.model_dump() for adapter in adapters]
    checkpointing = not arguments.no_checkpointing
    return read(ModelOptions, {**stated, "lora": lora, "checkpointing": checkpointing}, source="models add")


def adapter_of(text: str) -> Adapter:
    """Read ``FILE`` or ``FILE:WEIGHT``."""
    path, colon, weight = text.rpartition(":")
    if not colon:
        return Adapter(path=text)
    try:
        return Adapter(path=path, weight=float(weight))
    except ValueError as error:
        raise InputError(
            "--lora", f"is {text!r}", "FILE or FILE:WEIGHT, such as style.safetensors:0.8"
        ) from error


def list_models(as_json: bool) -> int:
    """Print the models that were added, one line each."""
    models = [model for name in added_names() if (model := find_added(name))]
    if as_json:
        print(printed_json([model.model_dump(mode="json") for model in models], None))
        return 0
    for model in models:
        print(f"{model.name}\t{model.family}\t{model.size} px\t{model.scheduler}\t{model.folder}")
    return 0
