"""Stable Diffusion from a folder that a diffusers pipeline wrote: every part is checked before it is used.

A part of another class, or of another build than the loop drives, would fail at the first step or, worse,
draw something else; so class names, widths and weights are compared when the folder is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from almond.digest import digest_files
from almond.errors import InputError
from almond.files.folders import visible
from almond.finite import not_finite

PIPELINES = ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline")
"""Pipelines whose parts the sampling loop drives: Stable Diffusion 1 and 2, and models tuned from them."""

PARTS = {
    "unet": "UNet2DConditionModel",
    "vae": "AutoencoderKL",
    "text_encoder": "CLIPTextModel",
    "tokenizer": "CLIPTokenizer",
}

UNUSED = ("safety_checker", "feature_extractor", "image_encoder")
"""Parts of these pipelines that take no part in drawing from a prompt."""

TAKEN = (
    "a text-to-image folder of Stable Diffusion 1 or 2: StableDiffusionPipeline with one CLIPTextModel, a "
    "UNet2DConditionModel that takes latents, time and text alone, an AutoencoderKL and a scheduler"
)

CONDITIONS = (
    ("addition_embed_type", "wants pooled text and sizes, as SDXL"),
    ("class_embed_type", "wants a class label"),
    ("num_class_embeds", "wants a class label"),
    ("encoder_hid_dim_type", "wants projected text or images"),
    ("time_cond_proj_dim", "wants the guidance scale as an input, as latent consistency models"),
)
"""Settings of a UNet that asks for inputs which the loop does not give."""


def read_index(folder: Path) -> dict[str, Any]:
    """Read the folder's ``model_index.json``."""
    return _read_json(folder / "model_index.json", "a folder written by a diffusers pipeline")


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


def check_parts(folder: Path, index: Mapping[str, Any]) -> None:
    """Compare the pipeline's class, every part's class, and the parts' settings with what the loop drives.

    :raises InputError: naming the pipeline's class, the part and what it should be.
    """
    pipeline = str(index.get("_class_name", "no class"))
    path = folder / "model_index.json"
    for part, wanted in PARTS.items():
        name = _class_in(index, part)
        if name not in (wanted, f"{wanted}Fast"):
            raise InputError(path, f"{pipeline}: {part} is {name or 'missing'}", f"{wanted}; {TAKEN}")
    others = [part for part in index if not part.startswith("_") and _class_in(index, part)]
    strange = [part for part in others if part not in (*PARTS, *UNUSED, "scheduler")]
    if strange:
        named = ", ".join(f"{part} ({_class_in(index, part)})" for part in strange)
        raise InputError(path, f"{pipeline} has parts that are not driven: {named}", TAKEN)
    if pipeline not in PIPELINES:
        raise InputError(path, f"the pipeline is {pipeline}", TAKEN)
    if not _class_in(index, "scheduler"):
        raise InputError(path, f"{pipeline}: scheduler is missing", "a scheduler of diffusers")
    _check_settings(folder, pipeline)


def _class_in(index: Mapping[str, Any], part: str) -> str | None:
    """Return the class of a part; None for one that is absent or switched off (``[null, null]``)."""
    entry = index.get(part)
    return str(entry[1]) if isinstance(entry, list) and len(entry) == 2 and entry[1] else None


def _check_settings(folder: Path, pipeline: str) -> None:
    """Compare the configurations that stand beside the weights with the index, and with each other."""
    unet, vae, text = (_settings(folder, part) for part in ("unet", "vae", "text_encoder"))
    for key, meaning in CONDITIONS:
        if unet.get(key) is not None:
            raise _refused(folder, "unet", f"{pipeline}: the UNet {meaning} ({key}: {unet[key]})", TAKEN)
    latent = vae.get("latent_channels", 4)
    for key in ("in_channels", "out_channels"):
        if unet.get(key, 4) != latent:
            problem = f"{pipeline}: {key} is {unet.get(key, 4)}, the autoencoder's latents have {latent}"
            hint = "; 9 are for inpainting, 8 for editing or a learned variance"
            raise _refused(folder, "unet", problem + hint, TAKEN)
    if not isinstance(unet.get("sample_size"), int):
        raise _refused(folder, "unet", f"sample_size is {unet.get('sample_size')}", "a whole number")
    width, states = text.get("hidden_size", 512), unet.get("cross_attention_dim", 1280)
    if states != width:
        problem = f"cross_attention_dim is {states}, the text encoder gives {width}"
        raise _refused(folder, "unet", problem, "a UNet and a text encoder of one model")
    for key in ("latents_mean", "latents_std"):
        if vae.get(key) is not None:
            raise _refused(folder, "vae", f"{key} is set", "latents that are scaled by scaling_factor alone")


def _settings(folder: Path, part: str) -> dict[str, Any]:
    """Read the ``config.json`` of a part; its class must be the one that the index promises."""
    wanted = PARTS[part]
    settings = _read_json(folder / part / "config.json", f"a saved {wanted} in {part}")
    names = settings.get("architectures") or [settings.get("_class_name") or wanted]
    if wanted not in names:
        raise _refused(folder, part, f"{part} is {', '.join(map(str, names))}", f"{wanted}; {TAKEN}")
    return settings


def _refused(folder: Path, part: str, problem: str, expected: str) -> InputError:
    return InputError(folder / part / "config.json", problem, expected)


def load_frozen(folder: Path, kind: Any, name: str, **options: Any) -> Any:
    """Load a network, frozen; a weight that the file lacks, or that is not finite, is an ``InputError``."""
    network, report = load_part(folder, kind, name, output_loading_info=True, **options)
    for key in ("missing_keys", "mismatched_keys"):
        if report[key]:
            first = sorted(map(str, report[key]))[0]
            problem = f"has no fitting weights for {len(report[key])} tensors, such as {first}"
            raise InputError(folder / name, problem, f"the weights of the {kind.__name__} in config.json")
    for key, value in network.state_dict().items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            problem = f"{key}: {not_finite(value.double().numpy())}"
            raise InputError(folder / name, problem, "weights saved before they overflowed, or in float32")
    return network.eval().requires_grad_(False)


def load_part(folder: Path, kind: Any, name: str, **options: Any) -> Any:
    """Load one part from its subfolder, never from a network."""
    try:
        return kind.from_pretrained(folder, subfolder=name, local_files_only=True, **options)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise InputError(folder / name, f"cannot be loaded ({error})", f"a saved {kind.__name__}") from error


def folder_digest(folder: Path) -> str:
    """Compute the digest over the configuration and weight files of a model's folder."""
    kinds = (".json", ".safetensors", ".bin", ".txt")
    files = [path for path in visible(folder.rglob("*"), folder) if path.is_file() and path.suffix in kinds]
    return digest_files({path.relative_to(folder).as_posix(): path for path in files})
