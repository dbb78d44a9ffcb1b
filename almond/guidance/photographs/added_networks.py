"""Loading a ControlNet and an IP-Adapter onto the family of a loaded folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from almond.guidance.backends.families.base import PipelineFamily
from almond.guidance.conditioning import AddedNetworks
from almond.guidance.model_settings import ModelOptions
from almond.guidance.photographs.control import load_control
from almond.guidance.photographs.ip_adapter import LoadedAdapter, load_ip_adapter


@dataclass(frozen=True)
class Loaded:
    """Digest of the ControlNet that was loaded, and the adapter."""

    control_sha256: str | None = None
    adapter: LoadedAdapter | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """What a generator's digest is taken of; empty where nothing was added."""
        facts: dict[str, Any] = {}
        if self.control_sha256 is not None:
            facts["control"] = self.control_sha256
        if self.adapter is not None:
            adapter = self.adapter
            facts["adapter"] = [adapter.weights_sha256, adapter.encoder_sha256, adapter.scale]
        return facts


def load_added_networks(
    family: PipelineFamily, added: AddedNetworks, settings: ModelOptions, device: torch.device
) -> Loaded:
    """Load what is added to a model, in the denoiser's precision, frozen.

    :raises InputError: a family that takes none, or networks that do not fit it.
    """
    control = adapter = None
    if added.control is not None:
        control = load_control(
            family,
            added.control,
            dtype=getattr(torch, settings.precision),
            device=device,
            checkpointing=settings.checkpointing,
        )
    if added.adapter is not None and added.encoder is not None:
        adapter = load_ip_adapter(
            family, added.adapter, added.encoder, scale=added.adapter_scale, device=device
        )
    return Loaded(control, adapter)
