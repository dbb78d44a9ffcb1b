"""Stable Diffusion XL (Podell et al. 2023), with Turbo, Lightning and latent consistency versions of it.

Two CLIP text models, whose last hidden states but one are joined; the pooled text of the second and the
sizes of the picture are inputs of their own. Text scale 5; Turbo, Lightning and latent consistency versions
want none (scale 1). A latent consistency UNet takes the guidance as an embedding.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from almond.guidance.backends.families.base import Configs, Inputs, check_width, refused_setting
from almond.guidance.backends.families.unet import UNetFamily, check_unet


class StableDiffusionXL(UNetFamily):
    """``StableDiffusionXLPipeline``."""

    parts = {
        "unet": ("UNet2DConditionModel",),
        "vae": ("AutoencoderKL",),
        "text_encoder": ("CLIPTextModel",),
        "text_encoder_2": ("CLIPTextModelWithProjection",),
        "tokenizer": ("CLIPTokenizer",),
        "tokenizer_2": ("CLIPTokenizer",),
    }
    unused = ("feature_extractor", "image_encoder")
    flags = ("force_zeros_for_empty_prompt",)
    constants = {"add_watermarker": False}
    usual_scale = 5.0
    usual_embedded = 8.0
    from_photographs = True

    @classmethod
    def usual_scale_of(cls, pipe: Any) -> float:
        """A UNet that takes the guidance as an input makes one pass."""
        return cls.no_guidance if pipe.unet.config.time_cond_proj_dim else cls.usual_scale

    @classmethod
    def check(cls, folder: Path, configs: Configs) -> None:
        if configs["model_index"].get("requires_aesthetics_score"):
            problem = "requires_aesthetics_score is true: this is SDXL's refiner, which starts from a picture"
            raise refused_setting(folder, "unet", problem, "the base model of SDXL")
        check_unet(folder, configs, ("addition_embed_type", "time_cond_proj_dim"))
        if configs["unet"].get("addition_embed_type") != "text_time":
            problem = f"addition_embed_type is {configs['unet'].get('addition_embed_type')}"
            raise refused_setting(folder, "unet", problem, "text_time, as SDXL's UNet has")
        width = sum(int(configs[part].get("hidden_size", 512)) for part in ("text_encoder", "text_encoder_2"))
        check_width(folder, configs, denoiser="unet", key="cross_attention_dim", width=width)

    def conditions(self, prompt: str, height: int, width: int) -> tuple[Inputs, Inputs]:
        """Join the texts; the empty prompt is zeros where the folder says so
        (``force_zeros_for_empty_prompt``)."""
        states, empty, pooled, empty_pooled = self.pipe.encode_prompt(
            prompt=prompt, device=self.device, num_images_per_prompt=1, do_classifier_free_guidance=True
        )
        size = (height, width)
        ids = self.pipe._get_add_time_ids(
            size,
            (0, 0),
            size,
            dtype=states.dtype,
            text_encoder_projection_dim=int(self.pipe.text_encoder_2.config.projection_dim),
        ).to(self.device)
        return self._inputs(states, pooled, ids), self._inputs(empty, empty_pooled, ids)

    def _inputs(self, states: torch.Tensor, pooled: torch.Tensor, ids: torch.Tensor) -> Inputs:
        inputs: dict[str, Any] = {
            "encoder_hidden_states": states,
            "added_cond_kwargs": {"text_embeds": pooled, "time_ids": ids},
        }
        if width := self.network.config.time_cond_proj_dim:
            guidance = torch.tensor([float(self.embedded or 1.0) - 1.0])
            embedding = self.pipe.get_guidance_scale_embedding(guidance, embedding_dim=int(width))
            inputs["timestep_cond"] = embedding.to(states)
        return inputs
