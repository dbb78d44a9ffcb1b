"""A folder that a diffusers pipeline wrote: every part is checked before it is used.

A part of another class, or of another build than the loop drives, would fail at the first step or, worse,
draw something else; so class names, widths and weights are compared when the folder is loaded.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from almond.errors import InputError
from almond.finite import not_finite
from almond.guidance.backends.families import FAMILIES, why_refused
from almond.guidance.backends.families.base import Configs, PipelineFamily


def read_index(folder: Path) -> dict[str, Any]:
    """Read the folder's ``model_index.json``."""
    return _read_json(folder / "model_index.json", "a folder written by a diffusers pipeline")


def family_of(folder: Path, index: Mapping[str, Any]) -> type[PipelineFamily]:
    """Return the family of the folder's pipeline; every other name is refused with the list of families."""
    name = str(index.get("_class_name", "no class"))
    if name not in FAMILIES.names():
        expected = f"a text-to-image folder of {', '.join(FAMILIES)}"
        raise InputError(folder / "model_index.json", why_refused(name), expected)
    return FAMILIES.load(name)


def _read_json(path: Path, expected: str) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(path.parent, f"has no readable {path.name} ({error.strerror})", expected) from error
    except ValueError as error:
        raise InputError(path, f"is not JSON ({error})", expected) from error
    if not isinstance(values, dict):
        raise InputError(path, "is not a JSON object", expected)
    return values


def read_classes(folder: Path, index: Mapping[str, Any], family: type[PipelineFamily]) -> dict[str, str]:
    """Compare the class of every part with what the family takes: part -> class, of those that are there.

    :raises InputError: naming the pipeline's class, the part and what it should be.
    """
    pipeline, path = str(index["_class_name"]), folder / "model_index.json"
    classes: dict[str, str] = {}
    for part, wanted in family.parts.items():
        name = class_in(index, part)
        if name is None and part in family.optional:
            continue
        if name is None or name.removesuffix("Fast") not in wanted:
            expected = f"{' or '.join(wanted)} in {pipeline}"
            raise InputError(path, f"{pipeline}: {part} is {name or 'missing'}", expected)
        classes[part] = name
    present = [part for part in index if not part.startswith("_") and class_in(index, part)]
    strange = [part for part in present if part not in (*family.parts, *family.unused, "scheduler")]
    if strange:
        named = ", ".join(f"{part} ({class_in(index, part)})" for part in strange)
        expected = f"{', '.join(family.parts)} and a scheduler"
        raise InputError(path, f"{pipeline} has parts that are not driven: {named}", expected)
    if not class_in(index, "scheduler"):
        raise InputError(path, f"{pipeline}: scheduler is missing", "a scheduler of diffusers")
    return classes


def class_in(index: Mapping[str, Any], part: str) -> str | None:
    """Return the class of a part; None for one that is absent or switched off (``[null, null]``)."""
    entry = index.get(part)
    return str(entry[1]) if isinstance(entry, list) and len(entry) == 2 and entry[1] else None


def read_configs(folder: Path, index: Mapping[str, Any], classes: Mapping[str, str]) -> Configs:
    """Read the configurations that stand beside the weights; each class must be the one that the index
    promises."""
    configs: dict[str, dict[str, Any]] = {"model_index": dict(index)}
    for part, wanted in classes.items():
        if part.startswith("tokenizer"):
            continue
        settings = _read_json(folder / part / "config.json", f"a saved {wanted} in {part}")
        names = settings.get("architectures") or [settings.get("_class_name") or wanted]
        if stem_of(wanted) not in map(stem_of, names):
            problem = f"{part} is {', '.join(map(str, names))}"
            raise InputError(folder / part / "config.json", problem, wanted)
        configs[part] = settings
    return configs


HEADS = re.compile(r"(ForCausalLM|ForConditionalGeneration|EncoderModel|TextModel\w*|Model)$")


def stem_of(name: str) -> str:
    """Return the model that a class of transformers is a part of: text encoders are saved with heads too."""
    return HEADS.sub("", name)


def load_frozen(folder: Path, kind: Any, name: str, **options: Any) -> Any:
    """Load a network, frozen; a weight that the file lacks, or that is not finite, is an ``InputError``."""
    network, report = load_part(folder, kind, name, output_loading_info=True, **options)
    for key in ("missing_keys", "mismatched_keys"):
        if report[key]:
            first = sorted(map(str, report[key]))[0]
            problem = f"has no fitting weights for {len(report[key])} tensors, such as {first}"
            raise InputError(folder / name, problem, f"the weights of the {kind.__name__} in config.json")
    for key, value in network.state_dict().items():
        plain = type(value) in (
            torch.Tensor,
            torch.nn.Parameter,
        )  # weights in 8 bits are of a class of their own
        if plain and value.is_floating_point() and not bool(value.isfinite().all()):
            problem = f"{key}: {not_finite(value.double().numpy())}"
            raise InputError(folder / name, problem, "weights saved before they overflowed, or in float32")
    return network.eval().requires_grad_(False)


def load_part(folder: Path, kind: Any, name: str, **options: Any) -> Any:
    """Load one part from its subfolder, never from a network."""
    try:
        return kind.from_pretrained(folder, subfolder=name, local_files_only=True, **options)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, ImportError) as error:
        raise InputError(folder / name, f"cannot be loaded ({error})", f"a saved {kind.__name__}") from error


def load_tokenizer(folder: Path, kind: Any, name: str) -> Any:
    """Load a tokenizer; a SentencePiece model needs two packages that not every machine has."""
    place = folder / name
    if (place / "spiece.model").is_file() and not (place / "tokenizer.json").is_file():
        missing = [module for module in ("sentencepiece", "google.protobuf") if not has_module(module)]
        if missing:
            named = " and ".join("protobuf" if "." in module else module for module in missing)
            raise InputError(place, f"holds only spiece.model, which needs {named}", f"pip install {named}")
    return load_part(folder, kind, name)


def has_module(name: str) -> bool:
    """Whether a package can be imported; it is not imported."""
    top = name.partition(".")[0]
    return importlib.util.find_spec(top) is not None and importlib.util.find_spec(name) is not None
