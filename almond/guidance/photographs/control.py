"""A ControlNet (Zhang et al. 2023) on a UNet of the same shape: loaded, checked, frozen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from almond.digest import digest_json
from almond.errors import InputError
from almond.guidance.added.store import digests_path
from almond.guidance.backends.diffusers_folder import load_frozen
from almond.guidance.backends.families.base import PipelineFamily
from almond.guidance.backends.families.unet import UNetFamily
from almond.guidance.backends.weight_files import digests_of, variant_for, variants_of

CLASS = "ControlNetModel"

SHARED = (
    *("in_channels", "cross_attention_dim", "block_out_channels", "layers_per_block"),
    *("addition_embed_type", "projection_class_embeddings_input_dim"),
)
"""Settings in which a ControlNet and its UNet must agree: its outputs are added inside the UNet's blocks."""

WITH_UNET = "Stable Diffusion 1.5 or 2.1, or SDXL"


def unet_family(family: PipelineFamily, network: str) -> UNetFamily:
    """Return the family as one that takes added networks."""
    if not isinstance(family, UNetFamily):
        raise InputError(network, f"is not offered for {type(family).__name__}", WITH_UNET)
    return family


def load_control(
    family: PipelineFamily, folder: Path, *, dtype: torch.dtype, device: torch.device, checkpointing: bool
) -> str:
    """Load a ControlNet's folder onto a family; returns the digest of its files.

    :raises InputError: another class of network, one for a UNet of another shape, or weights that do not fit.
    """
    held = unet_family(family, "control")
    config = read_control_config(folder)
    check_shape(folder, config, held.network.config)
    variant = variant_for(folder, None)
    network = load_control_network(folder, dtype=dtype, variant=variant or None)
    network.to(device)
    if checkpointing and network._supports_gradient_checkpointing:
        network.enable_gradient_checkpointing()
    held.control = network
    return digest_of_folder(folder, variant)


def read_control_config(folder: Path) -> dict[str, Any]:
    """Read ``config.json`` of a ControlNet, and refuse that of any other class."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be read ({error})", f"a saved {CLASS}") from error
    name = config.get("_class_name") if isinstance(config, dict) else None
    if name != CLASS:
        raise InputError(path, f"is of {name}", CLASS)
    return dict(config)


def check_shape(folder: Path, control: Mapping[str, Any], unet: Mapping[str, Any]) -> None:
    """Compare a ControlNet's settings with those of the UNet."""
    for key in SHARED:
        own, other = (plain_list(config.get(key)) for config in (control, unet))
        if own != other:
            problem = f"{key} is {own}, that of the model's UNet {other}"
            raise InputError(folder / "config.json", problem, "a ControlNet trained for this model")


def plain_list(value: Any) -> Any:
    """Return a tuple as a list, as JSON has it."""
    return list(value) if isinstance(value, tuple) else value


def load_control_network(folder: Path, *, dtype: torch.dtype, variant: str | None) -> Any:
    """Load the network, frozen."""
    import diffusers

    return load_frozen(
        folder.parent, diffusers.ControlNetModel, folder.name, torch_dtype=dtype, variant=variant
    )


def digest_of_folder(folder: Path, variant: str) -> str:
    """Return the digest of the digests of ``config.json`` and the weights that are loaded."""
    files = {path.name: path for path in (folder / "config.json", *variants_of(folder)[variant])}
    return digest_json(digests_of(files, digests_path()))
