"""Open the folder of a diffusers pipeline as a generator: check, load, freeze, name what it depends on."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from almond.digest import digest_file
from almond.errors import DigestMismatch, InputError
from almond.guidance.added.store import AddedModel, digests_path
from almond.guidance.backends.device import read_device
from almond.guidance.backends.diffusers_folder import (
    class_in,
    family_of,
    has_module,
    load_frozen,
    load_tokenizer,
    read_classes,
    read_configs,
    read_index,
)
from almond.guidance.backends.diffusers_scheduler import SUPPORTED, DiffusersScheduler, check_clipping
from almond.guidance.backends.diffusion import DiffusionGenerator
from almond.guidance.backends.families.base import PipelineFamily
from almond.guidance.backends.weight_files import digests_of, loaded_files, variant_for, variants_of
from almond.guidance.conditioning import AddedNetworks
from almond.guidance.generators import UNCALIBRATED
from almond.guidance.model_settings import Adapter, ModelOptions
from almond.guidance.photographs.added_networks import load_added_networks
from almond.shapes import read

PACKAGES = {"int8": "torchao", "nf4": "bitsandbytes"}
"""What stores weights in fewer bits."""

FITTING = {False: "DDIMScheduler", True: "FlowMatchEulerDiscreteScheduler"}
"""What drives a folder whose own scheduler cannot be driven, by whether it is of flow matching."""


def load_folder(
    folder: Path,
    *,
    name: str,
    scheduler: str | None = None,
    settings: ModelOptions | None = None,
    pinned: Mapping[str, str] | None = None,
    added: AddedNetworks | None = None,
    **changes: Any,
) -> DiffusionGenerator:
    """Load a pipeline that diffusers saved.

    :param scheduler: another scheduler class of diffusers to drive the model with.
    :param settings: size, scale, precision and the rest; ``changes`` are single settings by name.
    :param pinned: digests that the files must have, by their names in the folder.
    :param added: a ControlNet and an IP-Adapter that are loaded onto it.
    :raises InputError: no such pipeline, a family that is not driven, parts of other classes, that do not
        fit each other or lack weights, settings that cannot work.
    :raises DigestMismatch: a file is not the one that was pinned.
    """
    plain = (settings or ModelOptions()).model_dump()
    used = read(ModelOptions, {**plain, **changes}, source="settings of the model")
    index = read_index(folder)
    kind = family_of(folder, index)
    classes = read_classes(folder, index, kind)
    kind.check(folder, read_configs(folder, index, classes))
    variants = variants_for(folder, classes, used.variant)
    solver = load_solver(folder, scheduler or used.scheduler, class_in(index, "scheduler") or "")
    parts = load_parts(folder, classes, variants, used)
    family = load_family(index, kind, {**parts, "scheduler": solver}, used)
    size = checked_size(used.size or family.size(), family)
    others = [part for part in classes if part.startswith("tokenizer")]
    files = digests_of(loaded_files(folder, variants, [*others, "scheduler"]), digests_path())
    check_pinned(folder, files, pinned)
    adapters = load_adapters(family, used.lora)
    more = load_added_networks(family, added or AddedNetworks(), used, read_device())

    def arguments(count: int) -> Mapping[str, Any]:
        return family.schedule(count, size, size)

    told = {**used.told(), "size": size, "embedded": family.embedded}
    facts = {"files": files, "family": str(index["_class_name"]), "settings": told, "lora": adapters}
    generator = DiffusionGenerator(
        name=name,
        identity={**facts, **more.identity},
        family=family,
        scheduler=DiffusersScheduler(solver, folder / "scheduler", arguments=arguments),
        image_size=size,
        device=read_device(),
        defaults=UNCALIBRATED.with_steps(used.steps or family.usual_steps),
    )
    generator.control_sha256, generator.adapter = more.control_sha256, more.adapter
    return generator


def load_added(
    model: AddedModel, *, name: str, scheduler: str | None = None, added: AddedNetworks | None = None
) -> DiffusionGenerator:
    """Load a model that was added, from the very files that were pinned then."""
    folder, settings, files = Path(model.folder), model.settings, model.files
    return load_folder(folder, name=name, scheduler=scheduler, settings=settings, pinned=files, added=added)


def check_pinned(folder: Path, files: Mapping[str, str], pinned: Mapping[str, str] | None) -> None:
    """Compare the digests of loaded files with those that were pinned."""
    for name, digest in files.items() if pinned is not None else ():
        recorded = (pinned or {}).get(name, "")
        if recorded != digest:
            raise DigestMismatch(folder / name, recorded, digest)


def load_adapters(family: PipelineFamily, adapters: Sequence[Adapter]) -> list[dict[str, Any]]:
    """Lay LoRA on the denoiser (and text encoders) and freeze all again: loading leaves them trainable.

    Returns digest and weight of each, for the generator's digest.
    """
    if not adapters:
        return []
    if not has_module("peft"):
        raise InputError("lora", "needs the package peft, which is not installed", "pip install peft")
    if not hasattr(family.pipe, "load_lora_weights"):
        raise InputError("lora", f"{type(family.pipe).__name__} takes none", "a model without lora")
    names = [f"lora-{number}" for number in range(len(adapters))]
    for name, adapter in zip(names, adapters, strict=True):
        path = Path(adapter.path)
        if not path.is_file():
            raise InputError("lora", f"{path} is no file", "a .safetensors file that diffusers or peft wrote")
        try:
            family.pipe.load_lora_weights(str(path.parent), weight_name=path.name, adapter_name=name)
        except (ValueError, KeyError, RuntimeError, OSError) as error:
            raise InputError("lora", f"{path} does not fit the model ({error})", "a LoRA of it") from error
    family.pipe.set_adapters(names, adapter_weights=[adapter.weight for adapter in adapters])
    for network in family.networks.values():
        network.eval().requires_grad_(False)
    return [{"sha256": digest_file(Path(each.path)), "weight": each.weight} for each in adapters]


def variants_for(folder: Path, classes: Mapping[str, str], wanted: str | None) -> dict[str, str]:
    """Choose each part's variant of weights; one that no part has is refused."""
    parts = [part for part in classes if not part.startswith("tokenizer")]
    variants = {part: variant_for(folder / part, wanted) for part in parts}
    if wanted is not None and wanted not in variants.values():
        there = sorted({name or "plain" for part in parts for name in variants_of(folder / part)})
        raise InputError(folder, f"has no weights of variant {wanted}", f"one of {', '.join(there)}")
    return variants


def load_solver(folder: Path, name: str | None, own: str) -> Any:
    """Load the folder's noise schedule with the solver ``name`` of diffusers.

    Without a name the folder's ``own`` drives, or, where an x0 prediction cannot drive that (PNDM, which
    Stable Diffusion 1.5 names), DDIM or Euler on the same noise schedule. A setting that the configuration
    leaves open never clips: diffusers' default would.
    """
    import diffusers

    chosen = name or (own if own in SUPPORTED else FITTING["FlowMatch" in own])
    solver = getattr(diffusers, chosen, None)
    if solver is None or not hasattr(solver, "set_timesteps"):
        raise InputError("scheduler", f"{chosen!r} is no scheduler of diffusers", "for example DDIMScheduler")
    try:
        config = dict(solver.load_config(folder, subfolder="scheduler", local_files_only=True))
    except (OSError, ValueError) as error:
        raise InputError(folder / "scheduler", f"cannot be loaded ({error})", f"a saved {chosen}") from error
    loaded = solver.from_config({"clip_sample": False, **config})
    check_clipping(chosen, loaded.config, folder / "scheduler")  # the pipeline might switch it off unsaid
    return loaded


def load_parts(
    folder: Path, classes: Mapping[str, str], variants: Mapping[str, str], settings: ModelOptions
) -> dict[str, Any]:
    """Load every part in its precision, frozen; denoiser and decoder onto the device."""
    import diffusers
    import transformers

    device = read_device()
    parts: dict[str, Any] = {}
    for part, name in classes.items():
        library = diffusers if hasattr(diffusers, name) else transformers
        source = getattr(library, name, None) or getattr(library, name.removesuffix("Fast"))
        if part.startswith("tokenizer"):
            parts[part] = load_tokenizer(folder, source, part)
            continue
        precision = settings.decoder_precision if part == "vae" else settings.precision
        options = {"torch_dtype": getattr(torch, precision), "variant": variants[part] or None}
        if part in ("unet", "transformer") and settings.weights != "full":
            options["quantization_config"] = make_quantisation(settings.weights, precision)
        parts[part] = load_frozen(folder, source, part, **options)
        if not part.startswith("text") and "quantization_config" not in options:
            parts[part].to(device)
    return parts


def load_family(
    index: Mapping[str, Any], kind: type[PipelineFamily], parts: Mapping[str, Any], settings: ModelOptions
) -> PipelineFamily:
    """Put the parts into the pipeline of diffusers, whose helpers a family calls."""
    import diffusers

    absent = dict.fromkeys((*kind.optional, *kind.unused))
    flags = {flag: index[flag] for flag in kind.flags if flag in index}
    pipeline = getattr(diffusers, str(index["_class_name"]))
    pipe = pipeline(**{**absent, **parts, **flags, **kind.constants})
    family = kind(pipe, scale=settings.scale, embedded=settings.embedded)
    if settings.checkpointing:
        for network in (family.network, pipe.vae):
            if network._supports_gradient_checkpointing:
                network.enable_gradient_checkpointing()
    return family


def make_quantisation(weights: str, precision: str) -> Any:
    """Return diffusers' configuration of weights in 8 or 4 bits, through which gradients pass."""
    diffusers: Any = importlib.import_module("diffusers")
    package = PACKAGES[weights]
    if not has_module(package):
        raise InputError("weights", f"{weights} needs the package {package}", f"pip install {package}")
    if weights == "nf4":
        compute = getattr(torch, precision)
        return diffusers.BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=compute
        )
    from torchao.quantization import Int8WeightOnlyConfig

    return diffusers.TorchAoConfig(Int8WeightOnlyConfig())


def checked_size(size: int, family: PipelineFamily) -> int:
    """Refuse a side that the denoiser cannot take."""
    step = family.factor * family.grain
    if size % step:
        raise InputError("size", f"is {size}", f"a multiple of {step} pixels, such as {size - size % step}")
    return size
