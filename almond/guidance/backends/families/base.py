"""What the loop must know of a model family, and what families of diffusers pipelines share.

The loop is one; a family says how a prompt becomes the denoiser's inputs, what shape its latents have, how
its time steps are spaced, what its denoiser puts out, how prompt and empty prompt are combined, and how
latents become images. Everything is taken from the pipeline's own parts and helpers; the pipeline itself is
never called, for it runs without gradients.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch

from almond.errors import InputError

Inputs = Mapping[str, Any]
"""What the denoiser takes beside latent and time for one prompt, tensors of batch 1."""

Configs = Mapping[str, Mapping[str, Any]]
"""``config.json`` of every part that has one, by the part's name; ``model_index`` is the folder's index."""


class Family(Protocol):
    """A model in six questions. ``scale`` is the weight of the text; at ``no_guidance`` one pass is made."""

    @property
    def scale(self) -> float: ...

    @property
    def no_guidance(self) -> float: ...

    def conditions(self, prompt: str, height: int, width: int) -> tuple[Inputs, Inputs]:
        """Encode the prompt and the empty prompt for images of height x width pixels."""

    def noise_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """Return the shape (C, h, w) of the latent that is denoised, unpacked."""

    def schedule(self, steps: int, height: int, width: int) -> dict[str, Any]:
        """Return the arguments of the scheduler's ``set_timesteps``."""

    def output(self, x: torch.Tensor, time: torch.Tensor, inputs: Inputs) -> torch.Tensor:
        """Run the denoiser on (B, C, h, w) at times (B,); the output has the scheduler's sign and x's
        shape."""

    def combine(self, prompted: torch.Tensor, empty: torch.Tensor) -> torch.Tensor:
        """Combine two outputs by classifier-free guidance (Ho & Salimans 2022)."""

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode to images (B, 3, H, W), about [0, 1], not clipped; differentiable."""

    def words(self, prompt: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """List the prompt's words that enter, and those that do not."""

    @property
    def networks(self) -> Mapping[str, torch.nn.Module]:
        """Return ``denoiser``, ``decoder`` and the text encoders, by name."""


@runtime_checkable
class EncodingFamily(Protocol):
    """A family with an encoder. ``from_photographs``: image-to-image was compared with the pipeline's."""

    from_photographs: ClassVar[bool]

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Encode images (B, 3, H, W) in [0, 1] to clean latents (B, C, h, w)."""


class PipelineFamily(ABC):
    """A family whose parts a diffusers pipeline holds. Subclasses give what differs.

    :param pipe: the pipeline of diffusers with its parts loaded and frozen.
    :param scale: weight of the text; None is what the family is used with.
    :param embedded: the guidance that a distilled denoiser takes as an input; None is the usual one.
    """

    parts: ClassVar[Mapping[str, tuple[str, ...]]]
    """Part -> classes that it may have."""
    optional: ClassVar[tuple[str, ...]] = ()
    """Parts that may be switched off (``[null, null]``), together with what belongs to them."""
    unused: ClassVar[tuple[str, ...]] = ()
    """Parts that take no part in drawing from a prompt."""
    flags: ClassVar[tuple[str, ...]] = ()
    """Settings in ``model_index.json`` that the pipeline takes."""
    constants: ClassVar[Mapping[str, Any]] = {}
    """Settings that the pipeline is given whatever the folder says."""
    denoiser: ClassVar[str] = "transformer"
    usual_scale: ClassVar[float]
    usual_embedded: ClassVar[float | None] = None
    usual_steps: ClassVar[int] = 30
    no_guidance: ClassVar[float] = 1.0
    grain: ClassVar[int] = 1
    """Cells of the latent that the denoiser takes together; sides must be multiples of it."""
    from_photographs: ClassVar[bool] = False
    """Whether images may start from photographs, as the family's image-to-image pipeline has it."""

    def __init__(self, pipe: Any, *, scale: float | None = None, embedded: float | None = None) -> None:
        self.pipe = pipe
        self.scale = self.usual_scale_of(pipe) if scale is None else scale
        self.embedded = self.usual_embedded if embedded is None else embedded

    @classmethod
    def usual_scale_of(cls, pipe: Any) -> float:
        """Return the weight of the text that the model is used with."""
        return cls.usual_scale

    @classmethod
    @abstractmethod
    def check(cls, folder: Path, configs: Configs) -> None:
        """Refuse settings of the parts that the loop does not drive."""

    def size(self) -> int:
        """Return the side in pixels that the model was trained with."""
        return int(self.network.config.sample_size) * self.factor

    @property
    def factor(self) -> int:
        """Return pixels per cell of the latent that is denoised."""
        return int(self.pipe.vae_scale_factor)

    @property
    def network(self) -> Any:
        return getattr(self.pipe, self.denoiser)

    @property
    def networks(self) -> Mapping[str, torch.nn.Module]:
        texts = {name: getattr(self.pipe, name, None) for name in self.parts if name.startswith("text_enc")}
        held = {name: model for name, model in texts.items() if model is not None}
        return {"denoiser": self.network, "decoder": self.pipe.vae, **held}

    @abstractmethod
    def conditions(self, prompt: str, height: int, width: int) -> tuple[Inputs, Inputs]:
        """Encode the prompt and the empty prompt."""

    @abstractmethod
    def output(self, x: torch.Tensor, time: torch.Tensor, inputs: Inputs) -> torch.Tensor:
        """Run the denoiser."""

    def noise_shape(self, height: int, width: int) -> tuple[int, int, int]:
        return (int(self.network.config.in_channels), height // self.factor, width // self.factor)

    def schedule(self, steps: int, height: int, width: int) -> dict[str, Any]:
        return {"num_inference_steps": steps}

    def combine(self, prompted: torch.Tensor, empty: torch.Tensor) -> torch.Tensor:
        return empty + self.scale * (prompted - empty)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode by an ``AutoencoderKL``; its configuration says how latents are scaled and shifted."""
        config = self.pipe.vae.config
        values = latents / config.scaling_factor + (config.get("shift_factor") or 0.0)
        if config.get("latents_mean") is not None and config.get("latents_std") is not None:
            mean, std = (per_channel(config[key], latents) for key in ("latents_mean", "latents_std"))
            values = latents * std / config.scaling_factor + mean
        return self.decoded(values)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Encode by an ``AutoencoderKL``: the mean of its distribution, from which pipelines draw."""
        config = self.pipe.vae.config
        values: torch.Tensor = self.pipe.vae.encode(images * 2 - 1, return_dict=False)[0].mode()
        if config.get("latents_mean") is not None and config.get("latents_std") is not None:
            mean, std = (per_channel(config[key], values) for key in ("latents_mean", "latents_std"))
            return (values - mean) * float(config.scaling_factor) / std
        return (values - float(config.get("shift_factor") or 0.0)) * float(config.scaling_factor)

    def decoded(self, values: torch.Tensor) -> torch.Tensor:
        """Run the decoder on what it was trained with, and bring [-1, 1] to [0, 1]."""
        images: torch.Tensor = self.pipe.vae.decode(values, return_dict=False)[0]
        return images / 2 + 0.5

    @property
    def device(self) -> torch.device:
        """Return where the denoiser stands, and so what prompts are encoded for."""
        device: torch.device = next(self.network.parameters()).device
        return device

    def readers(self) -> Sequence[tuple[Any, int]]:
        """List the tokenizers and how many tokens of each enter."""
        names = [name for name in self.parts if name.startswith("tokenizer")]
        tokenizers = [getattr(self.pipe, name, None) for name in names]
        return [(held, int(held.model_max_length) - 2) for held in tokenizers if held is not None]

    def words(self, prompt: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """All words enter, up to the length of the encoder that reads furthest."""
        words = prompt.split()
        entering = max(words_within(words, tokenizer, room) for tokenizer, room in self.readers())
        return tuple(words[:entering]), tuple(words[entering:])


def words_within(words: Sequence[str], tokenizer: Any, room: int) -> int:
    """Count the leading words whose tokens fit into ``room``."""
    entering = len(words)
    while entering and len(tokenizer(" ".join(words[:entering]), add_special_tokens=False).input_ids) > room:
        entering -= 1
    return entering


def per_channel(values: Sequence[float], like: torch.Tensor) -> torch.Tensor:
    """Return one number per channel of (B, C, h, w), as (1, C, 1, 1)."""
    return torch.tensor(list(values), device=like.device, dtype=like.dtype)[None, :, None, None]


def refused_setting(folder: Path, part: str, problem: str, expected: str) -> InputError:
    """Make the error about a part's ``config.json``."""
    return InputError(folder / part / "config.json", problem, expected)


def check_width(folder: Path, configs: Configs, *, denoiser: str, key: str, width: int) -> None:
    """Compare the width of the text that a denoiser takes with what the encoders give."""
    states = configs[denoiser].get(key)
    if states != width:
        raise refused_setting(
            folder,
            denoiser,
            f"{key} is {states}, the text encoder gives {width}",
            "a denoiser and text encoders of one model",
        )


def check_channels(folder: Path, configs: Configs, *, denoiser: str, inside: int, outside: int) -> None:
    """Compare the channels of the denoiser with those of the latents; more are another kind of model."""
    config = configs[denoiser]
    for key, wanted in (("in_channels", inside), ("out_channels", outside)):
        channels = config.get(key)
        if channels is not None and channels != wanted:
            problem = f"{key} is {channels}, where the autoencoder's latents make it {wanted}"
            hint = "; more are for inpainting, editing, depth or a learned variance"
            raise refused_setting(folder, denoiser, problem + hint, "a text-to-image denoiser")
