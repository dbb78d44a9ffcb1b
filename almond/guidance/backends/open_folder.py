"""Open the folder of a diffusers pipeline as a generator: check, load, freeze, name what it depends on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from almond.errors import InputError
from almond.guidance.backends.diffusers_folder import (
    class_in,
    family_of,
    load_frozen,
    load_tokenizer,
    read_configs,
    read_index,
    read_parts,
)
from almond.guidance.backends.diffusers_scheduler import SUPPORTED, DiffusersScheduler
from almond.guidance.backends.diffusion import DiffusionGenerator
from almond.guidance.backends.families.base import PipelineFamily
from almond.guidance.backends.weight_files import digests_of, loaded_files, variant_for
from almond.guidance.generators import UNCALIBRATED
from almond.guidance.model_settings import ModelSettings
from almond.shapes import read

DEVICE = "ALMOND_DEVICE"

FITTING = {False: "DDIMScheduler", True: "FlowMatchEulerDiscreteScheduler"}
"""What drives a folder whose own scheduler cannot be driven, by whether it is of flow matching."""


def load_folder(
    folder: Path,
    *,
    name: str,
    scheduler: str | None = None,
    settings: ModelSettings | None = None,
    digests: Path | None = None,
    **changes: Any,
) -> DiffusionGenerator:
    """Load a pipeline that diffusers saved.

    :param scheduler: another scheduler class of diffusers to drive the model with.
    :param settings: size, scale, precision and the rest; ``changes`` are single settings by name.
    :param digests: file that keeps the digests of files that were hashed before.
    :raises InputError: no such pipeline, a family that is not driven, parts of other classes, that do not
        fit each other or lack weights, settings that cannot work.
    """
    plain = (settings or ModelSettings()).model_dump()
    used = read(ModelSettings, {**plain, **changes}, source="settings of the model")
    index = read_index(folder)
    kind = family_of(folder, index)
    classes = read_parts(folder, index, kind)
    kind.check(folder, read_configs(folder, index, classes))
    variants = {
        part: variant_for(folder / part, used.variant) for part in classes if not part.startswith("tokenizer")
    }
    solver = load_solver(folder, scheduler or used.scheduler, class_in(index, "scheduler") or "")
    parts = load_parts(folder, classes, variants, used)
    family = load_family(index, kind, {**parts, "scheduler": solver}, used)
    size = checked_size(used.size or family.size(), family)
    others = [part for part in classes if part.startswith("tokenizer")]
    files = digests_of(loaded_files(folder, variants, [*others, "scheduler"]), digests)
    steps = used.steps or family.usual_steps

    def arguments(count: int) -> Mapping[str, Any]:
        return family.schedule(count, size, size)

    told = {**used.told(), "size": size, "embedded": family.embedded}
    return DiffusionGenerator(
        name=name,
        identity={"files": files, "family": str(index["_class_name"]), "settings": told},
        family=family,
        scheduler=DiffusersScheduler(solver, folder / "scheduler", arguments=arguments),
        image_size=size,
        device=read_device(),
        defaults=UNCALIBRATED.with_steps(steps),
    )


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
    return solver.from_config({"clip_sample": False, **config})


def load_parts(
    folder: Path, classes: Mapping[str, str], variants: Mapping[str, str], settings: ModelSettings
) -> dict[str, Any]:
    """Load every part in its precision, frozen; denoiser and decoder onto the device."""
    import diffusers
    import transformers

    device = read_device()
    parts: dict[str, Any] = {}
    for part, name in classes.items():
        source = getattr(diffusers, name, None) or getattr(transformers, name)
        if part.startswith("tokenizer"):
            parts[part] = load_tokenizer(folder, source, part)
            continue
        precision = settings.decoder_precision if part == "vae" else settings.precision
        options = {"torch_dtype": getattr(torch, precision), "variant": variants[part] or None}
        parts[part] = load_frozen(folder, source, part, **options)
        if not part.startswith("text"):
            parts[part].to(device)
    return parts


def load_family(
    index: Mapping[str, Any], kind: type[PipelineFamily], parts: Mapping[str, Any], settings: ModelSettings
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


def checked_size(size: int, family: PipelineFamily) -> int:
    """Refuse a side that the denoiser cannot take."""
    step = family.factor * family.grain
    if size % step:
        raise InputError("size", f"is {size}", f"a multiple of {step} pixels, such as {size - size % step}")
    return size


def read_device() -> torch.device:
    """Return the device of ``ALMOND_DEVICE``: ``cpu`` (the default), ``cuda`` or ``cuda:1``."""
    stated = os.environ.get(DEVICE, "cpu")
    try:
        device = torch.device(stated)
    except RuntimeError as error:
        raise InputError(DEVICE, f"is {stated!r}", "cpu, cuda or cuda:0") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError(DEVICE, f"is {stated}, but torch finds no GPU", "cpu, or a build of torch with CUDA")
    return device
