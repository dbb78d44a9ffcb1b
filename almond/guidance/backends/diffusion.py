"""Learned text-to-image diffusion models: a family (denoiser, text, decoder) and a scheduler, in x0 space.

One class serves the small network that ships with Almond and every folder of the lab. Latents, conversions
and combinations are float32 on the CPU, so that machines with other cards agree on a seed; only the
networks stand on the device, in their own precision.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol

import torch

from almond.digest import digest_json
from almond.errors import InputError
from almond.guidance.backends.base import (
    TEXT,
    TEXT_ONCE,
    Condition,
    Prediction,
    clipped,
    rms,
    seeded_noise,
)
from almond.guidance.backends.diffusers_scheduler import DiffusersScheduler
from almond.guidance.backends.families.base import EncodingFamily, Family, Inputs
from almond.guidance.generators import UNCALIBRATED, Defaults
from almond.guidance.levels import x0_from_output
from almond.guidance.photographs.photograph import Photograph
from almond.guidance.photographs.pictures import PictureFiles
from almond.guidance.schedulers import Step
from almond.typing import ImageArray

LOOP = 2
"""Counted up when the same model and recipe would give another picture."""

CACHED_PROMPTS = 64

FROM_PHOTOGRAPHS = "Stable Diffusion 1.5 or 2.1, SDXL, SD3, Flux.1 or Z-Image"
"""The families that start from photographs, in words."""

CPU = torch.device("cpu")

TEXT_STATES = "encoder_hidden_states"
"""The denoiser's input that is the embedded prompt (1, L, D)."""


class ImageAdapter(Protocol):
    """An IP-Adapter that was loaded onto the model."""

    @property
    def weights_sha256(self) -> str: ...

    @property
    def encoder_sha256(self) -> str: ...

    @property
    def scale(self) -> float: ...

    def embed(self, image: ImageArray) -> tuple[torch.Tensor, torch.Tensor]:
        """Embed a picture (H, W, 3) for prompt and empty prompt."""

    def embeddings(self, images: Sequence[ImageArray]) -> torch.Tensor:
        """Embed pictures: (n, D)."""


Conditioned = Callable[[tuple[Inputs, Inputs]], tuple[Inputs, Inputs]]
"""The denoiser's inputs for prompt and empty prompt -> the same with what pictures add."""


class Decoder(Protocol):
    """Latents to images, differentiable."""

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """(B, C, h, w) -> (B, 3, H, W), about [0, 1], not clipped."""


class DiffusionGenerator:
    """A frozen model family with its scheduler, as a ``Generator``.

    :param identity: what the digest is taken of beside scheduler, scale and loop.
    :param device: where the networks run; latents stay on the CPU.

    ``pictures`` are those that recipes may name; ``control_sha256`` and ``adapter`` say what was loaded onto
    the model to read some of them. ``photograph`` and ``conditioned`` hold what one recipe's
    pictures make of the model (``almond.guidance.photographs.pictured``); ``pictured`` keeps the last such.
    """

    def __init__(
        self,
        *,
        name: str,
        identity: Mapping[str, Any],
        family: Family,
        scheduler: DiffusersScheduler,
        image_size: int,
        device: torch.device = CPU,
        defaults: Defaults = UNCALIBRATED,
    ) -> None:
        self.name, self.image_size, self.defaults = name, image_size, defaults
        self.identity = identity
        self.family, self.scheduler, self.device = family, scheduler, device
        self.decoder: Decoder = family
        self.latent_shape = family.noise_shape(image_size, image_size)
        self.unit_kind = TEXT if self.guided_by_text else TEXT_ONCE
        networks = family.networks
        for network in networks.values():
            network.eval().requires_grad_(False)
        self.denoiser = networks["denoiser"]
        self._texts = [model for part, model in networks.items() if part.startswith("text")]
        self._types = {part: _dtype(model) for part, model in networks.items()}
        self._encoded: OrderedDict[str, tuple[Inputs, Inputs]] = OrderedDict()
        self.pictures = PictureFiles()
        self.control_sha256: str | None = None
        self.adapter: ImageAdapter | None = None
        self.photograph: Photograph | None = None
        self.conditioned: Conditioned | None = None
        self.pictured: OrderedDict[Hashable, DiffusionGenerator] = OrderedDict()
        told = {"scheduler": scheduler.name, "scale": family.scale, "loop": LOOP}
        self.digest = digest_json({**identity, **told})

    @property
    def guided_by_text(self) -> bool:
        """Whether two passes are combined (classifier-free guidance)."""
        return self.family.scale != self.family.no_guidance

    def at_size(self, size: int) -> DiffusionGenerator:
        """Return the same model for square images of another side in pixels; its digest no longer fits."""
        other = copy.copy(self)
        other.image_size, other.latent_shape = size, self.family.noise_shape(size, size)
        other._encoded, other.pictured = OrderedDict(), OrderedDict()

        def arguments(steps: int) -> Mapping[str, Any]:
            return self.family.schedule(steps, size, size)

        other.scheduler = DiffusersScheduler(self.scheduler.scheduler, arguments=arguments)
        return other

    def with_own_networks(self) -> DiffusionGenerator:
        """Return the same model with networks of its own, to be adapted; the digest stays."""
        other = copy.copy(self)
        other.family = other.decoder = copy.deepcopy(self.family)
        networks = other.family.networks
        other.denoiser = networks["denoiser"]
        other._texts = [model for part, model in networks.items() if part.startswith("text")]
        other._encoded, other.pictured = OrderedDict(), OrderedDict()
        return other

    def with_pictures(
        self, photograph: Photograph | None, conditioned: Conditioned | None
    ) -> DiffusionGenerator:
        """Return the same model, which shows a photograph outside of its region and is given what pictures
        add."""
        other = copy.copy(self)
        other.photograph, other.conditioned = photograph, conditioned
        other._encoded = OrderedDict()
        return other

    def encode_prompt(self, prompt: str, seeds: Sequence[int]) -> Condition:
        """``payload``: the denoiser's inputs for the prompt and for the empty prompt."""
        understood, ignored = self.family.words(prompt)
        return Condition(prompt, tuple(seeds), understood, ignored, self._inputs(prompt))

    def _inputs(self, prompt: str) -> tuple[Inputs, Inputs]:
        """Encode a prompt once; the text encoders leave the card as soon as it is encoded."""
        if prompt not in self._encoded:
            with torch.no_grad(), standing_on(self.device, self._texts):
                inputs = self.family.conditions(prompt, self.image_size, self.image_size)
            self._encoded[prompt] = inputs if self.conditioned is None else self.conditioned(inputs)
        self._encoded.move_to_end(prompt)
        while len(self._encoded) > CACHED_PROMPTS:
            self._encoded.popitem(last=False)
        return self._encoded[prompt]

    def initial_latent(self, seed: int) -> torch.Tensor:
        return seeded_noise(seed, self.latent_shape)

    def predict(self, x: torch.Tensor, step: Step, condition: Condition) -> Prediction:
        """Predict the clean latent from the combined output: only plain guidance could be combined in x0."""
        prompted, empty = condition.payload
        output = self._output(x, step, prompted)
        if not self.guided_by_text:
            x0 = self._clean(output, x, step)
            return Prediction(x0, lambda: rms(x0 - self._clean(self._output(x, step, empty), x, step)))
        without = self._output(x, step, empty)
        x0, plain = (
            self._clean(values, x, step) for values in (self.family.combine(output, without), without)
        )
        shown = x0 if condition.text_share == 1.0 else plain + condition.text_share * (x0 - plain)
        return Prediction(shown, lambda: rms(x0 - plain))

    @property
    def lowers_text(self) -> bool:
        """Whether there is text guidance that could be lowered."""
        return self.guided_by_text

    def predict_prompted(self, x: torch.Tensor, step: Step, condition: Condition) -> torch.Tensor:
        """Denoise with the prompt alone, without text guidance."""
        return self._clean(self._output(x, step, condition.payload[0]), x, step)

    def text_states(self, condition: Condition) -> torch.Tensor:
        """Return the embedded prompt (L, D) that the denoiser attends to.

        :raises InputError: the family's denoiser takes its text in another form.
        """
        states = condition.payload[0].get(TEXT_STATES)
        if not isinstance(states, torch.Tensor):
            expected = f"a family whose denoiser takes {TEXT_STATES}"
            raise InputError(f"generator {self.name}", "takes its text in another form", expected)
        return states[0].float()

    def with_text_states(self, condition: Condition, states: torch.Tensor) -> Condition:
        """Return a condition with another embedded prompt (L, D)."""
        prompted, empty = condition.payload
        changed = {**prompted, TEXT_STATES: states[None].to(prompted[TEXT_STATES])}
        return replace(condition, payload=(changed, empty))

    def _clean(self, output: torch.Tensor, x: torch.Tensor, step: Step) -> torch.Tensor:
        return x0_from_output(output, x, step.level, self.scheduler.prediction)

    def _output(self, x: torch.Tensor, step: Step, inputs: Inputs) -> torch.Tensor:
        """Run the denoiser in its own precision; float32 comes back."""
        latent = x / step.level.scale if self.scheduler.scales_input else x
        times = torch.full((len(x),), step.time, dtype=torch.float32, device=self.device)
        batch = {name: for_batch(value, len(x)) for name, value in inputs.items()}
        seen = latent.to(self.device, self._types["denoiser"])
        return self.family.output(seen, times, batch).to(x.device, x.dtype)

    def decode(self, x0: torch.Tensor) -> torch.Tensor:
        """Decode; outside of a photograph's region its own latent and pixels stand."""
        latents = x0 if self.photograph is None else self.photograph.blended(x0)
        images = self.decoder.decode(latents.to(self.device, self._types["decoder"]))
        images = clipped(images.to(x0.device, x0.dtype))
        return images if self.photograph is None else self.photograph.shown(images)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Encode images (B, 3, H, W) in [0, 1] to clean latents (B, C, h, w).

        :raises InputError: a family that does not start from photographs.
        """
        if not isinstance(self.family, EncodingFamily) or not self.family.from_photographs:
            problem = f"{type(self.family).__name__} does not start from photographs here"
            raise InputError("recipe.start", problem, FROM_PHOTOGRAPHS)
        with torch.no_grad():
            latents = self.family.encode(images.to(self.device, self._types["decoder"]))
        return latents.to(images.device, images.dtype)


def _dtype(network: torch.nn.Module) -> torch.dtype:
    """Return the precision in which a network computes."""
    stated = getattr(network, "dtype", None)
    if isinstance(stated, torch.dtype) and stated.is_floating_point:
        return stated
    return next((value.dtype for value in network.parameters()), torch.float32)


@contextmanager
def standing_on(device: torch.device, networks: Sequence[torch.nn.Module]) -> Iterator[None]:
    """Hold networks on a device for a while; they go back to the CPU, and their memory is free again."""
    if device == CPU:
        yield
        return
    for network in networks:
        network.to(device)
    try:
        yield
    finally:
        for network in networks:
            network.to(CPU)


def for_batch(value: Any, count: int) -> Any:
    """Repeat inputs of batch 1: tensors (1, ...) become (count, ...), lists are repeated; the rest stays."""
    if isinstance(value, torch.Tensor) and value.ndim and len(value) == 1:
        return value.expand(count, *value.shape[1:])
    if isinstance(value, Mapping):
        return {name: for_batch(part, count) for name, part in value.items()}
    if isinstance(value, list):
        return value * count
    return value
