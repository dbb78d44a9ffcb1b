"""Learned text-to-image diffusion models in parts: denoiser, scheduler, text encoder, decoder (diffusers'
classes).

One class serves the small network that ships with Almond and a Stable Diffusion folder of the lab. Nothing is
downloaded: a model is a local folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch

from almond.digest import digest_json
from almond.errors import InputError
from almond.guidance.backends.base import Condition, Prediction, clipped, rms, seeded_noise
from almond.guidance.backends.diffusers_folder import (
    check_parts,
    folder_digest,
    load_frozen,
    load_part,
    read_index,
)
from almond.guidance.backends.diffusers_scheduler import DiffusersScheduler
from almond.guidance.generators import UNCALIBRATED, Defaults
from almond.guidance.levels import x0_from_output
from almond.guidance.schedulers import Step

GUIDANCE_SCALE = 7.5
"""Weight of the text (classifier-free guidance; Ho & Salimans 2022) that Stable Diffusion is used with."""


class PromptEncoder(Protocol):
    """Prompts to the sequences that the denoiser attends to."""

    def encode(self, prompts: Sequence[str]) -> torch.Tensor:
        """(B, L, D)."""

    def words(self, prompt: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The prompt's words that enter, and those that do not."""


class Decoder(Protocol):
    """Latents to images, differentiable."""

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """(B, C, h, w) -> (B, 3, H, W), about [0, 1], not clipped."""


class DiffusionGenerator:
    """A frozen conditional UNet with its scheduler, text encoder and decoder, as a ``Generator``."""

    lowers_text = True

    def __init__(
        self,
        *,
        name: str,
        digest: str,
        unet: Any,
        scheduler: DiffusersScheduler,
        text: PromptEncoder,
        decoder: Decoder,
        image_size: int,
        guidance_scale: float = GUIDANCE_SCALE,
        defaults: Defaults = UNCALIBRATED,
    ) -> None:
        side = int(unet.config.sample_size)
        self.name, self.image_size, self.defaults = name, image_size, defaults
        self.latent_shape = (int(unet.config.in_channels), side, side)
        self.unet, self.scheduler, self.text, self.decoder = unet.eval(), scheduler, text, decoder
        self.unet.requires_grad_(False)
        self.guidance_scale = guidance_scale
        self.digest = digest_json(
            {"model": digest, "scheduler": scheduler.name, "guidance_scale": guidance_scale, "loop": 1}
        )

    def encode_prompt(self, prompt: str, seeds: Sequence[int]) -> Condition:
        """``payload``: (2, L, D), the prompt after the empty prompt."""
        understood, ignored = self.text.words(prompt)
        with torch.no_grad():
            states = self.text.encode(["", prompt])
        return Condition(prompt, tuple(seeds), understood, ignored, states)

    def initial_latent(self, seed: int) -> torch.Tensor:
        return seeded_noise(seed, self.latent_shape)

    def predict(self, x: torch.Tensor, step: Step, condition: Condition) -> Prediction:
        """Classifier-free guidance, in x0: ``x0 = x0(empty) + scale * (x0(prompt) - x0(empty))``."""
        empty, prompted = condition.payload[0], condition.payload[1]
        if self.guidance_scale == 1.0:
            x0 = self._denoise(x, step, prompted)
            return Prediction(x0, rms(x - step.level.signal * x0) / step.level.noise)
        without = self._denoise(x, step, empty)
        correction = self.guidance_scale * (self._denoise(x, step, prompted) - without)
        return Prediction(
            without + condition.text_share * correction,
            rms(correction) * step.level.signal / step.level.noise,
        )

    def predict_prompted(self, x: torch.Tensor, step: Step, condition: Condition) -> torch.Tensor:
        """Denoise with the prompt alone, without text guidance."""
        return self._denoise(x, step, condition.payload[1])

    def text_states(self, condition: Condition) -> torch.Tensor:
        """Return the embedded prompt (L, D) that the denoiser attends to."""
        states: torch.Tensor = condition.payload[1]
        return states

    def with_text_states(self, condition: Condition, states: torch.Tensor) -> Condition:
        """Return a condition with another embedded prompt (L, D)."""
        return replace(condition, payload=torch.stack([condition.payload[0], states]))

    def _denoise(self, x: torch.Tensor, step: Step, states: torch.Tensor) -> torch.Tensor:
        latent = x / step.level.scale if self.scheduler.scales_input else x
        times = torch.full((len(x),), step.time, dtype=x.dtype, device=x.device)
        output = self.unet(latent, times, encoder_hidden_states=states.expand(len(x), -1, -1)).sample
        return x0_from_output(output, x, step.level, self.scheduler.prediction)

    def decode(self, x0: torch.Tensor) -> torch.Tensor:
        return clipped(self.decoder.decode(x0))


@dataclass(frozen=True)
class ClipText:
    """CLIP's tokenizer and text model (transformers), last hidden state, as Stable Diffusion 1 and 2 use
    them."""

    tokenizer: Any
    model: Any

    def encode(self, prompts: Sequence[str]) -> torch.Tensor:
        tokens = self.tokenizer(
            list(prompts),
            padding="max_length",
            truncation=True,
            max_length=self._length,
            return_tensors="pt",
        )
        states: torch.Tensor = self.model(tokens.input_ids)[0]
        return states

    @property
    def _length(self) -> int:
        return min(int(self.tokenizer.model_max_length), int(self.model.config.max_position_embeddings))

    def words(self, prompt: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """All words enter, up to the encoder's length."""
        words = prompt.split()
        room = self._length - 2
        entering = len(words)
        while (
            entering
            and len(self.tokenizer(" ".join(words[:entering]), add_special_tokens=False).input_ids) > room
        ):
            entering -= 1
        return tuple(words[:entering]), tuple(words[entering:])


@dataclass(frozen=True)
class VaeDecoder:
    """An ``AutoencoderKL``: latents are scaled (and shifted) as its configuration says."""

    vae: Any

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        shift = self.vae.config.get("shift_factor") or 0.0
        images: torch.Tensor = self.vae.decode(latents / self.vae.config.scaling_factor + shift).sample
        return images / 2 + 0.5


def load_folder(folder: Path, *, name: str, scheduler: str | None = None) -> DiffusionGenerator:
    """Load a pipeline that diffusers saved: UNet2DConditionModel, AutoencoderKL, one CLIP text model.

    ``scheduler`` names another scheduler class of diffusers to drive the model with. A folder that is no such
    pipeline, or whose parts are of other classes, do not fit each other or lack weights, is an
    ``InputError``.
    """
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer

    index = read_index(folder)
    check_parts(folder, index)
    solver = load_scheduler(folder, scheduler or str(index["scheduler"][1]))
    unet = load_frozen(folder, UNet2DConditionModel, "unet", torch_dtype=torch.float32)
    vae = load_frozen(folder, AutoencoderKL, "vae", torch_dtype=torch.float32)
    model = load_frozen(folder, CLIPTextModel, "text_encoder").to(torch.float32)
    side = int(unet.config.sample_size) * 2 ** (len(vae.config.block_out_channels) - 1)
    return DiffusionGenerator(
        name=name,
        digest=folder_digest(folder),
        unet=unet,
        scheduler=solver,
        text=ClipText(load_part(folder, CLIPTokenizer, "tokenizer"), model),
        decoder=VaeDecoder(vae),
        image_size=side,
    )


def load_scheduler(folder: Path, name: str) -> DiffusersScheduler:
    """Load the folder's noise schedule with the solver ``name`` of diffusers."""
    import diffusers

    solver = getattr(diffusers, name, None)
    if solver is None or not hasattr(solver, "set_timesteps"):
        raise InputError("scheduler", f"{name!r} is no scheduler of diffusers", "for example DDIMScheduler")
    return DiffusersScheduler(load_part(folder, solver, "scheduler"), folder / "scheduler")
