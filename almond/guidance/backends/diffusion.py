"""Learned text-to-image diffusion models in parts: denoiser, scheduler, text encoder, decoder (diffusers'
classes).

One class serves the small network that ships with Almond and a Stable Diffusion folder of the lab. Nothing is
downloaded: a model is a local folder.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from almond.digest import digest_files, digest_json
from almond.errors import InputError
from almond.folders import visible
from almond.guidance.backends.base import Condition, Prediction, rms, seeded_noise
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
        return Prediction(without + correction, rms(correction) * step.level.signal / step.level.noise)

    def _denoise(self, x: torch.Tensor, step: Step, states: torch.Tensor) -> torch.Tensor:
        latent = x / step.level.scale if self.scheduler.scales_input else x
        times = torch.full((len(x),), step.time, dtype=x.dtype, device=x.device)
        output = self.unet(latent, times, encoder_hidden_states=states.expand(len(x), -1, -1)).sample
        return x0_from_output(output, x, step.level, self.scheduler.prediction)

    def decode(self, x0: torch.Tensor) -> torch.Tensor:
        return self.decoder.decode(x0).clamp(0.0, 1.0)


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
    pipeline, or has parts of other classes, is an ``InputError``.
    """
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer

    index = read_index(folder)
    check_parts(folder, index)
    unet = load_part(folder, UNet2DConditionModel, "unet", torch_dtype=torch.float32)
    vae = load_part(folder, AutoencoderKL, "vae", torch_dtype=torch.float32).eval().requires_grad_(False)
    model = load_part(folder, CLIPTextModel, "text_encoder").to(torch.float32).eval().requires_grad_(False)
    tokenizer = load_part(folder, CLIPTokenizer, "tokenizer")
    side = int(unet.config.sample_size) * 2 ** (len(vae.config.block_out_channels) - 1)
    return DiffusionGenerator(
        name=name,
        digest=folder_digest(folder),
        unet=unet,
        scheduler=load_scheduler(folder, scheduler or str(index["scheduler"][1])),
        text=ClipText(tokenizer, model),
        decoder=VaeDecoder(vae),
        image_size=side,
    )


PARTS = {
    "unet": "UNet2DConditionModel",
    "vae": "AutoencoderKL",
    "text_encoder": "CLIPTextModel",
    "tokenizer": "CLIPTokenizer",
}


def read_index(folder: Path) -> dict[str, Any]:
    """Read the folder's ``model_index.json``."""
    path = folder / "model_index.json"
    expected = "a folder written by a diffusers pipeline, with model_index.json"
    try:
        index = json.loads(path.read_text())
    except OSError as error:
        raise InputError(folder, f"has no readable model_index.json ({error.strerror})", expected) from error
    except ValueError as error:
        raise InputError(path, f"is not JSON ({error})", expected) from error
    if not isinstance(index, dict):
        raise InputError(path, "is not a JSON object", expected)
    return index


def check_parts(folder: Path, index: dict[str, Any]) -> None:
    for part, wanted in PARTS.items():
        entry = index.get(part)
        class_name = entry[1] if isinstance(entry, list) and len(entry) == 2 else None
        if class_name not in (wanted, f"{wanted}Fast"):
            raise InputError(folder / "model_index.json", f"{part} is {class_name or 'missing'}", wanted)
    if not isinstance(index.get("scheduler"), list):
        raise InputError(folder / "model_index.json", "scheduler is missing", "a scheduler of diffusers")


def load_scheduler(folder: Path, name: str) -> DiffusersScheduler:
    """Load the folder's noise schedule with the solver ``name`` of diffusers."""
    import diffusers

    solver = getattr(diffusers, name, None)
    if solver is None or not hasattr(solver, "set_timesteps"):
        raise InputError("scheduler", f"{name!r} is no scheduler of diffusers", "for example DDIMScheduler")
    return DiffusersScheduler(load_part(folder, solver, "scheduler"))


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
