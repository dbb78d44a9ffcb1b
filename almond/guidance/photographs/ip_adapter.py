"""An IP-Adapter (Ye et al. 2023) on a UNet: cross-attention to a picture as a CLIP-like encoder embeds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from almond.digest import digest_file
from almond.errors import InputError
from almond.guidance.backends.diffusers_folder import load_frozen, load_part
from almond.guidance.backends.diffusion import standing_on
from almond.guidance.backends.families.base import PipelineFamily
from almond.guidance.backends.weight_files import variant_for
from almond.guidance.photographs.control import digest_of_folder, unet_family
from almond.typing import ImageArray

POOLED = "ImageProjection"
"""Projection of an adapter that takes one embedding of a picture; the others take the encoder's states."""

EXPECTED = "an IP-Adapter that was trained for this model"

PROJECTIONS = (POOLED, "IPAdapterPlusImageProjection", "IPAdapterFullImageProjection")


@dataclass(frozen=True)
class LoadedAdapter:
    """The adapter of a loaded pipeline, its digests, and its scale."""

    pipe: Any
    weights_sha256: str
    encoder_sha256: str
    scale: float
    device: torch.device

    @property
    def projection(self) -> Any:
        """Return the layer that makes tokens of an embedding."""
        return self.pipe.unet.encoder_hid_proj.image_projection_layers[0]

    @property
    def pooled(self) -> bool:
        """Whether a picture is one embedding (1, D)."""
        return type(self.projection).__name__ == POOLED

    def embed(self, image: ImageArray) -> tuple[torch.Tensor, torch.Tensor]:
        """Embed a picture (H, W, 3), for prompt and empty prompt: (1, 1, D) each, or (1, 1, L, D) of states.

        Without a picture the embedding is zeros, or states of a black picture.
        """
        with torch.no_grad(), standing_on(self.device, [self.pipe.image_encoder]):
            both = self.pipe.prepare_ip_adapter_image_embeds(
                [Image.fromarray(image)], None, self.device, 1, True
            )[0]
        empty, prompted = both.chunk(2)
        return prompted, empty

    def embeddings(self, images: Sequence[ImageArray]) -> torch.Tensor:
        """Embed pictures: (n, D) float32 on the CPU.

        :raises InputError: an adapter over the states of the encoder.
        """
        if not self.pooled:
            problem = f"has a {type(self.projection).__name__}, which takes the states of every patch"
            raise InputError("adapter", problem, "an adapter over one embedding (not Plus)")
        return torch.stack([self.embed(image)[0].flatten().float().cpu() for image in images])


def load_ip_adapter(
    family: PipelineFamily, weights: Path, encoder: Path, *, scale: float, device: torch.device
) -> LoadedAdapter:
    """Load an IP-Adapter's weights and its image encoder onto a family.

    :param weights: a ``.safetensors`` or ``.bin`` file with ``image_proj`` and ``ip_adapter``.
    :param encoder: the folder of a ``CLIPVisionModelWithProjection``.
    :raises InputError: weights or encoder that do not fit the model or each other.
    """
    pipe = unet_family(family, "adapter").pipe
    image_encoder, processor = load_image_encoder(encoder, pipe.unet.dtype)
    pipe.register_modules(image_encoder=image_encoder, feature_extractor=processor)
    try:
        pipe.load_ip_adapter(
            str(weights.parent),
            subfolder="",
            weight_name=weights.name,
            image_encoder_folder=None,
            local_files_only=True,
            low_cpu_mem_usage=False,
        )
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise InputError(weights, f"does not fit the model ({lines[-1].strip()})", EXPECTED) from error
    pipe.set_ip_adapter_scale(scale)
    adapter = LoadedAdapter(
        pipe, digest_file(weights), digest_of_folder(encoder, variant_for(encoder, None)), scale, device
    )
    check_projection(adapter, weights, encoder)
    return adapter


def load_image_encoder(folder: Path, dtype: torch.dtype) -> tuple[Any, Any]:
    """Load an image encoder, frozen, and what prepares its pictures: its own settings, or CLIP's at its
    size."""
    import transformers

    place, kind = folder.parent, transformers.CLIPVisionModelWithProjection
    variant = variant_for(folder, None) or None
    encoder = load_frozen(place, kind, folder.name, torch_dtype=dtype, variant=variant)
    if (folder / "preprocessor_config.json").is_file():
        return encoder, load_part(place, transformers.CLIPImageProcessor, folder.name)
    side = int(encoder.config.image_size)
    return encoder, transformers.CLIPImageProcessor(size=side, crop_size=side)


def check_projection(adapter: LoadedAdapter, weights: Path, encoder: Path) -> None:
    """Refuse projections that want other pictures, and an embedding of another width."""
    name = type(adapter.projection).__name__
    if name not in PROJECTIONS:
        raise InputError(weights, f"has a {name}", f"an adapter with {', '.join(PROJECTIONS)}")
    width = int(adapter.pipe.image_encoder.config.projection_dim)
    if adapter.pooled and adapter.projection.image_embeds.in_features != width:
        takes = adapter.projection.image_embeds.in_features
        problem = f"takes embeddings of {takes} numbers, those of {encoder} have {width}"
        raise InputError(weights, problem, "the image encoder that the adapter was trained with")
